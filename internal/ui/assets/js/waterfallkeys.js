// @ts-check
// The keys of a waterfall.

import { pan } from "./view.js";
import { hasChildren } from "./tree.js";

const PAGE = 15;

/**
 * Makes a waterfall answer to keys.
 * @param {import("./waterfall.js").Waterfall} w
 * @param {HTMLElement} stage what has the focus
 */
export function listenToKeys(w, stage) {
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = event.shiftKey ? shifted(w, event.key) : plain(w, event.key);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  stage.addEventListener("focus", () => {
    if (w.selected < 0 && w.shown.length > 0 && stage.matches(":focus-visible")) w.select(w.shown[0]);
  });
}

/**
 * @param {import("./waterfall.js").Waterfall} w
 * @param {string} key
 * @returns {(() => void) | null}
 */
function shifted(w, key) {
  const span = w.view.end - w.view.start;
  switch (key) {
    case "ArrowLeft": return () => w.setView(pan(w.view, -span / 8, w.tree.limits));
    case "ArrowRight": return () => w.setView(pan(w.view, span / 8, w.tree.limits));
  }
  return plain(w, key);
}

/**
 * @param {import("./waterfall.js").Waterfall} w
 * @param {string} key
 * @returns {(() => void) | null}
 */
function plain(w, key) {
  switch (key) {
    case "ArrowDown": case "j": return () => move(w, 1);
    case "ArrowUp": case "k": return () => move(w, -1);
    case "PageDown": return () => move(w, PAGE);
    case "PageUp": return () => move(w, -PAGE);
    case "Home": return () => move(w, -Infinity);
    case "End": return () => move(w, Infinity);
    case "ArrowLeft": return () => inwards(w);
    case "ArrowRight": return () => outwards(w);
    case "+": case "=": return () => w.zoomBy(1 / 1.6);
    case "-": case "_": return () => w.zoomBy(1.6);
    case "z": return () => w.zoomTo(w.selected);
    case "0": case "Escape": return () => w.reset();
    case "*": return () => w.toggleAll();
    case "Enter": return () => w.open(w.selected);
  }
  return null;
}

/** @param {import("./waterfall.js").Waterfall} w @param {number} by */
function move(w, by) {
  const last = w.shown.length - 1;
  const now = w.shown.indexOf(w.selected);
  const next = now < 0 ? 0 : Math.min(Math.max(now + by, 0), last);
  w.select(w.shown[next]);
}

/** @param {import("./waterfall.js").Waterfall} w */
function inwards(w) {
  const { rows } = w.tree;
  const row = rows[w.selected];
  if (!row) return;
  if (hasChildren(rows, w.selected) && !w.folded.has(w.selected)) {
    w.toggle(w.selected, true);
    w.select(w.selected);
  } else if (row.parent >= 0) w.select(row.parent);
}

/** @param {import("./waterfall.js").Waterfall} w */
function outwards(w) {
  const { rows } = w.tree;
  if (!rows[w.selected] || !hasChildren(rows, w.selected)) return;
  if (w.folded.has(w.selected)) {
    w.toggle(w.selected, false);
    w.select(w.selected);
  } else w.select(w.selected + 1);
}
