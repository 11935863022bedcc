// @ts-check
// <goshawk-chart src="/api/v1/rollups?…" kind="rate|duration" label="…">: what
// rollups say, over time. Plot is what it has in common with other charts.
// uPlot draws them, and is loaded when it is needed.

import { colorsOf } from "./colors.js";
import { make } from "./dom.js";
import { DataElement } from "./element.js";
import { clock, day, duration, rate, UNKNOWN } from "./format.js";
import { marksAt, marksIn, paintMarks, paintShades, ROOM } from "./marks.js";
import { asked, isolated, range, seriesOf, summary } from "./series.js";
import { logTicks, multiples, roundStep, timeStep } from "./ticks.js";

/** @typedef {import("./linesdata.js").Look} Look */

/** How each line looks; what differs by colour differs by dashes too. */
const LOOKS = /** @type {Record<string, Look>} */ ({
  count: { words: "all", token: "accent", dash: [], fill: 18, width: 1.5 },
  failed: { token: "bad", dash: [], fill: 18, width: 1.5 },
  findings: { words: "with findings", token: "warn", dash: [4, 3], width: 1.5 },
  p50: { token: "accent", dash: [], width: 1.5 },
  p90: { token: "accent", dash: [6, 3], width: 1.25 },
  p99: { token: "run-delay", dash: [], width: 2 },
  max: { token: "muted", dash: [2, 3], width: 1 },
});

/** A ratio from which durations are on a logarithmic axis. */
const LOG_RATIO = 100;

/**
 * Draws lines over time.
 * @abstract
 * @template {import("./linesdata.js").Plotted} Data
 */
export class Plot extends DataElement {
  /** @param {Record<string, Look>} looks by name; other is for the rest @param {Data} data */
  constructor(looks, data) {
    super();
    this.looks = looks;
    this.data = data;
    /** @type {any} */
    this.plot = null;
    /** @type {any} */
    this.library = null;
    this.stale = true;
    this.cursor = -1;
    /** The least time to choose, in seconds. */
    this.least = 1;
    /** @type {import("./colors.js").Colors | null} */
    this.colors = null;
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

  /** Takes the data as new. @param {string} words what they say */
  take(words) {
    this.stale = true;
    this.cursor = -1;
    this.values = this.data.lines.map(() => make("b", {}, UNKNOWN));
    this.legend?.replaceChildren(...this.data.lines.map((line, i) => make("li", {},
      make("i", { "data-line": line.look }), `${line.text} `, this.values?.[i] ?? "")));
    this.read(-1);
    this.stage?.setAttribute("aria-label", `${this.label || "Chart"}. ${words} Arrow keys read the values.`);
    if (!this.library) this.#fetch();
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
    const { times, lines, steps, to } = this.data;
    const data = steps ? [[...times, to], ...lines.map(({ values }) => [...values, values[values.length - 1]])] : [times, ...lines.map((line) => line.values)];
    this.plot = new library({ ...this.options(this.colors ?? colorsOf(this)), width, height }, data, stage);
    this.stale = false;
  }

  /** What uPlot is told. @param {import("./colors.js").Colors} c @returns {any} */
  options(c) {
    const { data } = this;
    const axis = { stroke: c.muted, font: `11px ${c.font}`, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1, size: 4 } };
    const paths = data.steps ? this.library.paths.stepped({ align: 1 }) : undefined;
    return {
      padding: [8, null, null, null],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: "goshawk", setSeries: false } },
      scales: { x: { range: () => [data.from, data.to] } },
      series: [{}, ...data.lines.map((line) => {
        const { token, width, dash, fill } = this.looks[line.look] ?? this.looks.other;
        return {
          label: line.text, stroke: c[token], width, dash, paths, fill: fill && `color-mix(in srgb, ${c[token]} ${fill}%, transparent)`,
          points: { show: false, size: 5, fill: c[token], filter: (/** @type {any} */ u, /** @type {number} */ i) => isolated(u.data[i]) },
        };
      })],
      axes: [
        { ...axis, space: 70, values: (/** @type {any} */ _u, /** @type {number[]} */ at) => timeLabels(at), size: 26 },
        {
          ...axis, size: axisWidth, gap: 4,
          // On a logarithmic axis the library would leave some out.
          filter: (/** @type {any} */ _u, /** @type {number[]} */ at) => at,
          values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((v) => this.text(v)),
        },
      ],
      hooks: {
        setCursor: [(/** @type {any} */ u) => this.read(u.cursor.idx ?? -1)],
        setSelect: [(/** @type {any} */ u) => this.#selected(u)],
      },
    };
  }

  /** @param {any} _value */
  text(_value) {
    return UNKNOWN;
  }

  /** A time, with its day unless the chart ends on it. @param {number} s @param {number} end */
  moment(s, end = this.data.times[this.data.times.length - 1]) {
    const date = day(s * 1000);
    return (date === day(end * 1000) ? "" : date + " ") + clock(s * 1000);
  }

  /** Writes the values of a time, of the last one for -1. @param {number} at */
  read(at) {
    const { times, lines } = this.data;
    const i = at >= 0 ? Math.min(at, times.length - 1) : this.last();
    lines.forEach((line, n) => {
      const value = this.values?.[n];
      if (value) value.textContent = this.text(line.values[i]);
    });
    if (this.when) this.when.textContent = i >= 0 ? (at < 0 ? "last " : "") + this.moment(times[i]) : "";
  }

  /** The last time with a value. */
  last() {
    const { times, lines } = this.data;
    for (let i = times.length - 1; i >= 0; i--) {
      if (lines.some(({ values }) => (values[i] ?? 0) > 0)) return i;
    }
    return times.length - 1;
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
    const { times, lines } = this.data;
    const last = times.length - 1;
    const from = this.cursor < 0 ? this.last() : this.cursor;
    const to = { ArrowLeft: Math.max(from - 1, 0), ArrowRight: Math.min(from + 1, last), Home: 0, End: last, Escape: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.point(to);
    if (this.said && to >= 0) {
      const values = lines.map((line) => `${line.text} ${line.values[to] === null ? "none" : this.text(line.values[to])}`);
      this.said.textContent = `${this.moment(times[to])}: ${values.join(", ")}`;
    }
  }

  /**
   * Sets from and to of the page's address to what was chosen, unless a listener
   * of the event goshawk:range prevents it.
   * @param {any} u
   */
  #selected(u) {
    const { left, width } = u.select;
    if (width < 4) return;
    const from = u.posToVal(left, "x");
    const to = Math.max(u.posToVal(left + width, "x"), from + this.least);
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    const detail = { from: moment(from), to: moment(to) };
    if (!this.dispatchEvent(new CustomEvent("goshawk:range", { detail, bubbles: true, cancelable: true })) || !location.protocol.startsWith("http")) return;
    const url = new URL(location.href);
    url.searchParams.set("from", detail.from);
    url.searchParams.set("to", detail.to);
    for (const other of ["range", "after"]) url.searchParams.delete(other);
    location.assign(url);
  }
}

