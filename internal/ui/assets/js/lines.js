// @ts-check
// <goshawk-lines label="…">: numbers over time that the server has computed, in
// a script inside of it, or in the one that data-from names. uPlot draws them,
// and is loaded when it is needed.

import { axisWidth, choose, timeLabels } from "./chart.js";
import { colorsOf } from "./colors.js";
import { make } from "./dom.js";
import { DataElement } from "./element.js";
import { clock, day, UNKNOWN } from "./format.js";
import { bent, linesOf, unitText } from "./linesdata.js";
import { isolated } from "./series.js";
import { multiples, roundStep } from "./ticks.js";

/** @typedef {{token: "accent" | "bad" | "muted" | "run-delay" | "pipe", dash: number[], width: number, fill?: boolean}} Look */

/** How lines and marks look; what differs by colour differs by dashes too. */
const LOOKS = /** @type {Record<string, Look>} */ ({
  left: { token: "accent", dash: [], width: 2, fill: true },
  then: { token: "pipe", dash: [], width: 1 },
  even: { token: "muted", dash: [5, 4], width: 1 },
  long: { token: "accent", dash: [], width: 2 },
  short: { token: "run-delay", dash: [3, 2], width: 1 },
  all: { token: "accent", dash: [], width: 1.5, fill: true },
  bad: { token: "bad", dash: [], width: 1.5, fill: true },
  zero: { token: "bad", dash: [], width: 1 },
  limit: { token: "bad", dash: [6, 4], width: 1 },
});
const OTHER = /** @type {Look} */ ({ token: "muted", dash: [], width: 1 });

/** Draws lines over time, with values and times that are marked. */
export class Lines extends DataElement {
  constructor() {
    super();
    this.data = linesOf(null);
    /** @type {any} */
    this.plot = null;
    /** @type {any} */
    this.library = null;
    this.stale = true;
    this.cursor = -1;
    this.known = "";
    /** @type {import("./colors.js").Colors | null} */
    this.colors = null;
  }

  connectedCallback() {
    super.connectedCallback();
    // The block that holds the data may be a newer one.
    if (this.life) document.addEventListener("htmx:afterSwap", () => this.reload(), { signal: this.life.signal });
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.plot?.destroy();
    this.plot = null;
    this.stale = true;
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

  build() {
    this.legend = make("ul", { class: "gw-legend gw-values" });
    this.stage = make("div", { class: "gw-plot", tabindex: "0", role: "img" });
    this.said = make("p", { class: "gw-hide", "aria-live": "polite" });
    this.when = make("span", { class: "gw-when" });
    this.body.append(make("div", { class: "gw-bar" }, this.legend, this.when), this.stage, this.said);
    this.stage.addEventListener("keydown", (event) => this.#key(event));
    this.stage.addEventListener("blur", () => this.point(-1));
  }

  /** What the page says in place of a drawing is enough. */
  emptyText() {
    return "";
  }

  /** @param {any} data */
  receive(data) {
    this.data = linesOf(data);
    this.stale = true;
    this.cursor = -1;
    if (this.data.times.length === 0) return false;
    this.#legend();
    const last = this.#last();
    const values = this.data.lines.map((line) => `${line.text}: ${this.text(line.values[last])}`);
    this.stage?.setAttribute("aria-label", `${this.label || "Chart"}. From ${this.#moment(this.data.from)} to ${this.#moment(this.data.to)}; at last ${values.join(", ")}. Arrow keys read the values.`);
    if (!this.library) this.#fetch();
    return this.data.lines.some((line) => line.values.some((v) => v !== null));
  }

  async #fetch() {
    try {
      this.library = (await import("../vendor/uPlot.esm.js")).default;
      this.requestDraw();
    } catch (cause) {
      this.fail(cause);
    }
  }

  restyle() {
    this.colors = colorsOf(this);
    this.stale = true;
  }

  draw() {
    const { stage, library } = this;
    if (!stage || !library) return;
    const width = stage.clientWidth;
    const height = stage.clientHeight;
    if (width === 0 || height === 0) return;
    if (this.plot && !this.stale) {
      if (this.plot.width !== width || this.plot.height !== height) this.plot.setSize({ width, height });
      return;
    }
    this.plot?.destroy();
    this.plot = new library(this.#options(width, height), this.#data(), stage);
    this.stale = false;
  }

  /** The lines as uPlot wants them. A value of a step holds until it ends. */
  #data() {
    const { times, lines, steps, to } = this.data;
    if (!steps) return [times, ...lines.map((line) => line.values)];
    return [[...times, to], ...lines.map((line) => [...line.values, line.values[line.values.length - 1] ?? null])];
  }

  /** @param {number | null | undefined} value */
  text(value) {
    return value === null || value === undefined ? UNKNOWN : unitText(this.data.unit, value);
  }

  #legend() {
    const { lines, marks } = this.data;
    this.values = lines.map(() => make("b", {}, UNKNOWN));
    const entries = lines.map((line, i) => make("li", {}, make("i", { "data-line": line.look }), `${line.text} `, this.values?.[i] ?? ""));
    const marked = marks.filter((mark) => mark.text !== "").map((mark) => make("li", {}, make("i", { "data-line": mark.look }), mark.text));
    // What is drawn last, above the others, is named first.
    this.legend?.replaceChildren(...entries.reverse(), ...marked);
    this.#read(-1);
  }

