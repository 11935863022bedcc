// @ts-check
// Draws the rows of a waterfall: only those in view.

import { tokenOf, pattern } from "./colors.js";
import { duration } from "./format.js";
import { ROW, foldX, xOf } from "./geometry.js";
import { divide, mergeSpans } from "./merge.js";
import { hasChildren, unaccounted } from "./tree.js";

/**
 * @typedef {object} Scene
 * @property {import("./tree.js").Tree} tree
 * @property {number[]} shown positions of the rows that are not folded away
 * @property {Set<number>} folded
 * @property {import("./view.js").View} view
 * @property {import("./geometry.js").Geometry} geometry
 * @property {import("./colors.js").Colors} colors
 * @property {import("./ticks.js").Axis} axis
 * @property {number} selected position in rows, -1 for none
 * @property {number} hovered position in rows, -1 for none
 * @property {number} pointer where the pointer is, NaN when elsewhere
 * @property {number} ratio device pixels for one of CSS
 */

/** How tall the parts of a bar are: what waits is thinner than what works. */
const TALL = /** @type {Record<string, number>} */ ({
  own: 12, below: 4, cpu: 12, run_delay: 12, pipe: 12, wait: 6, unknown: 4,
  old_accepts: 12, spawn: 6, warm: 12, hand_over: 12, probation: 12, drain: 6, new_accepts: 12,
});

/**
 * Returns what the detail of a row says beyond its label.
 * @param {import("./tree.js").Row} row
 */
function more(row) {
  const at = row.detail.indexOf(row.label);
  return at >= 0 ? row.detail.slice(at + row.label.length).trimStart() : row.detail;
}

/** Draws rows with what it remembers between frames: patterns and texts. */
export class RowPainter {
  /**
   * @param {CanvasRenderingContext2D} ctx
   * @param {import("./labels.js").Labels} labels
   */
  constructor(ctx, labels) {
    this.ctx = ctx;
    this.labels = labels;
    /** @type {Map<string, CanvasPattern | string>} */
    this.fills = new Map();
  }

  /** Forgets what depends on colours and on the pixel ratio. */
  forget() {
    this.fills.clear();
  }

  /**
   * Draws what is in view from scrollTop on.
   * @param {Scene} scene
   * @param {number} scrollTop pixels
   * @param {number} height pixels
   */
  paint(scene, scrollTop, height) {
    const { ctx } = this;
    const { geometry: g, colors } = scene;
    ctx.setTransform(scene.ratio, 0, 0, scene.ratio, 0, 0);
    ctx.clearRect(0, 0, g.width, height);
    this.#grid(scene, height);
    const first = Math.max(Math.floor(scrollTop / ROW), 0);
    const last = Math.min(Math.ceil((scrollTop + height) / ROW), scene.shown.length);
    for (let i = first; i < last; i++) {
      this.#background(scene, scene.shown[i], i * ROW - scrollTop);
    }
    ctx.save();
    ctx.beginPath();
    ctx.rect(g.labels + 1, 0, g.width - g.labels - 1, height);
    ctx.clip();
    for (let i = first; i < last; i++) this.#bar(scene, scene.shown[i], i * ROW - scrollTop);
    ctx.restore();
    for (let i = first; i < last; i++) this.#label(scene, scene.shown[i], i * ROW - scrollTop);
    ctx.fillStyle = colors.line;
    ctx.fillRect(g.labels, 0, 1, height);
    if (scene.pointer > g.left) {
      ctx.fillStyle = colors.muted;
      ctx.fillRect(Math.round(scene.pointer), 0, 1, height);
    }
  }

