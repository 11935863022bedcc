// @ts-check
// Texts for numbers: durations, rates, counts and moments. Everything here is
// a pure function of its arguments but for the zone of the browser.

const MICRO = 1e3;
const MILLI = 1e6;
const SECOND = 1e9;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What stands for a number that is not known. */
export const UNKNOWN = "–";

/**
 * Renders a number with three significant digits and without an exponent.
 * @param {number} n
 * @returns {string}
 */
export function significant(n) {
  const size = Math.abs(n);
  if (size === 0) return "0";
  if (size >= 99.95) return Math.round(n).toLocaleString("en");
  const digits = size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
  return String(Number(n.toFixed(digits)));
}

/**
 * Renders a duration in the unit that suits its size: "850 ns", "12.3 ms",
 * "2 min 5 s".
 * @param {number} ns nanoseconds
 * @returns {string}
 */
export function duration(ns) {
  if (typeof ns !== "number" || !Number.isFinite(ns)) return UNKNOWN;
  if (ns < 0) return "−" + duration(-ns);
  if (ns === 0) return "0";
  if (ns < 999.5) return `${Math.round(ns)} ns`;
  if (ns < 999.5 * MICRO) return `${significant(ns / MICRO)} µs`;
  if (ns < 999.5 * MILLI) return `${significant(ns / MILLI)} ms`;
  if (ns < 59.995 * SECOND) return `${significant(ns / SECOND)} s`;
  if (ns < HOUR - SECOND / 2) return pair(ns, MINUTE, "min", SECOND, "s");
  if (ns < DAY - MINUTE / 2) return pair(ns, HOUR, "h", MINUTE, "min");
  return pair(ns, DAY, "d", HOUR, "h");
}

/**
 * @param {number} ns
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function pair(ns, large, largeName, small, smallName) {
  const total = Math.round(ns / small);
  const per = large / small;
  const rest = total % per;
  const whole = `${Math.floor(total / per).toLocaleString("en")} ${largeName}`;
  return rest === 0 ? whole : `${whole} ${rest} ${smallName}`;
}

/**
 * Renders a rate of events per second.
 * @param {number} perSecond
 * @returns {string}
 */
export function rate(perSecond) {
  if (typeof perSecond !== "number" || !Number.isFinite(perSecond)) return UNKNOWN;
  if (perSecond > 0 && perSecond < 0.01) return "<0.01/s";
  return `${significant(perSecond)}/s`;
}

/**
 * Renders a share of a whole.
 * @param {number} part
 * @param {number} whole
 * @returns {string}
 */
export function percent(part, whole) {
  if (!(whole > 0) || !Number.isFinite(part)) return UNKNOWN;
  const p = (100 * part) / whole;
  if (p > 0 && p < 1) return "<1 %";
  return `${Math.round(p)} %`;
}

/**
 * Renders a count with its noun: "1 row", "2,000 rows".
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = one + "s") {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** @param {number} n @param {number} width */
const padded = (n, width) => String(n).padStart(width, "0");

/**
 * Renders the time of day in the browser's zone.
 * @param {number} ms milliseconds since 1970
 * @param {number} [digits] of the second's fraction, 0 to 3
 * @returns {string}
 */
export function clock(ms, digits = 0) {
  const d = new Date(ms);
  if (Number.isNaN(d.getTime())) return UNKNOWN;
  const whole = `${padded(d.getHours(), 2)}:${padded(d.getMinutes(), 2)}:${padded(d.getSeconds(), 2)}`;
  if (digits <= 0) return whole;
  return `${whole}.${padded(d.getMilliseconds(), 3).slice(0, digits)}`;
}

/**
 * Renders the day in the browser's zone, as 2026-11-21.
 * @param {number} ms milliseconds since 1970
 * @returns {string}
 */
export function day(ms) {
  const d = new Date(ms);
  if (Number.isNaN(d.getTime())) return UNKNOWN;
  return `${padded(d.getFullYear(), 4)}-${padded(d.getMonth() + 1, 2)}-${padded(d.getDate(), 2)}`;
}
