// @ts-check
// What becomes of stretches of time that are smaller than a pixel.

/**
 * A stretch of pixels, and how many bars it stands for.
 * @typedef {[from: number, to: number, bars: number]} Span
 */

/**
 * Places stretches of time on pixels and makes one of those that touch or lie
 * over one another. None is shorter than a pixel.
 * @param {{start: number, end: number}[]} bars
 * @param {number} from first of bars
 * @param {number} to after the last
 * @param {import("./view.js").View} view
 * @param {number} width of the view in pixels
 * @returns {Span[]} in order, apart from one another
 */
export function mergeSpans(bars, from, to, view, width) {
  const scale = width / (view.end - view.start);
  if (!(scale > 0) || !Number.isFinite(scale)) return [];
  /** @type {Span[]} */
  const spans = [];
  for (let i = from; i < to; i++) {
    const bar = bars[i];
    if (bar.end < view.start || bar.start > view.end) continue;
    const left = Math.max(Math.floor((bar.start - view.start) * scale), 0);
    const right = Math.min(Math.max(Math.ceil((bar.end - view.start) * scale), left + 1), Math.ceil(width) + 1);
    spans.push([left, Math.max(right, left + 1), 1]);
  }
  spans.sort((a, b) => a[0] - b[0]);
  let n = 0;
  for (const span of spans) {
    const last = n > 0 ? spans[n - 1] : null;
    if (last && span[0] <= last[1]) {
      last[1] = Math.max(last[1], span[1]);
      last[2] += span[2];
      continue;
    }
    spans[n++] = span;
  }
  spans.length = n;
  return spans;
}

/**
 * Divides pixels by shares. A share is as long as rounding lets it be, one
 * below half a pixel may vanish, and together they are width long.
 * @param {number[]} shares
 * @param {number} whole what the shares are of; when they sum to more, they
 *   are scaled
 * @param {number} width pixels
 * @returns {number[]} where each ends
 */
export function divide(shares, whole, width) {
  let sum = 0;
  for (const s of shares) sum += s;
  const per = Math.max(sum, whole);
  let reached = 0;
  return shares.map((s) => {
    reached += s;
    return per > 0 ? Math.round((reached / per) * width) : 0;
  });
}

/**
 * Sums up rows of bars for a picture of all of them: for each line of pixels
 * the spans that are on it.
 * @param {{start: number, end: number, failed: boolean}[]} bars
 * @param {import("./view.js").View} view
 * @param {number} width pixels
 * @param {number} height pixels
 * @returns {{y: number, height: number, spans: Span[], failed: Span[]}[]}
 */
export function overview(bars, view, width, height) {
  const lines = Math.min(bars.length, Math.floor(height));
  /** @type {{y: number, height: number, spans: Span[], failed: Span[]}[]} */
  const found = [];
  // Few bars are not stretched into blocks.
  const tall = Math.min(height / Math.max(lines, 1), 4);
  for (let line = 0; line < lines; line++) {
    const from = Math.floor((line * bars.length) / lines);
    const to = Math.floor(((line + 1) * bars.length) / lines);
    const bad = bars.slice(from, to).filter((b) => b.failed);
    found.push({
      y: line * tall, height: tall,
      spans: mergeSpans(bars, from, to, view, width),
      failed: mergeSpans(bad, 0, bad.length, view, width),
    });
  }
  return found;
}
