// @ts-check
// <goshawk-waterfall src="/api/v1/waterfall?…" label="…">: a tree of what took
// time, on one axis. See v1.Waterfall for the data.

import { colorsOf, tokenOf } from "./colors.js";
import { button, context, make, sizeCanvas } from "./dom.js";
import { DataElement } from "./element.js";
import { count } from "./format.js";
import { AXIS, divideWidth, OVERVIEW, ROW } from "./geometry.js";
import { HeadPainter } from "./head.js";
import { listenToHead, listenToRows } from "./pointer.js";
import { listenToKeys } from "./waterfallkeys.js";
import { Labels } from "./labels.js";
import { RowPainter } from "./paint.js";
import { describe, fillTip } from "./tip.js";
import { timeAxis } from "./ticks.js";
import { foldable, hasChildren, KIND_NAMES, KINDS, treeOf, unaccounted, visible } from "./tree.js";
import { around, same, zoom } from "./view.js";

const HELP = "Arrows move and fold, + and − zoom, Enter opens, 0 shows all.";

/** Draws a waterfall and answers to pointer and keys. */
export class Waterfall extends DataElement {
  constructor() {
    super();
    /** @type {import("./tree.js").Tree} */
    this.tree = treeOf(null);
    /** @type {Set<number>} */
    this.folded = new Set();
    /** @type {number[]} */
    this.shown = [];
    this.view = this.tree.axis;
    this.selected = -1;
    this.hovered = -1;
    this.pointer = NaN;
    /** Width of the labels that the user chose, 0 for none. */
    this.asked = 0;
    this.geometry = divideWidth(600, 0, 0);
    /** @type {import("./colors.js").Colors | null} */
    this.colors = null;
    this.ratio = 0;
  }

  build() {
    this.headCanvas = make("canvas", { class: "gw-head", "aria-hidden": "true" });
    this.rowCanvas = make("canvas", { class: "gw-canvas", "aria-hidden": "true" });
    this.spacer = make("div", { class: "gw-rows" }, this.rowCanvas);
    this.scroller = make("div", { class: "gw-scroll" }, this.spacer);
    this.tip = make("div", { class: "gw-tip", "aria-hidden": "true" });
    this.tip.hidden = true;
    this.said = make("p", { class: "gw-said", "aria-live": "polite" }, HELP);
    this.legend = make("ul", { class: "gw-legend" });
    this.counted = make("span", { class: "gw-count" });
    this.foldAll = button("Fold all", "Fold or unfold all rows", () => this.toggleAll());
    const tools = make("div", { class: "gw-tools" },
      this.counted, this.foldAll,
      button("−", "Zoom out", () => this.zoomBy(1.6)),
      button("+", "Zoom in", () => this.zoomBy(1 / 1.6)),
      button("All", "Show the whole time", () => this.reset()));
    this.stage = make("div", {
      class: "gw-stage", tabindex: "0", role: "application", "aria-roledescription": "waterfall",
    }, this.headCanvas, this.scroller);
    this.body.append(make("div", { class: "gw-bar" }, this.legend, tools), this.stage, this.said, this.tip);
    const rows = context(this.rowCanvas);
    const head = context(this.headCanvas);
    this.rowPainter = new RowPainter(rows, new Labels(rows));
    this.headPainter = new HeadPainter(head, new Labels(head));
    this.scroller.addEventListener("scroll", () => this.requestDraw(), { passive: true });
    listenToRows(this, this.scroller, this.rowCanvas);
    listenToHead(this, this.headCanvas);
    listenToKeys(this, this.stage);
  }

  /** @param {any} data */
  receive(data) {
    const before = this.tree;
    const wasAll = same(this.view, before.axis) || before.rows.length === 0;
    const folded = new Set([...this.folded].map((i) => keyOf(before.rows[i])));
    const selected = this.selected >= 0 ? keyOf(before.rows[this.selected]) : "";
    this.tree = treeOf(data);
    this.folded = new Set();
    this.selected = -1;
    this.hovered = -1;
    this.tree.rows.forEach((row, i) => {
      const key = keyOf(row);
      if (folded.has(key) && hasChildren(this.tree.rows, i)) this.folded.add(i);
      if (selected && key === selected) this.selected = i;
    });
    // Times count from another begin when the data are newer.
    const moved = (before.from - this.tree.from) * 1e6 || 0;
    this.view = wasAll ? this.tree.axis : around(this.view.start + moved, this.view.end + moved, this.tree.limits);
    this.headPainter?.forget();
    this.stage?.setAttribute("aria-label", `${this.label || "Waterfall"}, ${count(this.tree.rows.length, "row")}. ${HELP}`);
    this.#legend();
    this.refold();
    return this.tree.rows.length > 0;
  }

  restyle() {
    this.colors = colorsOf(this);
    this.rowPainter?.forget();
    this.headPainter?.forget();
  }

