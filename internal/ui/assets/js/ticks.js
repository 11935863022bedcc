// @ts-check
// Where the lines of an axis stand and what is written at them.

const SECOND = 1e9;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Steps from a second up; below, steps are 1, 2 or 5 times a power of ten. */
const LONG_STEPS = [
  1, 2, 5, 10, 15, 30,
  60, 120, 300, 600, 900, 1800,
  3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600,
  86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400,
].map((s) => s * SECOND);

/**
 * @typedef {object} Tick
 * @property {number} at where it stands
 * @property {string} label what is written there
 */

/**
 * @typedef {object} Axis
 * @property {Tick[]} ticks in order, none closer to the next than asked for
 * @property {number} step their distance; 0 when there is none
 * @property {string} base what the labels are relative to when they begin
 *   with "+", else empty
 */

/**
 * Returns the smallest 1, 2 or 5 times a power of ten that is no less than n.
 * @param {number} n greater than 0
 * @returns {number}
 */
export function roundStep(n) {
  const power = Math.pow(10, Math.floor(Math.log10(n)));
  for (const f of [1, 2, 5]) {
    if (n <= f * power * (1 + 1e-9)) return f * power;
  }
  return 10 * power;
}

/**
 * Returns a step between ticks of time such that there are no more than max
 * over span.
 * @param {number} span nanoseconds
 * @param {number} max
 * @returns {number} nanoseconds, at least 1
 */
export function timeStep(span, max) {
  const least = Math.max(span / Math.max(max, 1), 1);
  if (!Number.isFinite(least)) return 1;
  if (least <= 0.5 * SECOND) return roundStep(least);
  for (const step of LONG_STEPS) {
    if (least <= step) return step;
  }
  return roundStep(least / DAY) * DAY;
}

/**
 * Returns the multiples of step from start to end, both included.
 * @param {number} start
 * @param {number} end
 * @param {number} step
 * @returns {number[]}
 */
export function multiples(start, end, step) {
  /** @type {number[]} */
  const found = [];
  if (!(step > 0) || !(end >= start) || (end - start) / step > 10000) return found;
  const first = Math.ceil(start / step - 1e-9);
  const last = Math.floor(end / step + 1e-9);
  for (let i = first; i <= last; i++) found.push(i === 0 ? 0 : i * step);
  return found;
}

/** @type {[number, string][]} */
const UNITS = [[SECOND, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

/**
 * Returns the unit in which numbers as large as size read well.
 * @param {number} size nanoseconds
 * @returns {[number, string]}
 */
function unitFor(size) {
  for (const unit of UNITS) {
    if (size >= unit[0]) return unit;
  }
  return [1, "ns"];
}

/**
 * Renders a time on an axis whose ticks are step apart, so that all ticks have
 * as many decimals.
 * @param {number} ns
 * @param {number} step
 * @param {number} size the largest number on the axis
 */
function timeLabel(ns, step, size) {
  if (ns === 0) return "0";
  const sign = ns < 0 ? "−" : "";
  const abs = Math.abs(ns);
  if (size >= 2 * MINUTE) return sign + clockLabel(abs, step, size);
  const [unit, name] = unitFor(Math.max(size, 1));
  return `${sign}${(abs / unit).toFixed(decimals(step, unit))} ${name}`;
}

/** @param {number} step @param {number} unit */
function decimals(step, unit) {
  for (let d = 0; d < 9; d++) {
    const scaled = (step / unit) * Math.pow(10, d);
    if (scaled >= 1 - 1e-9 && Math.abs(scaled - Math.round(scaled)) < 1e-6) return d;
  }
  return 9;
}

/**
 * Renders minutes and seconds, or hours and minutes.
 * @param {number} abs
 * @param {number} step
 * @param {number} size
 */
function clockLabel(abs, step, size) {
  const digits = step < SECOND ? decimals(step, SECOND) : 0;
  const seconds = abs / SECOND;
  /** @param {number} n */
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  const second = (seconds % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  if (size < HOUR) return `${Math.floor(seconds / 60)}:${second} min`;
  const hours = `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}`;
  return step >= MINUTE ? `${hours} h` : `${hours}:${second} h`;
}

/**
 * Chooses ticks for a stretch of time that begins somewhere, in nanoseconds.
 * Where zoomed in so far that labels would differ only in late digits, they
 * count from a base: "+2 µs".
 * @param {number} start
 * @param {number} end
 * @param {number} max how many ticks there is room for
 * @returns {Axis}
 */
export function timeAxis(start, end, max) {
  if (!Number.isFinite(start) || !Number.isFinite(end) || !(end > start)) return { ticks: [], step: 0, base: "" };
  const step = timeStep(end - start, max);
  const places = multiples(start, end, step);
  const size = Math.max(Math.abs(start), Math.abs(end));
  if (places.length > 0 && size / step >= 1e5) {
    const coarse = Math.pow(10, Math.ceil(Math.log10(end - start)));
    const base = Math.floor(start / coarse) * coarse;
    const reach = Math.max(...places.map((at) => at - base));
    return {
      step,
      base: timeLabel(base, Math.min(coarse, SECOND), Math.abs(base)),
      ticks: places.map((at) => ({ at, label: "+" + timeLabel(at - base, step, reach) })),
    };
  }
  return { step, base: "", ticks: places.map((at) => ({ at, label: timeLabel(at, step, size) })) };
}

/**
 * Chooses the lines of a logarithmic axis: decades, and where there are few,
 * 2 and 5 times them.
 * @param {number} low greater than 0
 * @param {number} high
 * @param {number} max
 * @returns {number[]}
 */
export function logTicks(low, high, max) {
  if (!(low > 0) || !(high > low) || !Number.isFinite(high)) return [];
  const inside = (/** @type {number} */ at) => at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9);
  const powers = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) powers.push(p);
  const all = powers.flatMap((p) => [1, 2, 5].map((f) => f * Math.pow(10, p))).filter(inside);
  if (all.length <= max) return all;
  const decades = powers.map((p) => Math.pow(10, p)).filter(inside);
  const skip = Math.max(1, Math.ceil(decades.length / Math.max(max, 1)));
  return decades.filter((_, i) => i % skip === 0);
}