  /** Writes the values of a time, of the last one for -1. @param {number} at */
  #read(at) {
    const i = at >= 0 ? Math.min(at, this.data.times.length - 1) : this.#last();
    this.data.lines.forEach((line, n) => {
      const value = this.values?.[n];
      if (value) value.textContent = this.text(line.values[i]);
    });
    if (!this.when) return;
    const time = this.data.times[i];
    const shade = this.data.shades.find((s) => at >= 0 && time >= s.from && time <= s.to);
    this.when.textContent = time === undefined ? "" : `${shade ? shade.text + ", " : ""}${at < 0 ? "last " : ""}${this.#moment(time)}`;
  }

  /** A time, with its day unless the chart ends on it. @param {number} s */
  #moment(s) {
    const date = day(s * 1000);
    return (date === day(this.data.to * 1000) ? "" : date + " ") + clock(s * 1000).slice(0, s % 60 === 0 ? 5 : 8);
  }

  /** The last time with a value of the last line, which is the one that matters. */
  #last() {
    const { lines, times } = this.data;
    const main = lines[lines.length - 1]?.values ?? [];
    for (let i = times.length - 1; i >= 0; i--) if (main[i] !== null && main[i] !== undefined) return i;
    return times.length - 1;
  }

  /** @param {number} width @param {number} height */
  #options(width, height) {
    const c = this.colors ?? colorsOf(this);
    const { data } = this;
    const axis = { stroke: c.muted, font: `11px ${c.font}`, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1, size: 4 } };
    const stepped = this.library.paths.stepped({ align: 1 });
    return {
      width, height, pxAlign: 1, padding: [8, null, null, null],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: "goshawk-lines", setSeries: false } },
      select: { show: true },
      scales: {
        x: { time: true, range: () => [data.from, data.to] },
        y: { distr: data.bend > 0 ? 4 : 1, asinh: data.bend || 1, range: () => [data.low, data.high] },
      },
      series: [{}, ...data.lines.map((line) => {
        const look = LOOKS[line.look] ?? OTHER;
        return {
          label: line.text, stroke: c[look.token], width: look.width, dash: look.dash, paths: data.steps ? stepped : undefined, spanGaps: false,
          fill: look.fill ? `color-mix(in srgb, ${c[look.token]} 14%, transparent)` : undefined, fillTo: 0,
          points: { show: false, size: 5, fill: c[look.token], filter: (/** @type {any} */ u, /** @type {number} */ i) => isolated(u.data[i]) },
        };
      })],
      axes: [
        { ...axis, space: 80, values: (/** @type {any} */ _u, /** @type {number[]} */ at) => this.#times(at), size: 26 },
        {
          ...axis, size: axisWidth, gap: 4, splits: (/** @type {any} */ u) => this.#splits(u), filter: (/** @type {any} */ _u, /** @type {number[]} */ at) => at,
          values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((v) => unitText(data.unit, v)),
        },
      ],
      hooks: {
        drawClear: [(/** @type {any} */ u) => this.#shade(u, c)],
        draw: [(/** @type {any} */ u) => this.#mark(u, c)],
        setCursor: [(/** @type {any} */ u) => this.#read(u.cursor.idx ?? -1)],
        setSelect: [(/** @type {any} */ u) => this.#selected(u)],
      },
    };
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
      const look = LOOKS[mark.look] ?? OTHER;
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

  /** Marks a time as the pointer does. @param {number} at -1 for none */
  point(at) {
    this.cursor = at;
    if (!this.plot) return;
    const left = at < 0 ? -10 : this.plot.valToPos(this.data.times[at], "x");
    this.plot.setCursor({ left, top: at < 0 ? -10 : 10 });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.data.times.length - 1;
    const from = this.cursor < 0 ? this.#last() : this.cursor;
    const to = { ArrowLeft: Math.max(from - 1, 0), ArrowRight: Math.min(from + 1, last), Home: 0, End: last, Escape: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.point(to);
    if (this.said && to >= 0) {
      const values = this.data.lines.map((line) => `${line.text} ${this.text(line.values[to])}`);
      this.said.textContent = `${this.#moment(this.data.times[to])}: ${values.join(", ")}`;
    }
  }

  /** Goes to the stretch of time that was chosen. @param {any} u */
  #selected(u) {
    if (u.select.width < 4) return;
    const from = u.posToVal(u.select.left, "x");
    const to = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    choose(this, from, Math.max(to, from + 60));
  }
}
