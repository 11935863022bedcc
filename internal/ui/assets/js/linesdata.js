// @ts-check
// The data of <goshawk-lines>, as the server computed them, and texts of their
// values.

import { rate, significant } from "./format.js";
import { shadesOf } from "./marks.js";

/**
 * @typedef {object} Look how a line is drawn
 * @property {"accent" | "bad" | "warn" | "muted" | "run-delay" | "pipe"} token its colour
 * @property {number[]} dash
 * @property {number} width pixels
 * @property {number} [fill] percent of its colour in what is below it
 * @property {string} [words] what it is called, when that is not its name
 */

/**
 * @typedef {object} Plotted what any chart over time draws
 * @property {number} from seconds since 1970
 * @property {number} to
 * @property {boolean} steps whether a value holds until the next time
 * @property {number[]} times
 * @property {{look: string, text: string, values: (number | null)[]}[]} lines
 */

/**
 * @typedef {object} Marked what the server computed besides
 * @property {string} unit "percent", "times" or "rate"
 * @property {number} low of the values
 * @property {number} high
 * @property {number} bend the value from which on the axis is a logarithm; 0 for none
 * @property {{look: string, text: string, at: number}[]} marks
 * @property {{look: string, text: string, from: number, to: number}[]} shades
 */

/** @typedef {Plotted & Marked} LinesData */

/** @param {unknown} v @param {number} otherwise */
function number(v, otherwise) {
  return typeof v === "number" && Number.isFinite(v) ? v : otherwise;
}

/** @param {unknown} v @returns {any[]} */
function list(v) {
  return Array.isArray(v) ? v.filter((item) => item !== null && typeof item === "object") : [];
}

/**
 * Reads data; what is missing or wrong is left out.
 * @param {any} data
 * @returns {LinesData}
 */
export function linesOf(data) {
  const text = (/** @type {unknown} */ v) => (typeof v === "string" ? v : "");
  const times = Array.isArray(data?.Times) && data.Times.every((/** @type {unknown} */ t) => Number.isFinite(t)) ? data.Times : [];
  const low = number(data?.Low, 0);
  const from = number(data?.From, times[0] ?? 0);
  return {
    unit: text(data?.Unit), from, to: Math.max(number(data?.To, from), from + 1), low, high: Math.max(number(data?.High, low), low + 1e-9),
    bend: Math.max(number(data?.Bend, 0), 0), steps: data?.Steps === true, times,
    lines: list(data?.Lines).map((line) => ({
      look: text(line.Look), text: text(line.Text), values: times.map((/** @type {number} */ _, /** @type {number} */ i) => (Number.isFinite(line.Values?.[i]) ? line.Values[i] : null)),
    })),
    marks: list(data?.Marks).filter((m) => Number.isFinite(m.At)).map((m) => ({ look: text(m.Look), text: text(m.Text), at: m.At })),
    shades: shadesOf(data?.Shades),
  };
}

/**
 * Renders a value.
 * @param {string} unit
 * @param {number} v
 * @returns {string}
 */
export function unitText(unit, v) {
  if (unit === "rate") return rate(v);
  const sign = v < 0 ? "−" : "";
  const size = Math.abs(v);
  if (unit === "percent") return `${size < 0.00005 ? "" : sign}${size < 0.00005 ? "0" : significant(size * 100)} %`;
  if (unit === "times") return size > 0 && size < 0.01 ? "<0.01×" : `${sign}${significant(size)}×`;
  return `${sign}${significant(size)}`;
}

/**
 * Chooses the lines of an axis that is straight up to a value and a logarithm
 * from there.
 * @param {number} bend
 * @param {number} high
 * @param {number} room how many there is room for, at least 2
 * @returns {number[]}
 */
export function bent(bend, high, room) {
  const place = (/** @type {number} */ v) => Math.asinh(v / bend) / Math.asinh(high / bend);
  const found = [0];
  let above = 1 + 1 / room;
  for (let power = Math.floor(Math.log10(high) + 1e-9); power >= Math.log10(bend) - 1; power--) {
    const v = Math.pow(10, power);
    const at = place(v);
    if (at > above - 1 / room || at < 1 / room) continue;
    found.push(v);
    above = at;
  }
  return found.sort((a, b) => a - b);
}
