// @ts-check
// Light, dark, or as the system has it. The choice is in data-theme of the
// document's element, which the style sheet reads.

import { recall, remember } from "./store.js";

/** @typedef {"system" | "light" | "dark"} Theme */

/** @type {Theme[]} */
const THEMES = ["system", "light", "dark"];

/** @returns {Theme} */
function chosen() {
  const known = recall("theme");
  return THEMES.find((t) => t === known) ?? "system";
}

/** @param {Theme} theme */
function apply(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const toggle of document.querySelectorAll("[data-theme-toggle]")) {
    const said = `Theme: ${theme}`;
    toggle.setAttribute("aria-label", said);
    toggle.setAttribute("title", said);
    toggle.setAttribute("data-theme-now", theme);
    const text = toggle.querySelector("[data-theme-text]");
    if (text) text.textContent = theme;
  }
}

/** Applies what was chosen, and lets the toggles choose the next. */
export function theme() {
  apply(chosen());
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-theme-toggle]")) return;
    const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
    remember("theme", next === "system" ? "" : next);
    apply(next);
  });
  document.addEventListener("htmx:afterSwap", () => apply(chosen()));
  // Another tab may have chosen.
  window.addEventListener("storage", () => apply(chosen()));
}
