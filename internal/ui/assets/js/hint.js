// @ts-check
// Hints: <… data-hint="NAME"> with a button [data-dismiss] inside. One that
// was dismissed stays away.

import { recall, remember } from "./store.js";

function hide() {
  for (const hint of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-hint]"))) {
    hint.hidden = recall("hint." + hint.dataset.hint) !== "";
  }
}

/** Shows the hints that were not dismissed. */
export function hints() {
  hide();
  document.addEventListener("htmx:afterSwap", hide);
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-dismiss]")) return;
    const hint = event.target.closest("[data-hint]");
    if (!(hint instanceof HTMLElement)) return;
    remember("hint." + hint.dataset.hint, "dismissed");
    hint.hidden = true;
  });
}
