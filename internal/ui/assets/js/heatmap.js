// @ts-check
// <goshawk-heatmap src="/api/v1/rollups?…&buckets=true" label="…">: how many
// requests took how long, over time. What is selected in it is shown where
// data-into says, from the address data-select.

import { moment } from "./chart.js";
import { colorsOf } from "./colors.js";
import { button, context, make, sizeCanvas } from "./dom.js";
import { DataElement } from "./element.js";
import { clock, count, duration, percent } from "./format.js";
import { bandBegin, countIn, gridOf, LEVELS, summary } from "./heatgrid.js";
import { BELOW, cellAt, paint, shadesOf } from "./heatpaint.js";
import { asked } from "./series.js";

const HELP = "Arrows read the cells, with Shift they select; Enter lists the slowest requests of the selection, Escape ends it.";
/** The least height of a band. */
const BAND = 7;
/** How far a pointer moves that drags. */
const STILL = 4;

/** @typedef {import("./heatgrid.js").Part} Part */

/** Draws how durations are distributed over time. */
export class Heatmap extends DataElement {
  constructor() {
    super();
    /** @type {any} */
    this.data = null;
    this.time = { from: NaN, to: NaN, step: NaN };
    this.grid = gridOf(null, this.time, 1);
    /** @type {{time: number, band: number} | null} */
    this.cursor = null;
    /** What is selected, in seconds since 1970 and nanoseconds: it stays where it is when the data move on. @type {{from: number, to: number, low: number} | null} */
    this.chosen = null;
    /** @type {{x: number, y: number, time: number, band: number} | null} where a pointer went down */
    this.begin = null;
    /** Where keys began to select. @type {{time: number, band: number} | null} */
    this.anchor = null;
    /** @type {import("./colors.js").Colors | null} */
    this.colors = null;
    /** @type {string[]} */
    this.shades = [];
  }

  /** The duration that is marked, in nanoseconds; 0 for none. */
  get limit() {
    const ns = Number(this.dataset.limit);
    return ns > 0 ? ns : 0;
  }

  /** What one of the events is called. */
  get noun() {
    return this.dataset.noun ?? "request";
  }