  #legend() {
    const { rows } = this.tree;
    const found = new Set();
    for (const row of rows) {
      for (const part of row.parts) found.add(part.kind);
      if (row.zombie > 0) found.add("zombie");
      if (row.duration > 0 && unaccounted(row) > row.duration / 100) found.add("unknown");
    }
    const kinds = [...KINDS, "unknown", "zombie"].filter((kind) => found.has(kind));
    this.legend?.replaceChildren(...kinds.map((kind) => make("li", {}, make("i", { "data-part": tokenOf(kind) }), KIND_NAMES[kind])));
    if (rows.some((row) => row.failed)) this.legend?.append(make("li", {}, make("i", { "data-part": "failed" }), "failed"));
    if (rows.some((row) => row.findings.length > 0)) this.legend?.append(make("li", {}, make("i", { "data-part": "finding" }), "has findings"));
  }

  /** Works out again which rows are shown. */
  refold() {
    const { rows } = this.tree;
    this.shown = visible(rows, this.folded);
    const all = rows.length;
    if (this.counted) this.counted.textContent = this.shown.length === all ? count(all, "row") : `${this.shown.length.toLocaleString("en")} of ${count(all, "row")}`;
    if (this.foldAll) {
      this.foldAll.textContent = this.folded.size > 0 ? "Unfold all" : "Fold all";
      this.foldAll.hidden = this.tree.maxDepth === 0;
    }
    if (this.spacer) this.spacer.style.height = `${this.shown.length * ROW}px`;
    this.requestDraw();
  }

  /** @returns {import("./paint.js").Scene} */
  scene() {
    const room = Math.max(Math.floor(this.geometry.span / 80), 3);
    return {
      tree: this.tree, shown: this.shown, folded: this.folded, view: this.view,
      geometry: this.geometry, colors: this.colors ?? colorsOf(this),
      axis: timeAxis(this.view.start, this.view.end, room),
      selected: this.selected, hovered: this.hovered, pointer: this.pointer, ratio: this.ratio,
    };
  }

  draw() {
    const { headCanvas, rowCanvas, scroller, rowPainter, headPainter } = this;
    if (!headCanvas || !rowCanvas || !scroller || !rowPainter || !headPainter) return;
    const width = scroller.clientWidth;
    const height = Math.min(scroller.clientHeight, this.shown.length * ROW);
    if (width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    if (ratio !== this.ratio || width !== this.geometry.width) {
      rowPainter.forget();
      headPainter.forget();
      this.ratio = ratio;
    }
    this.geometry = divideWidth(width, this.asked, this.tree.maxDepth);
    sizeCanvas(headCanvas, width, OVERVIEW + AXIS, ratio);
    sizeCanvas(rowCanvas, width, height, ratio);
    const scene = this.scene();
    headPainter.paint(scene);
    rowPainter.paint(scene, scroller.scrollTop, height);
  }

  /** @param {import("./view.js").View} view */
  setView(view) {
    if (same(view, this.view)) return;
    this.view = view;
    this.hideTip();
    this.requestDraw();
  }

  /** Zooms around the begin of the selected bar, or around the middle. @param {number} factor */
  zoomBy(factor) {
    const row = this.tree.rows[this.selected];
    const seen = row && row.end >= this.view.start && row.start <= this.view.end;
    const anchor = seen ? Math.max(row.start, this.view.start) : (this.view.start + this.view.end) / 2;
    this.setView(zoom(this.view, factor, anchor, this.tree.limits));
  }

  /** Shows a bar as wide as can be. @param {number} at */
  zoomTo(at) {
    const row = this.tree.rows[at];
    if (row) this.setView(around(row.start, row.end, this.tree.limits));
  }

  /** Shows the whole time: the axis, and when that is shown, all bars. */
  reset() {
    this.setView(same(this.view, this.tree.axis) ? this.tree.limits : this.tree.axis);
  }

  /** Folds or unfolds a row. @param {number} at @param {boolean} [fold] */
  toggle(at, fold = !this.folded.has(at)) {
    if (!hasChildren(this.tree.rows, at)) return;
    if (fold) this.folded.add(at);
    else this.folded.delete(at);
    // The selection does not stay in what is folded away.
    if (fold && this.selected > at && this.selected < this.tree.rows[at].last) this.select(at);
    this.refold();
  }

  /** Folds all rows, or unfolds them when some are folded. */
  toggleAll() {
    this.folded = this.folded.size > 0 ? new Set() : foldable(this.tree.rows);
    this.selected = -1;
    this.refold();
  }

  /** Selects a row, brings it into view and says what it is. @param {number} at position in rows */
  select(at) {
    const row = this.tree.rows[at];
    if (!row) return;
    this.selected = at;
    if (this.said) this.said.textContent = describe(this.tree, at, this.folded.has(at));
    this.#reveal(at);
    this.requestDraw();
  }

  /** @param {number} at */
  #reveal(at) {
    const i = this.shown.indexOf(at);
    if (i < 0 || !this.scroller) return;
    const top = i * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.scroller.scrollTop = top + ROW - clientHeight;
  }

  /** Opens the page about a row. @param {number} at @param {boolean} [aside] in another tab */
  open(at, aside = false) {
    const address = this.tree.rows[at]?.href;
    if (!address) return;
    if (aside) window.open(address, "_blank", "noopener");
    else location.assign(address);
  }

  /**
   * Shows what is known about a row beside the pointer.
   * @param {number} at position in rows
   * @param {number} x pixels in the element
   * @param {number} y
   */
  showTip(at, x, y) {
    const { tip } = this;
    const row = this.tree.rows[at];
    if (!tip || !row) return;
    if (tip.dataset.row !== String(at) || tip.hidden) fillTip(tip, this.tree, at);
    tip.dataset.row = String(at);
    tip.hidden = false;
    const box = this.frame.getBoundingClientRect();
    const width = tip.offsetWidth;
    const height = tip.offsetHeight;
    const left = x + 16 + width <= box.width ? x + 16 : Math.max(x - 16 - width, 0);
    const below = box.top + y + 20 + height <= window.innerHeight;
    tip.style.left = `${Math.min(left, Math.max(box.width - width, 0))}px`;
    tip.style.top = `${below ? y + 20 : y - 12 - height}px`;
  }

  /** Hides what is known about a row. */
  hideTip() {
    if (this.tip) this.tip.hidden = true;
  }
}

/** @param {import("./tree.js").Row} row */
function keyOf(row) {
  return row.id || `${row.depth} ${row.label} ${row.start}`;
}
