// @ts-check
// <time datetime="…"> in the zone of the browser. The server writes UTC; a
// text in a form that is known here is replaced by one of the same length, so
// that nothing moves, and the title says both.

import { clock, day } from "./format.js";

const DAY_AND_CLOCK = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,3})?)?$/;
const CLOCK = /^\d\d:\d\d(:\d\d(\.\d{1,3})?)?$/;

/**
 * Renders a moment in the form that a text of the server has.
 * @param {number} ms milliseconds since 1970
 * @param {string} like
 * @returns {string} like itself when its form is not known
 */
export function inForm(ms, like) {
  const text = like.trim();
  const fraction = /\.(\d{1,3})$/.exec(text);
  const digits = fraction ? fraction[1].length : 0;
  const length = text.length - (DAY_AND_CLOCK.test(text) ? 11 : 0);
  if (CLOCK.test(text)) return clock(ms, digits).slice(0, length);
  if (DAY_AND_CLOCK.test(text)) return `${day(ms)}${text[10]}${clock(ms, digits).slice(0, length)}`;
  return like;
}

/** @param {ParentNode} root */
function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const ms = Date.parse(time.getAttribute("datetime") ?? "");
    if (Number.isNaN(ms)) continue;
    time.setAttribute("data-local", "");
    if (time.childElementCount === 0) time.textContent = inForm(ms, time.textContent ?? "");
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    time.setAttribute("title", `${day(ms)} ${clock(ms, 3)} (${zone}), ${time.getAttribute("datetime")}`);
  }
}

/** Renders the times of the page, and those that come into it. */
export function localTimes() {
  localize(document);
  document.addEventListener("htmx:afterSwap", () => localize(document));
}
