// @ts-check
// What a pointer does to a waterfall.

import { OVERVIEW, foldX, rowAt, timeAt, xOf } from "./geometry.js";
import { fit, pan, zoom } from "./view.js";
import { hasChildren } from "./tree.js";

/** How far a pointer may move in a click. */
const STILL = 4;
/** How long a click on a bar waits for a second one, in milliseconds. */
const SECOND_CLICK = 250;

/** @typedef {import("./waterfall.js").Waterfall} Waterfall */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {"" | "brush" | "start" | "end" | "move" | "axis"} HeadDoes */

/**
 * @param {HTMLElement} element
 * @param {MouseEvent} event
 * @returns {Point}
 */
function pointIn(element, event) {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

/** Follows the pointers on the rows. */
class Rows {
  /**
   * @param {Waterfall} w
   * @param {HTMLElement} scroller
   * @param {HTMLElement} canvas
   */
  constructor(w, scroller, canvas) {
    this.w = w;
    this.scroller = scroller;
    this.canvas = canvas;
    /** @type {Map<number, Point>} the pointers that are down */
    this.down = new Map();
    /** @type {"" | "pan" | "pinch" | "divide"} */
    this.doing = "";
    /** @type {Point} */
    this.begin = { x: 0, y: 0 };
    this.scrolled = 0;
    this.view = w.view;
    this.apart = 1;
    this.opening = 0;
  }

  /** @param {Point} p @returns {number} position in rows, -1 for none */
  row(p) {
    const i = rowAt(p.y + this.scroller.scrollTop, this.w.shown.length);
    return i < 0 ? -1 : this.w.shown[i];
  }

  /** @param {Point} p */
  onDivider(p) {
    return Math.abs(p.x - this.w.geometry.labels) <= 4;
  }

  /** @param {Point} p @param {number} at */
  onBar(p, at) {
    const { geometry: g, view, tree } = this.w;
    const row = tree.rows[at];
    if (!row || p.x <= g.labels) return false;
    return p.x >= xOf(g, view, row.start) - 3 && p.x <= Math.max(xOf(g, view, row.end), xOf(g, view, row.start) + 2) + 3;
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button !== 0) return;
    const p = pointIn(this.canvas, event);
    this.down.set(event.pointerId, p);
    if (this.down.size === 2) {
      const [a, b] = [...this.down.values()];
      this.doing = "pinch";
      this.view = this.w.view;
      this.apart = Math.max(Math.abs(a.x - b.x), 20);
      this.begin = { x: (a.x + b.x) / 2, y: 0 };
    } else {
      this.doing = this.onDivider(p) ? "divide" : "";
      this.begin = p;
      this.view = this.w.view;
      this.scrolled = this.scroller.scrollTop;
    }
    this.canvas.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const p = pointIn(this.canvas, event);
    if (!this.down.has(event.pointerId)) {
      if (event.pointerType !== "touch") this.hover(p);
      return;
    }
    this.down.set(event.pointerId, p);
    const { w } = this;
    if (this.doing === "divide") {
      w.asked = Math.max(p.x, 1);
      w.requestDraw();
      return;
    }
    if (this.doing === "pinch") {
      this.pinch();
      return;
    }
    const dx = p.x - this.begin.x;
    const dy = p.y - this.begin.y;
    if (this.doing === "" && Math.hypot(dx, dy) > STILL) {
      this.doing = "pan";
      w.hideTip();
      this.canvas.style.cursor = "grabbing";
    }
    if (this.doing !== "pan") return;
    w.setView(pan(this.view, (-dx / w.geometry.span) * (this.view.end - this.view.start), w.tree.limits));
    if (event.pointerType !== "touch") this.scroller.scrollTop = this.scrolled - dy;
  }

  pinch() {
    if (this.down.size < 2) return;
    const [a, b] = [...this.down.values()];
    const anchor = timeAt(this.w.geometry, this.view, this.begin.x);
    const factor = this.apart / Math.max(Math.abs(a.x - b.x), 20);
    const zoomed = zoom(this.view, factor, anchor, this.w.tree.limits);
    const shift = (a.x + b.x) / 2 - this.begin.x;
    this.w.setView(pan(zoomed, (-shift / this.w.geometry.span) * (zoomed.end - zoomed.start), this.w.tree.limits));
  }

  /** @param {PointerEvent} event */
  release(event) {
    const p = this.down.get(event.pointerId);
    this.down.delete(event.pointerId);
    const did = this.doing;
    if (this.down.size === 0) this.doing = "";
    this.canvas.style.cursor = "";
    if (p && did === "" && event.type === "pointerup") this.click(p, event);
  }

  /** @param {Point} p @param {PointerEvent} event */
  click(p, event) {
    const { w } = this;
    const at = this.row(p);
    if (at < 0) return;
    const { rows } = w.tree;
    const x = foldX(w.geometry, rows[at].depth);
    if (hasChildren(rows, at) && p.x >= x - 4 && p.x <= x + 12) {
      w.toggle(at);
      return;
    }
    w.select(at);
    const aside = event.ctrlKey || event.metaKey;
    if (p.x < w.geometry.labels) {
      if (p.x > x + 12) w.open(at, aside);
      return;
    }
    if (!this.onBar(p, at)) return;
    clearTimeout(this.opening);
    this.opening = window.setTimeout(() => w.open(at, aside), SECOND_CLICK);
  }

  /** @param {MouseEvent} event */
  double(event) {
    clearTimeout(this.opening);
    const p = pointIn(this.canvas, event);
    if (p.x > this.w.geometry.labels) this.w.zoomTo(this.row(p));
  }

  /** @param {Point} p */
  hover(p) {
    const { w } = this;
    const at = this.row(p);
    w.hovered = at;
    w.pointer = p.x;
    const row = w.tree.rows[at];
    const linked = row && row.href !== "" && (this.onBar(p, at) || (p.x < w.geometry.labels && p.x > foldX(w.geometry, row.depth) + 12));
    this.canvas.style.cursor = this.onDivider(p) ? "col-resize" : linked ? "pointer" : p.x < w.geometry.labels ? "default" : "grab";
    if (at < 0) w.hideTip();
    else {
      const box = w.frame.getBoundingClientRect();
      const canvas = this.canvas.getBoundingClientRect();
      w.showTip(at, p.x + canvas.left - box.left, p.y + canvas.top - box.top);
    }
    w.requestDraw();
  }

  leave() {
    this.w.hovered = -1;
    this.w.pointer = NaN;
    this.w.hideTip();
    this.w.requestDraw();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    const { w } = this;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const by = Math.min(Math.max(event.deltaY * lines, -200), 200);
      const anchor = timeAt(w.geometry, w.view, Math.max(pointIn(this.canvas, event).x, w.geometry.left));
      w.setView(zoom(w.view, Math.exp(by * 0.004), anchor, w.tree.limits));
      return;
    }
    const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (!event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    w.setView(pan(w.view, ((sideways * lines) / w.geometry.span) * (w.view.end - w.view.start), w.tree.limits));
  }
}

