// @ts-check
// <goshawk-chart src="/api/v1/rollups?…" kind="rate|duration" label="…">: what
// rollups say, over time. uPlot draws it, and is loaded when it is needed.

import { colorsOf } from "./colors.js";
import { make } from "./dom.js";
import { DataElement } from "./element.js";
import { clock, day, duration, rate, UNKNOWN } from "./format.js";
import { asked, isolated, range, seriesOf, summary } from "./series.js";
import { logTicks, multiples, roundStep, timeStep } from "./ticks.js";

/** @typedef {{name: string, words: string, token: "accent" | "bad" | "warn" | "muted" | "cpu" | "run-delay", dash: number[], fill?: boolean, width: number}} Look */

/** How each line looks; what differs by colour differs by dashes too. */
const LOOKS = /** @type {Record<string, Look>} */ ({
  count: { name: "count", words: "all", token: "accent", dash: [], fill: true, width: 1.5 },
  failed: { name: "failed", words: "failed", token: "bad", dash: [], fill: true, width: 1.5 },
  findings: { name: "findings", words: "with findings", token: "warn", dash: [4, 3], width: 1.5 },
  p50: { name: "p50", words: "p50", token: "accent", dash: [], width: 1.5 },
  p90: { name: "p90", words: "p90", token: "accent", dash: [6, 3], width: 1.25 },
  p99: { name: "p99", words: "p99", token: "run-delay", dash: [], width: 2 },
  max: { name: "max", words: "max", token: "muted", dash: [2, 3], width: 1 },
});

/** A ratio from which durations are on a logarithmic axis. */
const LOG_RATIO = 100;

/** Draws rollups over time. */
export class Chart extends DataElement {
  constructor() {
    super();
    /** @type {import("./series.js").Series} */
    this.series = { step: 0, times: [], lines: [], names: [] };
    /** @type {any} */
    this.plot = null;
    /** @type {any} */
    this.library = null;
    this.stale = true;
    this.log = false;
    this.cursor = -1;
    /** @type {import("./colors.js").Colors | null} */
    this.colors = null;
  }

  /** @returns {"rate" | "duration"} */
  get kind() {
    return this.getAttribute("kind") === "duration" ? "duration" : "rate";
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

  disconnectedCallback() {
    super.disconnectedCallback();
    this.plot?.destroy();
    this.plot = null;
    this.stale = true;
  }

  /** @param {any} data */
  receive(data) {
    const time = asked(this.getAttribute("src") ?? this.getAttribute("data-src") ?? "", Date.now() / 1000);
    this.series = seriesOf(data, this.kind, time);
    this.stale = true;
    this.cursor = -1;
    const { high, low } = range(this.series.lines);
    this.log = this.kind === "duration" && high / low >= LOG_RATIO;
    this.#legend();
    this.stage?.setAttribute("aria-label", `${this.label || "Chart"}. ${summary(this.series, this.kind, (s) => this.#time(s), (v) => this.text(v))} Arrow keys read the values.`);
    if (!this.library) this.#fetch();
    return high > 0;
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

  /** The lines as uPlot wants them. A rate holds until its step ends. */
  #data() {
    const { times, lines, step } = this.series;
    if (this.kind !== "rate" || times.length === 0) return [times, ...lines];
    return [[...times, times[times.length - 1] + step], ...lines.map((line) => [...line, line[line.length - 1]])];
  }

  /** @param {number} value */
  text(value) {
    return this.kind === "rate" ? rate(value) : duration(value);
  }

  /** @param {number} s seconds since 1970 */
  #time(s) {
    return clock(s * 1000);
  }

