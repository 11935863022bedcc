// @ts-check
// The arithmetic of zooming: which stretch of time is in view.

/**
 * @typedef {object} View
 * @property {number} start nanoseconds on the axis
 * @property {number} end greater than start
 */

/** The shortest stretch that one can zoom to, in nanoseconds. */
export const MIN_SPAN = 20;

/**
 * Returns view moved and, if it must be, shortened so that it is within
 * limits, and no shorter than MIN_SPAN.
 * @param {View} view
 * @param {View} limits
 * @returns {View}
 */
export function fit(view, limits) {
  let start = view.start;
  let end = view.end;
  if (!Number.isFinite(start) || !Number.isFinite(end)) return { start: limits.start, end: limits.end };
  if (start > end) [start, end] = [end, start];
  if (end - start < MIN_SPAN) {
    const middle = (start + end) / 2;
    start = middle - MIN_SPAN / 2;
    end = middle + MIN_SPAN / 2;
  }
  const span = end - start;
  if (span >= limits.end - limits.start) return { start: limits.start, end: limits.end };
  if (start < limits.start) return { start: limits.start, end: limits.start + span };
  if (end > limits.end) return { start: limits.end - span, end: limits.end };
  return { start, end };
}

/**
 * Returns view with factor times its span, such that anchor keeps its place.
 * @param {View} view
 * @param {number} factor below 1 zooms in
 * @param {number} anchor a time
 * @param {View} limits
 * @returns {View}
 */
export function zoom(view, factor, anchor, limits) {
  if (!(factor > 0) || !Number.isFinite(factor) || !Number.isFinite(anchor)) return view;
  const span = Math.max((view.end - view.start) * factor, MIN_SPAN);
  const share = (anchor - view.start) / (view.end - view.start);
  const start = anchor - share * span;
  return fit({ start, end: start + span }, limits);
}

/**
 * Returns view moved by a time.
 * @param {View} view
 * @param {number} by
 * @param {View} limits
 * @returns {View}
 */
export function pan(view, by, limits) {
  if (!Number.isFinite(by)) return view;
  return fit({ start: view.start + by, end: view.end + by }, limits);
}

/**
 * Returns the view that shows from start to end with a margin on both sides.
 * @param {number} start
 * @param {number} end
 * @param {View} limits
 * @returns {View}
 */
export function around(start, end, limits) {
  const margin = Math.max((end - start) * 0.08, MIN_SPAN / 2);
  return fit({ start: start - margin, end: end + margin }, limits);
}

/**
 * Says whether two views are the same.
 * @param {View} a
 * @param {View} b
 */
export function same(a, b) {
  return a.start === b.start && a.end === b.end;
}
