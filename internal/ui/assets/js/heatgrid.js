// @ts-check
// The cells of a heatmap: how many events of each duration there were in each
// step of time. What comes in is a v1.List of v1.Rollup with buckets.

import { stepLength } from "./series.js";

/**
 * @typedef {object} Grid
 * @property {number} step seconds
 * @property {number[]} times begins of the steps, in seconds since 1970
 * @property {number} per how many bands double a duration
 * @property {number} low the lowest band
 * @property {number} bands how many there are
 * @property {Float64Array[]} counts of each step, by band from the lowest
 * @property {number} most in one cell
 * @property {number} total
 */

/**
 * A part of a grid: of the steps from first to last, both included, what took
 * as long as the band low or longer.
 * @typedef {{first: number, last: number, low: number}} Part
 */

/** How many shades there are. */
export const LEVELS = 6;
/** The most steps: more than a screen has pixels. */
const MOST = 2000;
/** The fewest bands, so that few durations do not look like a wall. */
const FEWEST = 6;

/** The finest bands are the buckets: this many double a duration. */
const FINEST = 8;

/**
 * Places a duration among bands, as they are spaced: evenly within each
 * doubling.
 * @param {number} ns
 * @param {number} per
 */
export function bandAt(ns, per) {
  const power = Math.floor(Math.log2(Math.max(ns, 1)));
  return (power + Math.max(ns, 1) / 2 ** power - 1) * per;
}

/**
 * Returns the shortest duration of a band.
 * @param {number} band
 * @param {number} per
 * @returns {number} nanoseconds
 */
export function bandBegin(band, per) {
  const power = Math.floor(band / per);
  return 2 ** power * (1 + (band - power * per) / per);
}

/** @param {any} list */
function cellsOf(list) {
  /** @type {{time: number, ns: number, n: number}[]} */
  const cells = [];
  for (const item of Array.isArray(list?.items) ? list.items : []) {
    const time = Date.parse(item?.time) / 1000;
    if (Number.isNaN(time) || !Array.isArray(item.buckets)) continue;
    for (const b of item.buckets) {
      if (Number.isFinite(b?.low_ns) && b.low_ns >= 0 && b.count > 0 && Number.isFinite(b.count)) cells.push({ time, ns: b.low_ns, n: b.count });
    }
  }
  return cells;
}

/**
 * Makes the grid.
 * @param {any} list
 * @param {{from: number, to: number, step: number}} time what was asked for, NaN
 *   for what is not known
 * @param {number} room how many bands there is room for
 * @param {number} [limit] a duration in nanoseconds that is to be among the bands
 * @returns {Grid}
 */
export function gridOf(list, time, room, limit = 0) {
  const cells = cellsOf(list);
  const begins = [...new Set(cells.map((c) => c.time))].sort((a, b) => a - b);
  const step = stepLength(begins.map((time) => ({ time })), time.step);
  /** @type {Grid} */
  const grid = { step, times: [], per: FINEST, low: 0, bands: 0, counts: [], most: 0, total: 0 };
  if (cells.length === 0) return grid;
  let [shortest, longest, first, last] = [Infinity, 0, Infinity, -Infinity];
  for (const c of cells) {
    shortest = Math.min(shortest, c.ns);
    longest = Math.max(longest, c.ns);
    first = Math.min(first, Math.round(c.time / step));
    last = Math.max(last, Math.round(c.time / step));
  }
  if (limit > 0) [shortest, longest] = [Math.min(shortest, limit), Math.max(longest, limit)];
  if (Number.isFinite(time.from)) first = Math.min(first, Math.floor(time.from / step));
  if (Number.isFinite(time.to)) last = Math.max(last, Math.ceil(time.to / step) - 1);
  if (last - first >= MOST) first = last - MOST + 1;
  /** @param {number} ns */
  const band = (ns) => Math.floor(bandAt(ns, grid.per) + 1e-9);
  while (grid.per > 1 && band(longest) - band(shortest) + 1 > room) grid.per /= 2;
  grid.low = band(shortest);
  grid.bands = band(longest) - grid.low + 1;
  if (grid.bands < FEWEST) {
    grid.low = Math.max(grid.low - Math.floor((FEWEST - grid.bands) / 2), 0);
    grid.bands = FEWEST;
  }
  for (let i = first; i <= last; i++) {
    grid.times.push(i * step);
    grid.counts.push(new Float64Array(grid.bands));
  }
  for (const c of cells) {
    const column = grid.counts[Math.round(c.time / step) - first];
    if (!column) continue;
    const at = band(c.ns) - grid.low;
    column[at] += c.n;
    grid.total += c.n;
    grid.most = Math.max(grid.most, column[at]);
  }
  return grid;
}

/**
 * Returns the shade of a count: its logarithm counts, so that what is rare is
 * seen.
 * @param {number} n
 * @param {number} most
 * @returns {number} 0 for none, up to LEVELS
 */
export function levelOf(n, most) {
  if (!(n > 0)) return 0;
  if (most <= 1) return LEVELS;
  return 1 + Math.round((Math.log(n) / Math.log(most)) * (LEVELS - 1));
}

/**
 * Counts what is in a part.
 * @param {Grid} grid
 * @param {Part} part
 */
export function countIn(grid, part) {
  let n = 0;
  for (let t = part.first; t <= part.last; t++) {
    for (let b = Math.max(part.low - grid.low, 0); b < grid.bands; b++) n += grid.counts[t]?.[b] ?? 0;
  }
  return n;
}

/**
 * Says what a heatmap shows, for those who hear it.
 * @param {Grid} grid
 * @param {(seconds: number) => string} when
 * @param {(ns: number) => string} took
 * @param {string} [many] what the events are called
 * @returns {string}
 */
export function summary(grid, when, took, many = "requests") {
  if (grid.total === 0) return "no data";
  const last = grid.times.length - 1;
  const sums = new Array(grid.bands).fill(0);
  for (const column of grid.counts) column.forEach((n, b) => (sums[b] += n));
  const usual = sums.indexOf(Math.max(...sums));
  const whole = { first: 0, last, low: grid.low };
  let slow = grid.bands - 1;
  for (let n = sums[slow]; slow > 0 && n < grid.total / 100; ) n += sums[--slow];
  return [
    `From ${when(grid.times[0])} to ${when(grid.times[last] + grid.step)}, ${countIn(grid, whole).toLocaleString("en")} ${many}`,
    `most took ${took(bandBegin(grid.low + usual, grid.per))} to ${took(bandBegin(grid.low + usual + 1, grid.per))}`,
    `1 of 100 took ${took(bandBegin(grid.low + slow, grid.per))} or longer`,
  ].join("; ") + ".";
}