  #legend() {
    this.values = this.series.names.map(() => make("b", {}, UNKNOWN));
    this.legend?.replaceChildren(...this.series.names.map((name, i) => make("li", {},
      make("i", { "data-line": name }), `${LOOKS[name].words} `, this.values?.[i] ?? "")));
    this.#read(-1);
  }

  /** Writes the values of a step, of the last one for -1. @param {number} at */
  #read(at) {
    const i = at >= 0 ? Math.min(at, this.series.times.length - 1) : this.#last();
    this.series.lines.forEach((line, n) => {
      const v = line[i];
      const value = this.values?.[n];
      if (value) value.textContent = v === null || v === undefined ? UNKNOWN : this.text(v);
    });
    if (this.when) this.when.textContent = i >= 0 ? (at < 0 ? "last " : "") + this.#moment(i) : "";
  }

  /** The begin of a step, with its day unless the chart ends on it. @param {number} i */
  #moment(i) {
    const { times } = this.series;
    const date = day(times[i] * 1000);
    return (date === day(times[times.length - 1] * 1000) ? "" : date + " ") + this.#time(times[i]);
  }

  /** The last step with a value. */
  #last() {
    for (let i = this.series.times.length - 1; i >= 0; i--) {
      if (this.series.lines.some((line) => (line[i] ?? 0) > 0)) return i;
    }
    return this.series.times.length - 1;
  }

  /** @param {number} width @param {number} height */
  #options(width, height) {
    const c = this.colors ?? colorsOf(this);
    const axis = { stroke: c.muted, font: `11px ${c.font}`, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1, size: 4 } };
    const stepped = this.library.paths.stepped({ align: 1 });
    return {
      width, height, pxAlign: 1, padding: [8, null, null, null],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: "goshawk", setSeries: false } },
      select: { show: true },
      scales: {
        x: { time: true, range: () => this.#whole() },
        y: { distr: this.log ? 3 : 1, range: (/** @type {any} */ _u, /** @type {number} */ low, /** @type {number} */ high) => this.#range(low, high) },
      },
      series: [{}, ...this.series.names.map((name) => {
        const look = LOOKS[name];
        return {
          label: look.words, stroke: c[look.token], width: look.width, dash: look.dash,
          fill: look.fill ? faded(c[look.token]) : undefined, paths: this.kind === "rate" ? stepped : undefined,
          spanGaps: false,
          points: { show: false, size: 5, fill: c[look.token], filter: (/** @type {any} */ u, /** @type {number} */ i) => (this.kind === "duration" ? isolated(u.data[i]) : null) },
        };
      })],
      axes: [
        { ...axis, space: 70, values: (/** @type {any} */ _u, /** @type {number[]} */ at) => timeLabels(at), size: 26 },
        {
          ...axis, size: (/** @type {any} */ u, /** @type {string[]} */ texts) => axisWidth(u, texts), gap: 4,
          splits: (/** @type {any} */ u) => this.#splits(u),
          // On a logarithmic axis the library would leave some out.
          filter: (/** @type {any} */ _u, /** @type {number[]} */ at) => at,
          values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((v) => this.text(v)),
        },
      ],
      hooks: {
        setCursor: [(/** @type {any} */ u) => this.#read(u.cursor.idx ?? -1)],
        setSelect: [(/** @type {any} */ u) => this.#selected(u)],
      },
    };
  }

  /** @returns {[number, number]} */
  #whole() {
    const { times, step } = this.series;
    return [times[0], times[times.length - 1] + step];
  }

  /**
   * @param {number} low
   * @param {number} high
   * @returns {[number, number]}
   */
  #range(low, high) {
    if (!(high > 0)) return this.log ? [1, 10] : [0, 1];
    if (this.log) return [Math.max(low, 1) * 0.8, high * 1.3];
    return [0, high * 1.06];
  }

  /** @param {any} u @returns {number[]} */
  #splits(u) {
    const { min, max } = u.scales.y;
    const room = Math.max(Math.floor(u.bbox.height / devicePixelRatio / 32), 2);
    if (this.log) return logTicks(min, max, room);
    const step = this.kind === "duration" ? timeStep(max - min, room) : roundStep((max - min) / room);
    return multiples(min, max, step);
  }

  /** Marks a step as the pointer does. @param {number} at -1 for none */
  point(at) {
    this.cursor = at;
    if (!this.plot) return;
    const left = at < 0 ? -10 : this.plot.valToPos(this.series.times[at], "x");
    this.plot.setCursor({ left, top: at < 0 ? -10 : 10 });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.series.times.length - 1;
    const from = this.cursor < 0 ? this.#last() : this.cursor;
    const to = { ArrowLeft: Math.max(from - 1, 0), ArrowRight: Math.min(from + 1, last), Home: 0, End: last, Escape: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.point(to);
    if (this.said && to >= 0) {
      const values = this.series.names.map((name, i) => `${LOOKS[name].words} ${this.series.lines[i][to] === null ? "none" : this.text(this.series.lines[i][to] ?? 0)}`);
      this.said.textContent = `${this.#time(this.series.times[to])}: ${values.join(", ")}`;
    }
  }

  /** Goes to the stretch of time that was chosen. @param {any} u */
  #selected(u) {
    if (u.select.width < 4) return;
    const from = u.posToVal(u.select.left, "x");
    const to = u.posToVal(u.select.left + u.select.width, "x");
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    choose(this, from, Math.max(to, from + 1));
  }
}

/**
 * Sets from and to of the page's address, unless a listener of the event
 * goshawk:range prevents it.
 * @param {HTMLElement} element
 * @param {number} from seconds since 1970
 * @param {number} to
 */
export function choose(element, from, to) {
  const detail = { from: moment(from), to: moment(to) };
  const chosen = new CustomEvent("goshawk:range", { detail, bubbles: true, cancelable: true });
  if (!element.dispatchEvent(chosen) || !location.protocol.startsWith("http")) return;
  const url = new URL(location.href);
  url.searchParams.set("from", detail.from);
  url.searchParams.set("to", detail.to);
  for (const other of ["range", "after"]) url.searchParams.delete(other);
  location.assign(url);
}

/**
 * Writes a time as addresses have it.
 * @param {number} s seconds since 1970
 */
export function moment(s) {
  return new Date(Math.round(s) * 1000).toISOString().replace(".000Z", "Z");
}

/**
 * Makes a fill of a line's colour.
 * @param {string} color
 */
function faded(color) {
  return `color-mix(in srgb, ${color} 18%, transparent)`;
}

/**
 * Writes the times of an axis: as much of the clock as tells them apart, the
 * day where one begins.
 * @param {number[]} at seconds since 1970
 * @returns {string[]}
 */
export function timeLabels(at) {
  const short = at.every((s) => s % 60 === 0);
  return at.map((s, i) => {
    const text = clock(s * 1000);
    if (text === "00:00:00" && (i > 0 || at.length === 1)) return day(s * 1000).slice(5);
    return short ? text.slice(0, 5) : text;
  });
}

/** Returns how wide the texts of an axis are. @param {any} u @param {string[] | null} texts */
export function axisWidth(u, texts) {
  if (!texts || texts.length === 0) return 50;
  u.ctx.save();
  u.ctx.font = u.axes[1].font[0];
  const widest = Math.max(...texts.map((t) => u.ctx.measureText(t).width));
  u.ctx.restore();
  return Math.ceil(widest / devicePixelRatio) + 12;
}
