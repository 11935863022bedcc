// @ts-check
// Where things are in a waterfall: the column of labels on the left, the time
// on the right.

/** The height of a row in pixels. */
export const ROW = 22;
/** The height of the overview. */
export const OVERVIEW = 40;
/** The height of the axis below the overview. */
export const AXIS = 22;

/**
 * @typedef {object} Geometry
 * @property {number} width
 * @property {number} labels width of the column of labels
 * @property {number} left where the time begins
 * @property {number} span how many pixels the time has
 * @property {number} indent of one level of the tree
 */

/**
 * Divides a width. The labels get as much as was asked for, but leave most of
 * a narrow element to the time.
 * @param {number} width pixels
 * @param {number} asked width of the labels, 0 for as is good
 * @param {number} maxDepth
 * @returns {Geometry}
 */
export function divideWidth(width, asked, maxDepth) {
  const usual = width < 560 ? width * 0.36 : Math.min(Math.max(width * 0.3, 220), 380);
  const labels = Math.round(Math.min(Math.max(asked || usual, 72), width * 0.7));
  const indent = maxDepth > 0 ? Math.min(14, Math.max((labels * 0.5) / maxDepth, 1)) : 14;
  return { width, labels, left: labels + 8, span: Math.max(width - labels - 16, 1), indent };
}

/**
 * @param {Geometry} g
 * @param {import("./view.js").View} view
 * @param {number} at nanoseconds
 * @returns {number} pixels
 */
export function xOf(g, view, at) {
  return g.left + ((at - view.start) / (view.end - view.start)) * g.span;
}

/**
 * @param {Geometry} g
 * @param {import("./view.js").View} view
 * @param {number} x pixels
 * @returns {number} nanoseconds
 */
export function timeAt(g, view, x) {
  return view.start + ((x - g.left) / g.span) * (view.end - view.start);
}

/**
 * Where the mark is that folds a row.
 * @param {Geometry} g
 * @param {number} depth
 */
export function foldX(g, depth) {
  return 6 + depth * g.indent;
}

/**
 * Returns which of the shown rows is at a height, -1 for none.
 * @param {number} y pixels from the first row
 * @param {number} rows how many are shown
 */
export function rowAt(y, rows) {
  const i = Math.floor(y / ROW);
  return i >= 0 && i < rows ? i : -1;
}