  build() {
    this.canvas = make("canvas", { class: "gw-cells", "aria-hidden": "true" });
    this.stage = make("div", { class: "gw-heat", tabindex: "0", role: "application", "aria-roledescription": "heatmap" }, this.canvas);
    this.scale = make("span", { class: "gw-scale" });
    this.what = make("span", { class: "gw-when" });
    this.clear = button("Clear selection", "Show the slowest requests of the whole time", () => this.choose(null));
    this.clear.hidden = true;
    this.tip = make("div", { class: "gw-tip", "aria-hidden": "true" });
    this.tip.hidden = true;
    this.said = make("p", { class: "gw-hide", "aria-live": "polite" });
    this.body.append(make("div", { class: "gw-bar" }, this.scale, make("span", { class: "gw-tools" }, this.what, this.clear)), this.stage, this.said, this.tip);
    this.stage.addEventListener("keydown", (event) => this.#key(event));
    this.stage.addEventListener("blur", () => this.#look(null));
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", (event) => this.#release(event));
    this.canvas.addEventListener("pointercancel", () => (this.begin = null));
    this.canvas.addEventListener("pointerleave", () => this.#look(null));
  }

  /** @param {any} data */
  receive(data) {
    this.data = data;
    this.time = asked(this.getAttribute("src") ?? this.getAttribute("data-src") ?? "", Date.now() / 1000);
    this.#arrange(this.stage?.clientHeight || 240);
    this.stage?.setAttribute("aria-label", `${this.label || "Heatmap"}. ${summary(this.grid, (s) => clock(s * 1000), duration, this.noun + "s")} ${HELP}`);
    return this.grid.total > 0;
  }

  /** @param {number} height */
  #arrange(height) {
    this.grid = gridOf(this.data, this.time, Math.max(Math.floor((height - BELOW) / BAND), 4), this.limit);
    this.cursor = null;
    this.anchor = null;
    const dots = Array.from({ length: LEVELS }, (_, i) => make("i", { "data-heat": String(i + 1) }));
    this.scale?.replaceChildren("1", ...dots, `${count(this.grid.most, this.noun)} in a cell`);
    this.#tell();
  }

  restyle() {
    this.colors = colorsOf(this);
    this.shades = shadesOf(this.colors);
  }

  /** @returns {import("./heatpaint.js").Scene} */
  scene() {
    return {
      grid: this.grid, width: this.stage?.clientWidth ?? 0, height: this.stage?.clientHeight ?? 0, ratio: window.devicePixelRatio || 1,
      colors: this.colors ?? colorsOf(this), shades: this.shades, cursor: this.cursor, part: this.selection(), limit: this.limit,
    };
  }

  draw() {
    if (!this.canvas) return;
    const scene = this.scene();
    if (scene.width === 0 || scene.height === 0) return;
    sizeCanvas(this.canvas, scene.width, scene.height, scene.ratio);
    paint(context(this.canvas), scene);
  }

  /** What is selected, as a part of the grid; null when nothing of it is. @returns {Part | null} */
  selection() {
    const { grid, chosen } = this;
    if (!chosen) return null;
    const first = Math.max(Math.round((chosen.from - grid.times[0]) / grid.step), 0);
    const last = Math.min(Math.round((chosen.to - grid.times[0]) / grid.step) - 1, grid.times.length - 1);
    if (first > last) return null;
    let low = grid.low;
    while (low < grid.low + grid.bands && bandBegin(low, grid.per) < chosen.low * 0.999) low++;
    return { first, last, low };
  }

  /**
   * Makes two cells the corners of the selection. It reaches up to the longest
   * durations: what is asked for is what is slow.
   * @param {{time: number, band: number}} a
   * @param {{time: number, band: number}} b
   */
  #span(a, b) {
    const { grid } = this;
    const [first, last] = [Math.min(a.time, b.time), Math.max(a.time, b.time)];
    this.chosen = { from: grid.times[first], to: grid.times[last] + grid.step, low: bandBegin(grid.low + Math.min(a.band, b.band), grid.per) };
    this.#tell();
    this.requestDraw();
  }

  /** Says in the bar what is selected. */
  #tell() {
    const part = this.selection();
    if (this.clear) this.clear.hidden = this.chosen === null;
    if (!this.what) return;
    this.what.textContent = part && this.chosen ? `${clock(this.chosen.from * 1000)} to ${clock(this.chosen.to * 1000)}, ${duration(this.chosen.low)} or longer: ${count(countIn(this.grid, part), this.noun)}` : "";
  }

  /**
   * Selects, and shows the slowest requests of what is selected.
   * @param {{from: number, to: number, low: number} | null} chosen null for all
   */
  choose(chosen) {
    this.chosen = chosen;
    this.anchor = null;
    this.#tell();
    this.requestDraw();
    const detail = chosen && { from: moment(chosen.from), to: moment(chosen.to), min: chosen.low };
    const event = new CustomEvent("goshawk:select", { detail, bubbles: true, cancelable: true });
    const base = this.dataset.select;
    if (!this.dispatchEvent(event) || !base || !location.protocol.startsWith("http")) return;
    const url = new URL(base, location.href);
    if (detail) {
      url.searchParams.set("from", detail.from);
      url.searchParams.set("to", detail.to);
      url.searchParams.set("min_duration", `${Math.floor(detail.min)}ns`);
    }
    const target = document.getElementById(this.dataset.into ?? "");
    const htmx = /** @type {any} */ (window).htmx;
    if (htmx && target) htmx.ajax("GET", url.pathname + url.search, { target, swap: "outerHTML" });
    else location.assign(url);
  }

