// @ts-check
// Rollups as lines over time. What comes in is a v1.List of v1.Rollup, which
// has no rollup for a step in which nothing happened.

/**
 * @typedef {object} Step
 * @property {number} time seconds since 1970
 * @property {number} count
 * @property {number} failed
 * @property {number} findings
 * @property {number} p50 nanoseconds; the same for the others
 * @property {number} p90
 * @property {number} p99
 * @property {number} max
 */

/**
 * @typedef {object} Series
 * @property {number} step seconds
 * @property {number[]} times seconds since 1970
 * @property {(number | null)[][]} lines one for each of the names; null where
 *   there is nothing to show
 * @property {string[]} names
 */

/** The most steps that are drawn: more than a screen has pixels. */
const MOST = 5000;

/** @param {unknown} v */
function positive(v) {
  return typeof v === "number" && Number.isFinite(v) && v > 0 ? v : 0;
}

/**
 * Reads a Go duration such as "1m30s".
 * @param {string} text
 * @returns {number} seconds, NaN when it is none
 */
export function seconds(text) {
  const units = /** @type {Record<string, number>} */ ({ ns: 1e-9, us: 1e-6, "µs": 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 });
  let rest = text.startsWith("-") ? text.slice(1) : text;
  let sum = 0;
  if (rest === "") return NaN;
  while (rest !== "") {
    const found = /^([0-9]+\.?[0-9]*)(ns|us|µs|ms|s|m|h)/.exec(rest);
    if (!found) return NaN;
    sum += Number(found[1]) * units[found[2]];
    rest = rest.slice(found[0].length);
  }
  return sum;
}

/**
 * Says which time a request asked for.
 * @param {string} src an address with from, to and step
 * @param {number} now seconds since 1970
 * @returns {{from: number, to: number, step: number}} NaN for what it does not
 *   say
 */
export function asked(src, now) {
  const query = src.includes("?") ? src.slice(src.indexOf("?") + 1) : "";
  const values = new URLSearchParams(query);
  /** @param {string} name */
  const moment = (name) => {
    const v = values.get(name) ?? "";
    if (v.startsWith("-")) return now - seconds(v);
    return Date.parse(v) / 1000;
  };
  const to = moment("to");
  return { from: moment("from"), to: Number.isNaN(to) && values.has("from") ? now : to, step: seconds(values.get("step") ?? "") };
}

/**
 * Sums rollups up by their time. Percentiles of several do not add up: those
 * of the largest stand for all.
 * @param {any} list
 * @returns {Step[]} in the order of time
 */
export function stepsOf(list) {
  /** @type {Map<number, Step>} */
  const found = new Map();
  /** @type {Map<number, number>} */
  const largest = new Map();
  for (const item of Array.isArray(list?.items) ? list.items : []) {
    const time = Date.parse(item?.time) / 1000;
    if (Number.isNaN(time)) continue;
    const step = found.get(time) ?? { time, count: 0, failed: 0, findings: 0, p50: 0, p90: 0, p99: 0, max: 0 };
    found.set(time, step);
    const n = positive(item.count);
    step.count += n;
    step.failed += positive(item.failed);
    step.findings += positive(item.findings);
    step.max = Math.max(step.max, positive(item.max_ns));
    if (n > (largest.get(time) ?? -1)) {
      largest.set(time, n);
      step.p50 = positive(item.p50_ns);
      step.p90 = positive(item.p90_ns);
      step.p99 = positive(item.p99_ns);
    }
  }
  return [...found.values()].sort((a, b) => a.time - b.time);
}

/**
 * Returns the length of the steps: what was asked for, else the least distance
 * between two.
 * @param {{time: number}[]} steps in the order of time
 * @param {number} known seconds
 */
export function stepLength(steps, known) {
  if (known > 0) return known;
  let least = Infinity;
  for (let i = 1; i < steps.length; i++) least = Math.min(least, steps[i].time - steps[i - 1].time);
  return least > 0 && Number.isFinite(least) ? least : 10;
}

