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
import { Waterfall } from "./waterfall.js";

theme();
localTimes();
hints();
copyOnClick();
shortcuts();
live();
customElements.define("goshawk-waterfall", Waterfall);
customElements.define("goshawk-chart", Chart);
// Few pages have these.
if (document.querySelector("goshawk-heatmap")) import("./heatmap.js").then(({ Heatmap }) => customElements.define("goshawk-heatmap", Heatmap));
if (document.querySelector("goshawk-lines")) import("./lines.js").then(({ Lines }) => customElements.define("goshawk-lines", Lines));
// Whoever drives a browser waits for this.
document.documentElement.dataset.ready = "";