  /** @param {PointerEvent} event */
  #cell(event) {
    const box = /** @type {HTMLElement} */ (this.canvas).getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return { x, y, ...cellAt(this.scene(), x, y) };
  }

  /** @param {PointerEvent} event */
  #press(event) {
    const at = this.#cell(event);
    if (event.button !== 0 || !at.inside) return;
    this.begin = at;
    this.canvas?.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const at = this.#cell(event);
    if (this.begin && Math.hypot(at.x - this.begin.x, at.y - this.begin.y) > STILL) {
      this.#look(null);
      this.#span(this.begin, at);
    } else if (!this.begin && event.pointerType !== "touch") {
      this.#look(at.inside ? at : null, at.x, at.y);
    }
  }

  /** @param {PointerEvent} event */
  #release(event) {
    const { begin } = this;
    this.begin = null;
    if (!begin) return;
    const at = this.#cell(event);
    // A click selects what is in the cell and above.
    this.#span(begin, Math.hypot(at.x - begin.x, at.y - begin.y) > STILL ? at : begin);
    this.choose(this.chosen);
  }

  /**
   * Looks at a cell: marks it, and says what is in it beside a point.
   * @param {{time: number, band: number} | null} at
   * @param {number} [x]
   * @param {number} [y]
   */
  #look(at, x, y) {
    this.cursor = at && { time: at.time, band: at.band };
    const { tip } = this;
    if (tip) {
      tip.hidden = !at || x === undefined;
      if (at && x !== undefined && y !== undefined) this.#fill(tip, at, x, y);
    }
    this.requestDraw();
  }

  /** @param {{time: number, band: number}} at */
  #texts(at) {
    const { grid } = this;
    const n = grid.counts[at.time]?.[at.band] ?? 0;
    const column = { first: at.time, last: at.time, low: grid.low };
    const from = grid.low + at.band;
    const all = countIn(grid, column);
    return {
      n: count(n, this.noun),
      when: `${clock(grid.times[at.time] * 1000)} to ${clock((grid.times[at.time] + grid.step) * 1000)}`,
      took: `${duration(bandBegin(from, grid.per))} to ${duration(bandBegin(from + 1, grid.per))}`,
      share: all > 0 ? `${percent(n, all)} of ${count(all, this.noun)}` : "none",
      slower: count(countIn(grid, { ...column, low: from }), this.noun),
    };
  }

  /** @param {HTMLElement} tip @param {{time: number, band: number}} at @param {number} x @param {number} y */
  #fill(tip, at, x, y) {
    const t = this.#texts(at);
    const facts = make("dl");
    for (const [name, value] of [["took", t.took], ["ended", t.when], ["share then", t.share], ["as slow, or slower", t.slower]]) facts.append(make("dt", {}, name), make("dd", {}, value));
    tip.replaceChildren(make("strong", {}, t.n), facts);
    const top = /** @type {HTMLElement} */ (this.stage).offsetTop;
    const width = this.frame.clientWidth;
    const left = x + 14 + tip.offsetWidth <= width ? x + 14 : x - 14 - tip.offsetWidth;
    tip.style.left = `${Math.min(Math.max(left, 0), Math.max(width - tip.offsetWidth, 0))}px`;
    tip.style.top = `${top + y + 14}px`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { grid } = this;
    const from = this.cursor ?? this.#densest();
    const step = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] })[event.key];
    if (step) {
      const to = this.cursor ? { time: clamp(from.time + step[0], grid.times.length), band: clamp(from.band + step[1], grid.bands) } : from;
      if (event.shiftKey) this.#span((this.anchor ??= from), to);
      else this.anchor = null;
      this.#look(to);
      const t = this.#texts(to);
      if (this.said) this.said.textContent = event.shiftKey ? `selected: ${this.what?.textContent}` : `${t.n} took ${t.took}, ${t.when}; ${t.slower} as slow or slower`;
    } else if (event.key === "Enter") {
      if (!this.anchor) this.#span(from, from);
      this.choose(this.chosen);
    } else if (event.key === "Escape" && (this.chosen || this.cursor)) {
      this.#look(null);
      if (this.chosen) this.choose(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The cell with the most requests in the last step that has any. */
  #densest() {
    const { grid } = this;
    let time = grid.counts.length - 1;
    while (time > 0 && !grid.counts[time].some((n) => n > 0)) time--;
    const column = grid.counts[time] ?? [0];
    return { time, band: column.indexOf(Math.max(...column)) };
  }
}

/** @param {number} n @param {number} length */
function clamp(n, length) {
  return Math.min(Math.max(n, 0), length - 1);
}
