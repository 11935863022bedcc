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
 * Says what a mark is, whole and in short: how it ended.
 * @param {string} text such as "upgrade 3 rolled back"
 * @returns {string[]} longest first
 */
export function formsOf(text) {
  return [text, text.replace(/^\S+ \d+ /, "")];
}

/**
 * Chooses where texts are written, and in which form: each to the right of its
 * line, unless it would reach the next one; the last one to its left when there
 * alone is room.
 * @param {{x: number, widths: number[]}[]} texts their lines, and how wide their
 *   forms are, longest first
 * @param {number} begin where the room begins
 * @param {number} end where it ends
 * @param {number} gap between a line and a text
 * @returns {({at: number, form: number} | null)[]} null for nowhere
 */
export function placeTexts(texts, begin, end, gap) {
  const places = texts.map(({ x, widths }, i) => {
    const limit = i + 1 < texts.length ? texts[i + 1].x - gap : end;
    const form = widths.findIndex((width) => x + gap + width <= limit);
    return form < 0 ? null : { at: x + gap, form };
  });
  const last = texts.length - 1;
  if (last < 0 || places[last]) return places;
  const before = places[last - 1];
  let reached = begin;
  if (last > 0) reached = (before ? before.at + texts[last - 1].widths[before.form] : texts[last - 1].x) + gap;
  const form = texts[last].widths.findIndex((width) => texts[last].x - gap - width >= reached);
  if (form >= 0) places[last] = { at: texts[last].x - gap - texts[last].widths[form], form };
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
  const texts = seen.map(({ mark, left }) => ({ x: left, widths: formsOf(mark.text).map((text) => ctx.measureText(text).width) }));
  const places = placeTexts(texts, bbox.left, bbox.left + bbox.width, 3 * ratio);
  seen.forEach(({ mark, left }, i) => {
    const color = colors[TOKENS[mark.look] ?? "muted"];
    ctx.strokeStyle = color;
    ctx.beginPath();
    ctx.moveTo(Math.round(left) + 0.5, bbox.top - 14 * ratio);
    ctx.lineTo(Math.round(left) + 0.5, bbox.top + bbox.height);
    ctx.stroke();
    const place = places[i];
    if (!place) return;
    ctx.fillStyle = color;
    ctx.fillText(formsOf(mark.text)[place.form], place.at, bbox.top - 14 * ratio);
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
