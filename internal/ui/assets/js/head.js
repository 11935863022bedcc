// @ts-check
// Draws what is above the rows of a waterfall: the overview of all bars with
// the stretch that is in view, and the axis.

import { AXIS, OVERVIEW, xOf } from "./geometry.js";
import { overview } from "./merge.js";
import { clock } from "./format.js";

/** Draws the head; the overview is drawn once and kept until it changes. */
export class HeadPainter {
  /**
   * @param {CanvasRenderingContext2D} ctx
   * @param {import("./labels.js").Labels} labels
   */
  constructor(ctx, labels) {
    this.ctx = ctx;
    this.labels = labels;
    /** @type {OffscreenCanvas | null} */
    this.kept = null;
  }

  /** Forgets the overview: the bars, the size or the colours are others. */
  forget() {
    this.kept = null;
  }

  /** @param {import("./paint.js").Scene} scene */
  paint(scene) {
    const { ctx } = this;
    const { geometry: g } = scene;
    ctx.setTransform(scene.ratio, 0, 0, scene.ratio, 0, 0);
    ctx.clearRect(0, 0, g.width, OVERVIEW + AXIS);
    this.#overview(scene);
    this.#brush(scene);
    this.#axis(scene);
    ctx.fillStyle = scene.colors.line;
    ctx.fillRect(g.labels, 0, 1, OVERVIEW + AXIS);
    ctx.fillRect(0, OVERVIEW, g.width, 1);
    ctx.fillRect(0, OVERVIEW + AXIS - 1, g.width, 1);
    this.#corner(scene);
  }

  /** @param {import("./paint.js").Scene} scene */
  #overview(scene) {
    const { geometry: g, ratio } = scene;
    const width = Math.max(Math.round(g.span * ratio), 1);
    const height = Math.round((OVERVIEW - 6) * ratio);
    if (!this.kept || this.kept.width !== width) {
      this.kept = new OffscreenCanvas(width, height);
      const c = this.kept.getContext("2d");
      if (!c) return;
      for (const line of overview(scene.tree.rows, scene.tree.limits, width, height)) {
        c.fillStyle = scene.colors.accent;
        for (const [from, to] of line.spans) c.fillRect(from, line.y, Math.max(to - from, ratio), Math.max(line.height - 1, 1));
        c.fillStyle = scene.colors.bad;
        for (const [from, to] of line.failed) c.fillRect(from, line.y, Math.max(to - from, 2 * ratio), Math.max(line.height - 1, 1));
      }
    }
    this.ctx.drawImage(this.kept, g.left, 3, g.span, OVERVIEW - 6);
  }

  /** @param {import("./paint.js").Scene} scene */
  #brush(scene) {
    const { ctx } = this;
    const { geometry: g, colors, view, tree } = scene;
    const whole = view.start <= tree.limits.start && view.end >= tree.limits.end;
    if (whole) return;
    const x0 = xOf(g, tree.limits, view.start);
    const x1 = Math.max(xOf(g, tree.limits, view.end), x0 + 2);
    ctx.fillStyle = colors.surface;
    ctx.globalAlpha = 0.72;
    ctx.fillRect(g.left, 0, x0 - g.left, OVERVIEW);
    ctx.fillRect(x1, 0, g.left + g.span - x1, OVERVIEW);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colors.accent;
    ctx.fillRect(x0, 0, x1 - x0, 2);
    for (const x of [x0, x1]) {
      ctx.fillRect(x - 1, 0, 2, OVERVIEW);
      ctx.fillRect(x - 3, OVERVIEW / 2 - 7, 6, 14);
    }
  }

  /** @param {import("./paint.js").Scene} scene */
  #axis(scene) {
    const { ctx, labels } = this;
    const { geometry: g, colors, view } = scene;
    labels.use(`11px ${colors.font}`);
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    const y = OVERVIEW + AXIS / 2;
    let free = g.left - 4;
    for (const tick of scene.axis.ticks) {
      const x = Math.round(xOf(g, view, tick.at));
      ctx.fillStyle = colors.line;
      ctx.fillRect(x, OVERVIEW, 1, AXIS);
      const width = labels.width(tick.label);
      if (x + 4 < free || x + 4 + width > g.width) continue;
      ctx.fillStyle = colors.muted;
      ctx.fillText(tick.label, x + 4, y);
      free = x + 4 + width + 6;
    }
  }

  /**
   * Says on the left when the axis is 0, or what its labels count from.
   * @param {import("./paint.js").Scene} scene
   */
  #corner(scene) {
    const { ctx, labels } = this;
    const { geometry: g, colors, tree, axis } = scene;
    labels.use(`11px ${colors.font}`);
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    ctx.fillStyle = colors.muted;
    const room = g.labels - 12;
    ctx.fillText(labels.fit("overview", room), 8, OVERVIEW / 2);
    let said = "";
    if (axis.base) said = `from ${axis.base}`;
    else if (!Number.isNaN(tree.from)) said = `0 = ${clock(tree.from, 3)}`;
    if (said) ctx.fillText(labels.fit(said, room), 8, OVERVIEW + AXIS / 2);
  }
}