/**
 * Makes the lines of a chart. A step in which nothing happened has a rate of 0
 * and no durations.
 * @param {any} list
 * @param {"rate" | "duration"} kind
 * @param {{from: number, to: number, step: number}} time as [asked] gives it
 * @returns {Series}
 */
export function seriesOf(list, kind, time) {
  const steps = stepsOf(list);
  const step = stepLength(steps, time.step);
  // Many events never have findings: a line at 0 says nothing.
  const found = steps.some((s) => s.findings > 0);
  const names = kind === "rate" ? ["count", "failed", ...(found ? ["findings"] : [])] : ["p50", "p90", "p99", "max"];
  /** @type {Series} */
  const series = { step, times: [], lines: names.map(() => []), names };
  if (steps.length === 0) return series;
  const byIndex = new Map(steps.map((s) => [Math.round(s.time / step), s]));
  let first = Math.round(steps[0].time / step);
  let last = Math.round(steps[steps.length - 1].time / step);
  if (Number.isFinite(time.from)) first = Math.min(first, Math.floor(time.from / step));
  if (Number.isFinite(time.to)) last = Math.max(last, Math.ceil(time.to / step) - 1);
  const gap = Math.max(Math.ceil((last - first + 1) / MOST), 1);
  for (let i = first; i <= last; i += gap) {
    series.times.push(i * step);
    const s = byIndex.get(i);
    if (kind === "rate") {
      const counts = s ? [s.count, s.failed, s.findings] : [0, 0, 0];
      series.lines.forEach((line, at) => line.push(counts[at] / step));
    } else {
      const timed = s !== undefined && s.max > 0;
      const values = timed ? [s.p50, s.p90, s.p99, s.max] : [null, null, null, null];
      values.forEach((n, at) => series.lines[at].push(n));
    }
  }
  return series;
}

/**
 * Returns the least and the greatest value above 0 of some lines.
 * @param {(number | null)[][]} lines
 * @returns {{low: number, high: number}} high is 0 when there is none
 */
export function range(lines) {
  let low = Infinity;
  let high = 0;
  for (const line of lines) {
    for (const v of line) {
      if (v === null || !(v > 0)) continue;
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
  }
  return { low: high > 0 ? low : 0, high };
}

/**
 * Returns which values have none beside them: a line does not show them.
 * @param {(number | null | undefined)[]} line
 * @returns {number[]}
 */
export function isolated(line) {
  /** @param {number} i */
  const there = (i) => line[i] !== null && line[i] !== undefined;
  return line.flatMap((_, i) => (there(i) && !there(i - 1) && !there(i + 1) ? [i] : []));
}

/**
 * Says what a chart shows, for those who hear it.
 * @param {Series} series
 * @param {"rate" | "duration"} kind
 * @param {(seconds: number) => string} when
 * @param {(value: number) => string} render
 * @returns {string}
 */
export function summary(series, kind, when, render) {
  const n = series.times.length;
  if (n === 0) return "no data";
  const line = kind === "rate" ? series.lines[0] : series.lines[2];
  let top = -1;
  let sum = 0;
  line.forEach((v, i) => {
    sum += v ?? 0;
    if (v !== null && (top < 0 || v > (line[top] ?? 0))) top = i;
  });
  const said = [`From ${when(series.times[0])} to ${when(series.times[n - 1] + series.step)}`];
  if (kind === "rate") {
    const failed = series.lines[1].reduce((/** @type {number} */ a, v) => a + (v ?? 0), 0);
    said.push(`${render(sum / n)} on average, of which ${render(failed / n)} failed`);
    if (top >= 0) said.push(`most at ${when(series.times[top])}: ${render(line[top] ?? 0)}`);
  } else if (top >= 0) said.push(`the 99th percentile is highest at ${when(series.times[top])}: ${render(line[top] ?? 0)}`);
  return said.join("; ") + ".";
}
