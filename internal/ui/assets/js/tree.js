// @ts-check
// The rows of a waterfall, made from the wire type v1.Waterfall. What comes in
// is not trusted: numbers may be missing or negative, parents may form a
// cycle. What goes out is a tree in the order of display.

import { href as safeHref } from "./source.js";

/**
 * @typedef {object} Part
 * @property {string} kind one of KINDS
 * @property {number} ns
 */

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {string} kind "command", "request", "call", "connection", "process",
 *   "phase", or empty
 * @property {string} label
 * @property {string} detail
 * @property {number} start nanoseconds on the axis
 * @property {number} duration
 * @property {number} zombie what follows the duration
 * @property {number} end start, duration and zombie together
 * @property {Part[]} parts of the duration, in the order of KINDS
 * @property {number} self what of the duration no child covers
 * @property {[number, number][] | null} gaps when that is, of a row that has no
 *   other parts: requests and connections
 * @property {string} caller the line of code that ran a command, or empty
 * @property {string} outcome
 * @property {boolean} failed
 * @property {string[]} findings
 * @property {string} href empty when there is none
 * @property {number} parent position of the parent, -1 at the top
 * @property {number} depth number of ancestors
 * @property {number} last position after the last descendant
 */

/**
 * @typedef {object} Tree
 * @property {Row[]} rows a parent before its children, each subtree in one
 *   piece
 * @property {number} from milliseconds since 1970 at which the axis is 0; NaN
 *   when not known
 * @property {import("./view.js").View} axis what the axis shows at first
 * @property {import("./view.js").View} limits what it can show: all bars
 * @property {number} maxDepth
 * @property {string[]} incomplete
 */

/** What a duration is divided by, in the order in which it is drawn: of an
 *  upgrade that is the order of time. */
export const KINDS = ["own", "cpu", "run_delay", "wait", "pipe", "below", "old_accepts", "spawn", "warm", "hand_over", "probation", "drain", "new_accepts"];

/** The same in words. */
export const KIND_NAMES = /** @type {Record<string, string>} */ ({
  own: "its own code",
  cpu: "on CPU",
  run_delay: "ready, waiting for a CPU",
  wait: "waiting",
  pipe: "blocked on a full pipe",
  below: "in what is below",
  old_accepts: "the old process accepts",
  spawn: "spawn",
  warm: "warm",
  hand_over: "hand-over",
  probation: "probation",
  drain: "drain",
  new_accepts: "the new process accepts",
  unknown: "not accounted for",
  zombie: "ended, not waited for",
});

/** The longest time that is drawn, in nanoseconds: 30 years. */
const LONGEST = 1e18;

/** @param {unknown} v @param {number} otherwise */
function number(v, otherwise) {
  return typeof v === "number" && Number.isFinite(v) ? Math.min(Math.max(v, -LONGEST), LONGEST) : otherwise;
}

/** @param {unknown} v */
function text(v) {
  return typeof v === "string" ? v : "";
}

/** @param {unknown} v @returns {string[]} */
function texts(v) {
  return Array.isArray(v) ? v.filter((s) => typeof s === "string") : [];
}

/**
 * @param {any} bar
 * @returns {Row}
 */
function rowOf(bar) {
  const b = bar !== null && typeof bar === "object" ? bar : {};
  const start = number(b.start_ns, 0);
  const duration = Math.max(number(b.duration_ns, 0), 0);
  /** @type {Map<string, number>} */
  const spent = new Map();
  for (const p of Array.isArray(b.parts) ? b.parts : []) {
    const ns = Math.max(number(p?.ns, 0), 0);
    const kind = text(p?.kind);
    if (ns > 0) spent.set(kind, (spent.get(kind) ?? 0) + ns);
  }
  const zombie = spent.get("zombie") ?? 0;
  return {
    id: text(b.id),
    kind: text(b.kind),
    label: text(b.label) || text(b.detail) || "(no name)",
    detail: text(b.detail),
    start, duration, zombie,
    end: start + duration + zombie,
    parts: KINDS.filter((kind) => spent.has(kind)).map((kind) => ({ kind, ns: spent.get(kind) ?? 0 })),
    self: duration, gaps: null, caller: callerOf(b.caller),
    outcome: text(b.outcome),
    failed: b.failed === true,
    findings: texts(b.findings),
    href: safeHref(text(b.href)),
    parent: -1, depth: 0, last: 0,
  };
}

/** @param {any} frame */
function callerOf(frame) {
  const name = text(frame?.func);
  if (name === "") return "";
  const file = text(frame.file);
  const line = number(frame.line, 0);
  const at = file.slice(file.lastIndexOf("/") + 1) + (line > 0 ? `:${line}` : "");
  return name.slice(name.lastIndexOf("/") + 1) + (at ? ` (${at})` : "");
}

/**
 * Works out what of each row its children do not cover, and of a request, what
 * parts it has by that.
 * @param {Row[]} rows
 */
function divideSelves(rows) {
  /** @type {[number, number][][]} */
  const children = rows.map(() => []);
  for (const row of rows) if (row.parent >= 0) children[row.parent].push([row.start, row.start + row.duration]);
  rows.forEach((row, i) => {
    const gaps = gapsIn(row.start, row.start + row.duration, children[i]);
    row.self = gaps.reduce((sum, [from, to]) => sum + to - from, 0);
    const waits = row.kind === "call" || row.kind === "connection";
    if (row.parts.length > 0 || !waits && row.kind !== "request") return;
    row.gaps = gaps;
    row.parts = [{ kind: waits ? "wait" : "own", ns: row.self }, { kind: "below", ns: row.duration - row.self }].filter((p) => p.ns > 0);
  });
}

