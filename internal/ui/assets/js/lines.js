// @ts-check
// <goshawk-lines label="…">: numbers over time that the server has computed, in
// a script inside of it, or in the one that data-from names.

import { Plot, timeLabels } from "./chart.js";
import { make } from "./dom.js";
import { day, UNKNOWN } from "./format.js";
import { bent, linesOf, unitText } from "./linesdata.js";
import { multiples, roundStep } from "./ticks.js";

/** @typedef {import("./linesdata.js").Look} Look */
/** @typedef {import("./linesdata.js").LinesData} LinesData */

/** How lines and marks look; what differs by colour differs by dashes too. */
const LOOKS = /** @type {Record<string, Look>} */ ({
  left: { token: "accent", dash: [], width: 2, fill: 14 },
  then: { token: "pipe", dash: [], width: 1 },
  even: { token: "muted", dash: [5, 4], width: 1 },
  long: { token: "accent", dash: [], width: 2 },
  short: { token: "run-delay", dash: [3, 2], width: 1 },
  all: { token: "accent", dash: [], width: 1.5, fill: 14 },
  bad: { token: "bad", dash: [], width: 1.5, fill: 14 },
  zero: { token: "bad", dash: [], width: 1 },
  limit: { token: "bad", dash: [6, 4], width: 1 },
  other: { token: "muted", dash: [], width: 1 },
});

/** Draws lines over time, with values and times that are marked. @extends {Plot<LinesData>} */
export class Lines extends Plot {
  constructor() {
    super(LOOKS, linesOf(null));
    this.least = 60;
    this.known = "";
  }

  connectedCallback() {
    super.connectedCallback();
    // The block that holds the data may be a newer one.
    if (this.life) document.addEventListener("htmx:afterSwap", () => this.reload(), { signal: this.life.signal });
  }

  /** Reads the data that are elsewhere in the page, when they are others. */
  async reload() {
    const text = document.getElementById(this.dataset.from ?? "")?.textContent ?? "";
    if (text === "" || text === this.known) return;
    this.known = text;
    try {
      this.show(JSON.parse(text));
    } catch (cause) {
      this.fail(cause);
    }
  }

  /** What the page says in place of a drawing is enough. */
  emptyText() {
    return "";
  }

  /** @param {any} data */
  receive(data) {
    this.data = linesOf(data);
    const { from, to, times, lines, marks } = this.data;
    if (times.length === 0) return false;
    const last = this.last();
    const values = lines.map((line) => `${line.text}: ${this.text(line.values[last])}`);
    this.take(`From ${this.moment(from)} to ${this.moment(to)}; at last ${values.join(", ")}.`);
    const marked = marks.filter((mark) => mark.text !== "").map((mark) => make("li", {}, make("i", { "data-line": mark.look }), mark.text));
    // What is drawn last, above the others, is named first.
    this.legend?.replaceChildren(...[...this.legend.children].reverse(), ...marked);
    return lines.some((line) => line.values.some((v) => v !== null));
  }

  /** @param {number | null | undefined} value */
  text(value) {
    return value === null || value === undefined ? UNKNOWN : unitText(this.data.unit, value);
  }

  /** @param {number} at */
  read(at) {
    super.read(at);
    const { times, shades } = this.data;
    const time = times[Math.min(at, times.length - 1)];
    const shade = shades.find((s) => time >= s.from && time <= s.to);
    if (shade) this.when?.prepend(`${shade.text}, `);
  }

  /** @param {number} s */
  moment(s) {
    const text = super.moment(s, this.data.to);
    return s % 60 === 0 ? text.replace(/:\d\d$/, "") : text;
  }

  /** The last time with a value of the last line, which is the one that matters. */
  last() {
    const { lines, times } = this.data;
    const main = lines[lines.length - 1]?.values ?? [];
    for (let i = times.length - 1; i >= 0; i--) if (main[i] !== null && main[i] !== undefined) return i;
    return times.length - 1;
  }

  /** @param {import("./colors.js").Colors} c */
  options(c) {
    const { low, high, bend } = this.data;
    const o = super.options(c);
    o.cursor.sync.key = "goshawk-lines";
    o.scales.y = { distr: bend > 0 ? 4 : 1, asinh: bend || 1, range: () => [low, high] };
    o.axes[0].space = 80;
    o.axes[0].values = (/** @type {any} */ _u, /** @type {number[]} */ at) => this.#times(at);
    o.axes[1].splits = (/** @type {any} */ u) => this.#splits(u);
    o.hooks.drawClear = [(/** @type {any} */ u) => this.#shade(u, c)];
    o.hooks.draw = [(/** @type {any} */ u) => this.#mark(u, c)];
    return o;
  }

  /** @param {number[]} at @returns {string[]} */
  #times(at) {
    // Days apart, the clock says nothing.
    if (at.length > 1 && at[1] - at[0] >= 86400) return at.map((s) => day(s * 1000).slice(5));
    return timeLabels(at);
  }

  /** @param {any} u @returns {number[]} */
  #splits(u) {
    const { low, high, bend } = this.data;
    const room = Math.max(Math.floor(u.bbox.height / devicePixelRatio / 30), 2);
    if (bend > 0) return bent(bend, high, room);
    return multiples(low, high, roundStep((high - low) / room));
  }

  /** Marks times, and what is below 0. @param {any} u @param {import("./colors.js").Colors} c */
  #shade(u, c) {
    const { ctx, bbox } = u;
    ctx.save();
    for (const s of this.data.shades) {
      const left = Math.max(u.valToPos(s.from, "x", true), bbox.left);
      const right = Math.min(Math.max(u.valToPos(s.to, "x", true), left + 2 * devicePixelRatio), bbox.left + bbox.width);
      ctx.fillStyle = s.look === "firing" ? c.bad : c.muted;
      ctx.globalAlpha = 0.14;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    if (this.data.low < 0) {
      const top = u.valToPos(0, "y", true);
      ctx.fillStyle = c.bad;
      ctx.globalAlpha = 0.07;
      ctx.fillRect(bbox.left, top, bbox.width, bbox.top + bbox.height - top);
    }
    ctx.restore();
  }

  /** Draws the values that are marked. @param {any} u @param {import("./colors.js").Colors} c */
  #mark(u, c) {
    const { ctx, bbox } = u;
    ctx.save();
    for (const mark of this.data.marks) {
      if (mark.at < this.data.low || mark.at > this.data.high) continue;
      const look = LOOKS[mark.look] ?? LOOKS.other;
      const y = Math.round(u.valToPos(mark.at, "y", true)) + 0.5;
      ctx.strokeStyle = c[look.token];
      ctx.lineWidth = look.width * devicePixelRatio;
      ctx.setLineDash(look.dash.map((n) => n * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }
}
