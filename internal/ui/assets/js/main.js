// @ts-check
// The entry: defines the elements and installs what pages do by themselves.
// Pages are whole without it.

import { Chart } from "./chart.js";
import { copyOnClick } from "./copy.js";
import { hints } from "./hint.js";
import { shortcuts } from "./keys.js";
import { live } from "./live.js";
import { localTimes } from "./localtime.js";
import { theme } from "./theme.js";

theme();
localTimes();
hints();
copyOnClick();
shortcuts();
live();
customElements.define("goshawk-chart", Chart);

/** What few pages have. @type {Record<string, () => Promise<CustomElementConstructor>>} */
const RARE = {
  "goshawk-waterfall": () => import("./waterfall.js").then((m) => m.Waterfall),
  "goshawk-heatmap": () => import("./heatmap.js").then((m) => m.Heatmap),
  "goshawk-lines": () => import("./lines.js").then((m) => m.Lines),
  "goshawk-timeline": () => import("./tracetime.js").then((m) => m.Timeline),
  "goshawk-rows": () => import("./tracerows.js").then((m) => m.Rows),
  "goshawk-upload": () => import("./traceupload.js").then((m) => m.Upload),
  "goshawk-remove": () => import("./traceremove.js").then((m) => m.Remove),
};

/**
 * Loads what the page has of them.
 * @returns {Promise<void[]>} when they work
 */
function meet() {
  const named = Object.entries(RARE).filter(([name]) => document.querySelector(name));
  return Promise.all(named.map(async ([name, load]) => {
    delete RARE[name];
    customElements.define(name, await load());
  }));
}
const met = meet();
// A block that is brought up to date may be the first to have one.
document.addEventListener("htmx:afterSwap", meet);
// Whoever drives a browser waits for this.
met.then(() => document.documentElement.dataset.ready = "");