  /** @param {Scene} scene @param {number} height */
  #grid(scene, height) {
    this.ctx.fillStyle = scene.colors.line;
    this.ctx.globalAlpha = 0.6;
    for (const tick of scene.axis.ticks) {
      this.ctx.fillRect(Math.round(xOf(scene.geometry, scene.view, tick.at)), 0, 1, height);
    }
    this.ctx.globalAlpha = 1;
  }

  /** @param {Scene} scene @param {number} at @param {number} y */
  #background(scene, at, y) {
    const { ctx } = this;
    const { geometry: g, colors } = scene;
    if (at === scene.selected || at === scene.hovered) {
      ctx.fillStyle = colors.accent;
      ctx.globalAlpha = at === scene.selected ? 0.16 : 0.07;
      ctx.fillRect(0, y, g.width, ROW);
      ctx.globalAlpha = 1;
      if (at === scene.selected) ctx.fillRect(0, y, 3, ROW);
    }
    ctx.fillStyle = colors.line;
    ctx.globalAlpha = 0.35;
    ctx.fillRect(0, y + ROW - 1, g.width, 1);
    ctx.globalAlpha = 1;
  }

  /** @param {Scene} scene @param {number} at @param {number} y */
  #label(scene, at, y) {
    const { ctx, labels } = this;
    const { geometry: g, colors } = scene;
    const row = scene.tree.rows[at];
    const x = foldX(g, row.depth);
    ctx.fillStyle = colors.line;
    for (let d = 0; d < row.depth; d++) ctx.fillRect(Math.round(foldX(g, d) + 4), y, 1, ROW);
    const parent = hasChildren(scene.tree.rows, at);
    if (parent) this.#foldMark(x, y + ROW / 2, scene.folded.has(at), colors.muted);
    let right = g.labels - 6;
    if (row.findings.length > 0) {
      this.#finding(right - 5, y + ROW / 2, colors);
      right -= 16;
    }
    if (row.failed) {
      this.#cross(right - 4, y + ROW / 2, colors.bad);
      right -= 14;
    }
    labels.use(`${row.depth === 0 && parent ? "600 " : ""}12px ${colors.font}`);
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.fillStyle = row.failed ? colors.bad : colors.text;
    const from = x + 13;
    let name = row.label;
    if (parent && scene.folded.has(at)) name += ` (+${(row.last - at - 1).toLocaleString("en")})`;
    const shown = labels.fit(name, right - from);
    ctx.fillText(shown, from, y + ROW / 2 + 0.5);
    if (shown !== name) return;
    // What is left of the column tells more of the same.
    const rest = from + labels.width(name) + 6;
    labels.use(`12px ${colors.font}`);
    ctx.fillStyle = colors.muted;
    ctx.fillText(labels.ends(more(row), right - rest), rest, y + ROW / 2 + 0.5);
  }

  /** @param {number} x @param {number} y @param {boolean} folded @param {string} color */
  #foldMark(x, y, folded, color) {
    const { ctx } = this;
    ctx.fillStyle = color;
    ctx.beginPath();
    if (folded) {
      ctx.moveTo(x + 2, y - 4.5);
      ctx.lineTo(x + 8, y);
      ctx.lineTo(x + 2, y + 4.5);
    } else {
      ctx.moveTo(x, y - 3);
      ctx.lineTo(x + 9, y - 3);
      ctx.lineTo(x + 4.5, y + 3.5);
    }
    ctx.fill();
  }

  /** @param {number} x @param {number} y @param {import("./colors.js").Colors} colors */
  #finding(x, y, colors) {
    const { ctx } = this;
    ctx.fillStyle = colors.warn;
    ctx.beginPath();
    ctx.moveTo(x, y - 6);
    ctx.lineTo(x + 6.5, y + 5);
    ctx.lineTo(x - 6.5, y + 5);
    ctx.fill();
    ctx.fillStyle = colors.surface;
    ctx.fillRect(x - 0.75, y - 2.5, 1.5, 4);
    ctx.fillRect(x - 0.75, y + 2.5, 1.5, 1.5);
  }

  /** @param {number} x @param {number} y @param {string} color */
  #cross(x, y, color) {
    const { ctx } = this;
    ctx.strokeStyle = color;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.moveTo(x - 3.5, y - 3.5);
    ctx.lineTo(x + 3.5, y + 3.5);
    ctx.moveTo(x + 3.5, y - 3.5);
    ctx.lineTo(x - 3.5, y + 3.5);
    ctx.stroke();
  }

  /** @param {Scene} scene @param {number} at @param {number} y */
  #bar(scene, at, y) {
    const { ctx } = this;
    const { geometry: g, view, colors } = scene;
    const row = scene.tree.rows[at];
    if (scene.folded.has(at)) this.#below(scene, at, y);
    if (row.end < view.start || row.start > view.end) {
      this.#elsewhere(g, y, row.end < view.start, colors.muted);
      return;
    }
    // Canvas coordinates stay small, however far the bar reaches out of view.
    const far = 4 * g.span;
    const clamp = (/** @type {number} */ x) => Math.min(Math.max(x, g.left - far), g.left + g.span + far);
    const x0 = clamp(xOf(g, view, row.start));
    const x1 = clamp(xOf(g, view, row.start + row.duration));
    const width = Math.max(x1 - x0, 2);
    if (row.gaps) this.#gaps(scene, row, row.gaps, x0, y, width);
    else this.#parts(scene, row, x0, y, width, (xOf(g, view, row.start + row.duration) - xOf(g, view, row.start)));
    let end = x0 + width;
    if (row.zombie > 0) {
      const x2 = Math.max(clamp(xOf(g, view, row.end)), end + 2);
      this.#zombie(end, x2, y, colors);
      end = x2;
    }
    if (row.failed) {
      ctx.strokeStyle = colors.bad;
      ctx.lineWidth = 1.5;
      ctx.strokeRect(x0 - 1, y + 4, width + 2, ROW - 9);
    }
    this.#caption(scene, row, x0, end, y);
  }

  /**
   * Draws when a request had its time for itself, and a thin bar where something
   * below it went on.
   * @param {Scene} scene
   * @param {import("./tree.js").Row} row
   * @param {[number, number][]} gaps
   * @param {number} x
   * @param {number} y
   * @param {number} width
   */
  #gaps(scene, row, gaps, x, y, width) {
    const { ctx } = this;
    const kind = row.parts[0]?.kind ?? "below";
    ctx.fillStyle = this.#fill(scene, "below");
    ctx.fillRect(x, y + (ROW - 1 - TALL.below) / 2, width, TALL.below);
    if (kind === "below") return;
    ctx.fillStyle = this.#fill(scene, kind);
    for (const [from, to] of gaps) {
      const a = Math.max(xOf(scene.geometry, scene.view, from), x);
      const b = Math.min(xOf(scene.geometry, scene.view, to), x + width);
      if (b > a || gaps.length === 1) ctx.fillRect(a, y + (ROW - 1 - TALL[kind]) / 2, Math.max(b - a, gaps.length === 1 ? 2 : 0.5), TALL[kind]);
    }
  }

  /**
   * @param {Scene} scene
   * @param {import("./tree.js").Row} row
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} whole width of the bar were it all in view
   */
  #parts(scene, row, x, y, width, whole) {
    const { ctx } = this;
    const rest = unaccounted(row);
    const kinds = row.parts.map((p) => p.kind);
    const shares = row.parts.map((p) => p.ns);
    if (rest > 0 || kinds.length === 0) {
      kinds.push("unknown");
      shares.push(Math.max(rest, 1));
    }
    const exact = whole > width + 1;
    const start = exact ? xOf(scene.geometry, scene.view, row.start) : x;
    const ends = divide(shares, row.duration, exact ? whole : width);
    const low = scene.geometry.labels;
    const high = scene.geometry.width;
    let from = start;
    ends.forEach((end, i) => {
      const to = start + end;
      const a = Math.max(from, low);
      const b = Math.min(to, high);
      if (b > a) {
        const tall = TALL[kinds[i]];
        ctx.fillStyle = this.#fill(scene, kinds[i]);
        ctx.fillRect(a, y + (ROW - 1 - tall) / 2, b - a, tall);
      }
      from = to;
    });
  }

  /** @param {Scene} scene @param {string} kind */
  #fill(scene, kind) {
    let fill = this.fills.get(kind);
    if (fill === undefined) {
      const color = scene.colors[tokenOf(kind)];
      fill = color;
      if (kind === "run_delay" || kind === "warm") fill = pattern(this.ctx, color, scene.colors.surface, "rising", scene.ratio);
      if (kind === "pipe" || kind === "hand_over") fill = pattern(this.ctx, color, scene.colors.surface, "dots", scene.ratio);
      this.fills.set(kind, fill);
    }
    return fill;
  }

  /** @param {number} from @param {number} to @param {number} y @param {import("./colors.js").Colors} colors */
  #zombie(from, to, y, colors) {
    const { ctx } = this;
    ctx.strokeStyle = colors.zombie;
    ctx.lineWidth = 2;
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(from + 1, y + (ROW - 1) / 2);
    ctx.lineTo(to, y + (ROW - 1) / 2);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = colors.zombie;
    ctx.fillRect(to - 2, y + ROW / 2 - 4, 2, 7);
  }

  /**
   * Shows where the bars are that are folded away.
   * @param {Scene} scene
   * @param {number} at
   * @param {number} y
   */
  #below(scene, at, y) {
    const { geometry: g, tree } = scene;
    this.ctx.fillStyle = scene.colors.muted;
    this.ctx.globalAlpha = 0.6;
    for (const [from, to] of mergeSpans(tree.rows, at + 1, tree.rows[at].last, scene.view, g.span)) {
      this.ctx.fillRect(g.left + from, y + ROW - 5, to - from, 3);
    }
    this.ctx.globalAlpha = 1;
  }

  /**
   * Says that a bar is before or after what is in view.
   * @param {import("./geometry.js").Geometry} g
   * @param {number} y
   * @param {boolean} before
   * @param {string} color
   */
  #elsewhere(g, y, before, color) {
    const { ctx } = this;
    const x = before ? g.left - 4 : g.left + g.span + 4;
    const way = before ? 6 : -6;
    ctx.fillStyle = color;
    ctx.beginPath();
    ctx.moveTo(x, y + ROW / 2);
    ctx.lineTo(x + way, y + ROW / 2 - 4);
    ctx.lineTo(x + way, y + ROW / 2 + 4);
    ctx.fill();
  }

  /**
   * Writes how long it took and how it ended, beside the bar where there is
   * room.
   * @param {Scene} scene
   * @param {import("./tree.js").Row} row
   * @param {number} x0
   * @param {number} x1
   * @param {number} y
   */
  #caption(scene, row, x0, x1, y) {
    const { ctx, labels } = this;
    const { geometry: g, colors } = scene;
    labels.use(`11px ${colors.font}`);
    const own = row.kind === "request" && row.self < row.duration * 0.995 ? `  self ${duration(row.self)}` : "";
    const took = duration(row.duration) + own;
    const ended = row.failed && row.outcome ? "  " + row.outcome : "";
    const tookWidth = labels.width(took);
    const width = tookWidth + (ended ? labels.width(ended) : 0);
    const right = g.left + g.span;
    let x = x1 + 6;
    if (x + width > right + 4) {
      x = x0 - 6 - width;
      if (x < g.left) {
        x = Math.max(Math.min(x1, right) - 8 - width, g.left + 2);
        ctx.fillStyle = colors.surface;
        ctx.globalAlpha = 0.88;
        ctx.fillRect(x - 4, y + 5, width + 8, ROW - 11);
        ctx.globalAlpha = 1;
      }
    }
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillStyle = colors.muted;
    ctx.fillText(took, x, y + ROW / 2 + 0.5);
    if (ended) {
      ctx.fillStyle = colors.bad;
      ctx.fillText(ended, x + tookWidth, y + ROW / 2 + 0.5);
    }
  }
}