/**
 * Returns what some stretches leave of another one.
 * @param {number} start
 * @param {number} end
 * @param {[number, number][]} covered
 * @returns {[number, number][]}
 */
export function gapsIn(start, end, covered) {
  /** @type {[number, number][]} */
  const gaps = [];
  let reached = start;
  for (const [from, to] of covered.toSorted((a, b) => a[0] - b[0])) {
    if (from > reached) gaps.push([reached, Math.min(from, end)]);
    reached = Math.max(reached, to);
    if (reached >= end) break;
  }
  if (reached < end) gaps.push([reached, end]);
  return gaps.filter(([from, to]) => to > from);
}

/**
 * Says which bar is whose parent. A parent must come before its child, so that
 * no cycle is left; a child of any other is at the top.
 * @param {any[]} bars
 * @returns {number[][]} the children of each bar, and at the end the tops
 */
function childrenOf(bars) {
  /** @type {number[][]} */
  const children = Array.from({ length: bars.length + 1 }, () => []);
  bars.forEach((bar, i) => {
    const parent = number(bar?.parent, -1);
    const known = Number.isInteger(parent) && parent >= 0 && parent < i;
    children[known ? parent : bars.length].push(i);
  });
  return children;
}

/**
 * Makes the tree of a v1.Waterfall.
 * @param {any} waterfall
 * @returns {Tree}
 */
export function treeOf(waterfall) {
  const bars = Array.isArray(waterfall?.bars) ? waterfall.bars : [];
  const children = childrenOf(bars);
  /** @type {Row[]} */
  const rows = [];
  let maxDepth = 0;
  /** @type {{bar: number, parent: number, depth: number}[]} */
  const todo = children[bars.length].map((bar) => ({ bar, parent: -1, depth: 0 })).reverse();
  for (let next = todo.pop(); next; next = todo.pop()) {
    const at = rows.length;
    const row = rowOf(bars[next.bar]);
    row.parent = next.parent;
    row.depth = next.depth;
    row.last = at + 1;
    maxDepth = Math.max(maxDepth, row.depth);
    rows.push(row);
    const below = children[next.bar];
    for (let i = below.length - 1; i >= 0; i--) todo.push({ bar: below[i], parent: at, depth: next.depth + 1 });
  }
  for (let i = rows.length - 1; i >= 0; i--) {
    const parent = rows[i].parent;
    if (parent >= 0) rows[parent].last = Math.max(rows[parent].last, rows[i].last);
  }
  divideSelves(rows);
  return { rows, maxDepth, ...extent(rows, waterfall), incomplete: texts(waterfall?.incomplete) };
}

/**
 * @param {Row[]} rows
 * @param {any} waterfall
 */
function extent(rows, waterfall) {
  const from = Date.parse(text(waterfall?.from));
  const to = Date.parse(text(waterfall?.to));
  let low = Infinity;
  let high = -Infinity;
  for (const row of rows) {
    low = Math.min(low, row.start);
    high = Math.max(high, row.end);
  }
  if (low > high) [low, high] = [0, 1];
  const asked = (to - from) * 1e6;
  const axis = asked > 0 ? { start: 0, end: asked } : { start: Math.min(low, 0), end: Math.max(high, low + 1) };
  // Bars that none of the axis would show are better than the axis.
  if (high < axis.start || low > axis.end) Object.assign(axis, { start: low, end: Math.max(high, low + 1) });
  const limits = { start: Math.min(axis.start, low), end: Math.max(axis.end, high) };
  // From and To come in milliseconds: what exceeds the axis by that is on it.
  const slack = Math.max((limits.end - limits.start) / 100, 2e6);
  if (asked > 2 * slack && axis.start - limits.start < slack && limits.end - axis.end < slack) Object.assign(axis, limits);
  return { from, axis, limits };
}

/**
 * Returns the positions of the rows that are shown when the subtrees of folded
 * rows are not.
 * @param {Row[]} rows
 * @param {Set<number>} folded
 * @returns {number[]}
 */
export function visible(rows, folded) {
  /** @type {number[]} */
  const shown = [];
  for (let i = 0; i < rows.length; i = folded.has(i) ? rows[i].last : i + 1) shown.push(i);
  return shown;
}

/**
 * Says whether a row has rows below it.
 * @param {Row[]} rows
 * @param {number} i
 */
export function hasChildren(rows, i) {
  return rows[i].last > i + 1;
}

/**
 * Returns the positions of all rows that can be folded.
 * @param {Row[]} rows
 */
export function foldable(rows) {
  /** @type {Set<number>} */
  const found = new Set();
  rows.forEach((_, i) => {
    if (hasChildren(rows, i)) found.add(i);
  });
  return found;
}

/**
 * Returns what the parts leave of the duration.
 * @param {Row} row
 */
export function unaccounted(row) {
  let known = 0;
  for (const p of row.parts) known += p.ns;
  return Math.max(row.duration - known, 0);
}