/** Draws rollups over time. @extends {Plot<import("./linesdata.js").Plotted>} */
export class Chart extends Plot {
  constructor() {
    super(LOOKS, { from: 0, to: 0, steps: false, times: [], lines: [] });
    this.log = false;
    /** @type {ReturnType<typeof marksIn>} */
    this.marked = { text: "", marks: [] };
  }

  connectedCallback() {
    super.connectedCallback();
    // The block that holds the marks may be a newer one.
    if (this.life && this.dataset.marks) document.addEventListener("htmx:afterSwap", () => this.mark(), { signal: this.life.signal });
  }

  /** Reads the marks again, and draws when they are others. */
  mark() {
    const found = marksIn(this.dataset.marks ?? "");
    if (found.text === this.marked.text) return;
    this.marked = found;
    this.stale = true;
    this.requestDraw();
  }

  /** @returns {"rate" | "duration"} */
  get kind() {
    return this.getAttribute("kind") === "duration" ? "duration" : "rate";
  }

  /** @param {any} data */
  receive(data) {
    const time = asked(this.getAttribute("src") ?? this.getAttribute("data-src") ?? "", Date.now() / 1000);
    const series = seriesOf(data, this.kind, time);
    const { times, lines } = series;
    this.mark();
    const { high, low } = range(lines);
    this.log = this.kind === "duration" && high / low >= LOG_RATIO;
    this.data = {
      from: times[0], to: times[times.length - 1] + series.step, steps: this.kind === "rate", times,
      lines: series.names.map((look, i) => ({ look, text: LOOKS[look].words ?? look, values: lines[i] })),
    };
    const marks = this.marked.marks.filter((m) => m.to >= this.data.from && m.from <= this.data.to).map((m) => ` Marked: ${m.text} at ${clock(m.from * 1000)}.`);
    this.take(summary(series, this.kind, (s) => clock(s * 1000), (v) => this.text(v)) + marks.join(""));
    return high > 0;
  }

  /** @param {any} value */
  text(value) {
    return this.kind === "rate" ? rate(value) : duration(value);
  }

  /** @param {import("./colors.js").Colors} c */
  options(c) {
    const o = super.options(c);
    o.scales.y = { distr: this.log ? 3 : 1, range: (/** @type {any} */ _u, /** @type {number} */ low, /** @type {number} */ high) => this.#range(low, high) };
    o.axes[1].splits = (/** @type {any} */ u) => this.#splits(u);
    if (this.marked.marks.length > 0) o.padding = [ROOM, null, null, null];
    o.hooks.drawClear = [(/** @type {any} */ u) => paintShades(u, this.marked.marks, c)];
    o.hooks.draw = [(/** @type {any} */ u) => paintMarks(u, this.marked.marks, c)];
    return o;
  }

  /** Names the marks of a time as well. @param {number} at */
  read(at) {
    super.read(at);
    const { times } = this.data;
    if (at < 0 || at >= times.length || !this.when) return;
    const said = marksAt(this.marked.marks, times[at], times[at + 1] ?? this.data.to);
    if (said) this.when.textContent += ` · ${said}`;
  }

  /** @param {number} low @param {number} high */
  #range(low, high) {
    if (!(high > 0)) return this.log ? [1, 10] : [0, 1];
    return this.log ? [Math.max(low, 1) * 0.8, high * 1.3] : [0, high * 1.06];
  }

  /** @param {any} u */
  #splits(u) {
    const { min, max } = u.scales.y;
    const room = Math.max(Math.floor(u.bbox.height / devicePixelRatio / 32), 2);
    if (this.log) return logTicks(min, max, room);
    return multiples(min, max, this.kind === "duration" ? timeStep(max - min, room) : roundStep((max - min) / room));
  }
}

/**
 * Writes a time as addresses have it.
 * @param {number} s seconds since 1970
 */
export function moment(s) {
  return new Date(Math.round(s) * 1000).toISOString().replace(".000Z", "Z");
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
function axisWidth(u, texts) {
  if (!texts || texts.length === 0) return 50;
  u.ctx.save();
  u.ctx.font = u.axes[1].font[0];
  const widest = Math.max(...texts.map((t) => u.ctx.measureText(t).width));
  u.ctx.restore();
  return Math.ceil(widest / devicePixelRatio) + 12;
}