/**
 * Makes the rows of a waterfall answer to pointers.
 * @param {Waterfall} w
 * @param {HTMLElement} scroller
 * @param {HTMLElement} canvas
 */
export function listenToRows(w, scroller, canvas) {
  const rows = new Rows(w, scroller, canvas);
  canvas.addEventListener("pointerdown", (e) => rows.press(e));
  canvas.addEventListener("pointermove", (e) => rows.move(e));
  canvas.addEventListener("pointerup", (e) => rows.release(e));
  canvas.addEventListener("pointercancel", (e) => rows.release(e));
  canvas.addEventListener("pointerleave", () => rows.leave());
  canvas.addEventListener("dblclick", (e) => rows.double(e));
  canvas.addEventListener("auxclick", (e) => {
    if (e.button === 1) w.open(rows.row(pointIn(canvas, e)), true);
  });
  scroller.addEventListener("wheel", (e) => rows.wheel(e), { passive: false });
  scroller.addEventListener("scroll", () => w.hideTip(), { passive: true });
}

/**
 * Makes the overview choose what is in view, and the axis move it.
 * @param {Waterfall} w
 * @param {HTMLElement} canvas
 */
export function listenToHead(w, canvas) {
  let doing = /** @type {HeadDoes} */ ("");
  let begin = 0;
  let view = w.view;
  /** @param {Point} p @returns {HeadDoes} */
  const what = (p) => {
    const { geometry: g, tree } = w;
    if (p.y > OVERVIEW) return "axis";
    const x0 = xOf(g, tree.limits, w.view.start);
    const x1 = xOf(g, tree.limits, w.view.end);
    const whole = w.view.start <= tree.limits.start && w.view.end >= tree.limits.end;
    if (whole) return "brush";
    if (Math.abs(p.x - x0) <= 6) return "start";
    if (Math.abs(p.x - x1) <= 6) return "end";
    return p.x > x0 && p.x < x1 ? "move" : "brush";
  };
  /** @type {Record<HeadDoes, string>} */
  const cursors = { "": "", brush: "crosshair", start: "ew-resize", end: "ew-resize", move: "grab", axis: "grab" };
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    const p = pointIn(canvas, e);
    doing = what(p);
    begin = p.x;
    view = w.view;
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener("pointermove", (e) => {
    const p = pointIn(canvas, e);
    const { geometry: g, tree } = w;
    const all = tree.limits.end - tree.limits.start;
    const by = ((p.x - begin) / g.span) * all;
    switch (doing) {
      case "": canvas.style.cursor = cursors[what(p)]; break;
      case "brush":
        if (Math.abs(p.x - begin) > STILL) {
          w.setView(fit({ start: timeAt(g, tree.limits, begin), end: timeAt(g, tree.limits, p.x) }, tree.limits));
        }
        break;
      case "start": w.setView(fit({ start: Math.max(view.start + by, tree.limits.start), end: view.end }, tree.limits)); break;
      case "end": w.setView(fit({ start: view.start, end: Math.min(view.end + by, tree.limits.end) }, tree.limits)); break;
      case "move": w.setView(pan(view, by, tree.limits)); break;
      case "axis": w.setView(pan(view, -((p.x - begin) / g.span) * (view.end - view.start), tree.limits)); break;
    }
  });
  const done = () => {
    doing = "";
  };
  canvas.addEventListener("pointerup", done);
  canvas.addEventListener("pointercancel", done);
  canvas.addEventListener("dblclick", () => w.reset());
  canvas.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const anchor = timeAt(w.geometry, w.view, pointIn(canvas, e).x);
    w.setView(zoom(w.view, Math.exp(Math.min(Math.max(e.deltaY, -200), 200) * 0.004), anchor, w.tree.limits));
  }, { passive: false });
}
