// @ts-check
// Draws a heatmap on a canvas.

import { timeLabels } from "./chart.js";
import { duration } from "./format.js";
import { bandAt, bandBegin, LEVELS, levelOf } from "./heatgrid.js";
import { logTicks, multiples, roundStep } from "./ticks.js";

/** Room for the texts on the left and below. */
export const LEFT = 58;
export const BELOW = 22;
const ABOVE = 6;

/** The shades: how much of a token is over another one, as in the style sheet. */
const SHADES = /** @type {["cpu" | "text", "surface" | "cpu", number][]} */ ([
  ["cpu", "surface", 0.24], ["cpu", "surface", 0.46], ["cpu", "surface", 0.72], ["cpu", "surface", 1], ["text", "cpu", 0.36], ["text", "cpu", 0.7],
]);

/**
 * @typedef {object} Scene
 * @property {import("./heatgrid.js").Grid} grid
 * @property {number} width pixels
 * @property {number} height
 * @property {number} ratio device pixels for one of CSS
 * @property {import("./colors.js").Colors} colors
 * @property {string[]} shades
 * @property {{time: number, band: number} | null} cursor the cell that is looked at
 * @property {import("./heatgrid.js").Part | null} part what is selected
 * @property {number} limit a duration that is marked, in nanoseconds; 0 for none
 */

/**
 * Mixes two colours that the browser computed.
 * @param {string} over
 * @param {string} under
 * @param {number} share of over
 */
