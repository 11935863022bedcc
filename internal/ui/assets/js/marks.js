// @ts-check
// Times that are marked in a chart: each is a shade as wide as it took, a line
// where it began, and where there is room, what it was.

/** @typedef {import("./linesdata.js").Marked["shades"][number]} Mark */

/** The colour of a mark. @type {Record<string, "ok" | "warn" | "bad">} */
const TOKENS = { ok: "ok", warn: "warn", bad: "bad" };

/**
 * Reads the marks in the element with an id.
 * @param {string} id
 * @returns {{text: string, marks: Mark[]}} text is what was read
 */
export function marksIn(id) {
  const text = (id && document.getElementById(id)?.textContent) || "";
  return { text, marks: marksOf(text) };
}

/**
 * Reads times that are marked; what is missing or wrong is left out.
 * @param {unknown} data
 * @returns {Mark[]}
 */
export function shadesOf(data) {
  const text = (/** @type {unknown} */ v) => (typeof v === "string" ? v : "");
  return (Array.isArray(data) ? data : []).filter((s) => Number.isFinite(s?.From) && s.To >= s.From)
    .map((s) => ({ look: text(s.Look), text: text(s.Text), from: s.From, to: s.To }));
}

/**
 * Reads marks, in the order of time.
 * @param {string} text
 * @returns {Mark[]} none when it is not JSON
 */
export function marksOf(text) {
  if (text === "") return [];
  try {
    return shadesOf(JSON.parse(text)).sort((a, b) => a.from - b.from);
  } catch {
    return [];
  }
}

/**
 * Says which marks touch a time.
 * @param {Mark[]} marks
 * @param {number} from
 * @param {number} to
 * @returns {string}
 */
export function marksAt(marks, from, to) {
  return marks.filter((m) => m.from < to && m.to >= from).map((m) => m.text).join(", ");
}

/** The room above a plot for the texts, in pixels. */
export const ROOM = 20;

/**
 * Chooses where texts are written: each to the right of its line, unless it would
 * reach the next one; the last one to its left when there alone is room.
 * @param {{x: number, width: number}[]} texts their lines, and how wide they are
 * @param {number} begin where the room begins
 * @param {number} end where it ends
 * @param {number} gap between a line and a text
 * @returns {(number | null)[]} where each is written; null for nowhere
 */
export function placeTexts(texts, begin, end, gap) {
  const places = texts.map(({ x, width }, i) => (x + gap + width <= (texts[i + 1]?.x ?? end + gap) - gap ? x + gap : null));
  const last = texts.length - 1;
  if (last < 0 || places[last] !== null) return places;
  const at = texts[last].x - gap - texts[last].width;
  const reached = last > 0 ? (places[last - 1] ?? texts[last - 1].x) + (places[last - 1] === null ? 0 : texts[last - 1].width) + gap : begin;
  if (at >= reached) places[last] = at;
  return places;
}

/**
 * Draws marks; the plot draws over the shades.
 * @param {any} u the plot
 * @param {Mark[]} marks
 * @param {import("./colors.js").Colors} colors
 */
export function paintShades(u, marks, colors) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.globalAlpha = 0.16;
  for (const { mark, left, right } of inView(u, marks)) {
    ctx.fillStyle = colors[TOKENS[mark.look] ?? "muted"];
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

/**
 * Draws where marks begin, and above the plot, what they are.
 * @param {any} u the plot
 * @param {Mark[]} marks
 * @param {import("./colors.js").Colors} colors
 */
export function paintMarks(u, marks, colors) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const seen = inView(u, marks);
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.font = `${10 * ratio}px ${colors.font}`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  const texts = seen.map(({ mark, left }) => ({ x: left, width: ctx.measureText(mark.text).width }));
  const places = placeTexts(texts, bbox.left, bbox.left + bbox.width, 3 * ratio);
  seen.forEach(({ mark, left }, i) => {
    const color = colors[TOKENS[mark.look] ?? "muted"];
    ctx.strokeStyle = color;
    ctx.beginPath();
    ctx.moveTo(Math.round(left) + 0.5, bbox.top - 14 * ratio);
    ctx.lineTo(Math.round(left) + 0.5, bbox.top + bbox.height);
    ctx.stroke();
    const at = places[i];
    if (at === null) return;
    ctx.fillStyle = color;
    ctx.fillText(mark.text, at, bbox.top - 14 * ratio);
  });
  ctx.restore();
}

/** @param {any} u @param {Mark[]} marks */
function inView(u, marks) {
  const { bbox, scales: { x } } = u;
  return marks.filter((m) => m.to >= x.min && m.from <= x.max).map((mark) => {
    const left = Math.max(u.valToPos(mark.from, "x", true), bbox.left);
    const right = Math.min(Math.max(u.valToPos(mark.to, "x", true), left + 2 * devicePixelRatio), bbox.left + bbox.width);
    return { mark, left, right };
  });
}