export function mix(over, under, share) {
  const numbers = (/** @type {string} */ c) => (c.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
  const [a, b] = [numbers(over), numbers(under)];
  return `rgb(${a.map((v, i) => Math.round(v * share + (b[i] ?? 0) * (1 - share))).join(", ")})`;
}

/**
 * Returns the colours of the levels.
 * @param {import("./colors.js").Colors} colors
 */
export function shadesOf(colors) {
  return SHADES.map(([over, under, share]) => mix(colors[over], colors[under], share));
}

/** Where a step begins. @param {Scene} s @param {number} step */
export function xOf(s, step) {
  return LEFT + (step / Math.max(s.grid.times.length, 1)) * (s.width - LEFT - 1);
}

/** Where a band begins, counted from the lowest. @param {Scene} s @param {number} band */
export function yOf(s, band) {
  return s.height - BELOW - (band / Math.max(s.grid.bands, 1)) * (s.height - BELOW - ABOVE);
}

/**
 * Returns the cell at a point, the nearest one for a point beside the cells.
 * @param {Scene} s
 * @param {number} x
 * @param {number} y
 */
export function cellAt(s, x, y) {
  const { grid } = s;
  const time = Math.floor(((x - LEFT) / Math.max(s.width - LEFT - 1, 1)) * grid.times.length);
  const band = Math.floor(((s.height - BELOW - y) / Math.max(s.height - BELOW - ABOVE, 1)) * grid.bands);
  return {
    time: Math.min(Math.max(time, 0), grid.times.length - 1),
    band: Math.min(Math.max(band, 0), grid.bands - 1),
    inside: x >= LEFT && y <= s.height - BELOW,
  };
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} s */
export function paint(ctx, s) {
  ctx.setTransform(s.ratio, 0, 0, s.ratio, 0, 0);
  ctx.clearRect(0, 0, s.width, s.height);
  ctx.font = `11px ${s.colors.font}`;
  durations(ctx, s);
  times(ctx, s);
  cells(ctx, s);
  if (s.limit > 0) marked(ctx, s);
  if (s.part) selected(ctx, s, s.part);
  if (s.cursor) {
    const { time, band } = s.cursor;
    ctx.strokeStyle = s.colors.text;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(xOf(s, time), yOf(s, band + 1), xOf(s, time + 1) - xOf(s, time), yOf(s, band) - yOf(s, band + 1));
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} s */
function cells(ctx, s) {
  const { grid } = s;
  const gap = xOf(s, 1) - xOf(s, 0) >= 5 ? 1 : 0;
  const rows = Array.from({ length: grid.bands + 1 }, (_, b) => Math.round(yOf(s, b)));
  for (let t = 0; t < grid.counts.length; t++) {
    const x = Math.round(xOf(s, t));
    const width = Math.max(Math.round(xOf(s, t + 1)) - x - gap, 1);
    const column = grid.counts[t];
    for (let b = 0; b < grid.bands; b++) {
      const level = levelOf(column[b], grid.most);
      if (level === 0) continue;
      ctx.fillStyle = s.shades[level - 1] ?? s.shades[LEVELS - 1];
      ctx.fillRect(x, rows[b + 1], width, Math.max(rows[b] - rows[b + 1] - gap, 1));
    }
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} s */
function durations(ctx, s) {
  const { grid, colors } = s;
  const room = Math.max(Math.floor((s.height - BELOW) / 34), 2);
  const ends = [bandBegin(grid.low, grid.per), bandBegin(grid.low + grid.bands, grid.per)];
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const ns of logTicks(ends[0], ends[1], room)) {
    const y = Math.round(yOf(s, bandAt(ns, grid.per) - grid.low));
    ctx.fillStyle = colors.line;
    ctx.fillRect(LEFT, y, s.width - LEFT, 1);
    ctx.fillStyle = colors.muted;
    ctx.fillText(duration(ns), LEFT - 6, Math.max(y, 7));
  }
  ctx.fillStyle = colors.line;
  ctx.fillRect(LEFT, s.height - BELOW, s.width - LEFT, 1);
}

/** Marks the duration that is good at most. @param {CanvasRenderingContext2D} ctx @param {Scene} s */
function marked(ctx, s) {
  const y = Math.round(yOf(s, bandAt(s.limit, s.grid.per) - s.grid.low)) + 0.5;
  const text = `threshold ${duration(s.limit)}`;
  ctx.strokeStyle = s.colors.bad;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(LEFT, y);
  ctx.lineTo(s.width, y);
  ctx.stroke();
  ctx.setLineDash([]);
  const width = ctx.measureText(text).width + 12;
  const top = y > 20 ? y - 19 : y + 3;
  ctx.fillStyle = s.colors.surface;
  ctx.globalAlpha = 0.85;
  ctx.fillRect(s.width - width, top, width, 16);
  ctx.globalAlpha = 1;
  ctx.fillStyle = s.colors.bad;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.fillText(text, s.width - 6, top + 8.5);
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} s */
function times(ctx, s) {
  const { grid, colors } = s;
  const from = grid.times[0];
  const to = from + grid.times.length * grid.step;
  const room = Math.max(Math.floor((s.width - LEFT) / 80), 2);
  const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const step = steps.find((n) => (to - from) / n <= room) ?? roundStep((to - from) / room / 86400) * 86400;
  // Whole hours of the browser's zone, not of UTC.
  const shift = new Date(from * 1000).getTimezoneOffset() * 60;
  const places = multiples(from - shift, to - shift, step).map((at) => at + shift);
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  ctx.fillStyle = colors.muted;
  timeLabels(places).forEach((label, i) => {
    const x = xOf(s, (places[i] - from) / grid.step);
    const half = ctx.measureText(label).width / 2;
    if (x - half < LEFT - 20 || x + half > s.width) return;
    ctx.fillText(label, x, s.height - BELOW + 7);
    ctx.fillRect(Math.round(x), s.height - BELOW, 1, 4);
  });
}

/** @param {CanvasRenderingContext2D} ctx @param {Scene} s @param {import("./heatgrid.js").Part} part */
function selected(ctx, s, part) {
  const [left, right] = [xOf(s, part.first), xOf(s, part.last + 1)];
  const [top, bottom] = [1, yOf(s, part.low - s.grid.low)];
  ctx.fillStyle = s.colors.surface;
  ctx.globalAlpha = 0.55;
  ctx.fillRect(LEFT, 0, left - LEFT, s.height - BELOW);
  ctx.fillRect(right, 0, s.width - right, s.height - BELOW);
  ctx.fillRect(left, bottom, right - left, s.height - BELOW - bottom);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = s.colors.accent;
  ctx.lineWidth = 1.5;
  ctx.strokeRect(left, top, right - left, Math.max(bottom - top, 2));
}
