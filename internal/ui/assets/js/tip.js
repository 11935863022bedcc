// @ts-check
// What a row of a waterfall is, in words.

import { tokenOf } from "./colors.js";
import { make } from "./dom.js";
import { clock, count, duration, percent } from "./format.js";
import { hasChildren, KIND_NAMES, unaccounted } from "./tree.js";

/**
 * Says in a sentence what a row is, for those who hear it.
 * @param {import("./tree.js").Tree} tree
 * @param {number} at
 * @param {boolean} folded
 * @returns {string}
 */
export function describe(tree, at, folded) {
  const row = tree.rows[at];
  const said = [`${row.label}: starts at ${duration(row.start)}, takes ${duration(row.duration)}`];
  if (row.self < row.duration) said.push(`${duration(row.self)} of it without what is below`);
  if (row.caller) said.push(`run by ${row.caller}`);
  if (row.outcome) said.push(row.outcome);
  if (row.failed) said.push("failed");
  if (row.zombie > 0) said.push(`not waited for during ${duration(row.zombie)}`);
  if (row.findings.length > 0) said.push(`${count(row.findings.length, "finding")}: ${row.findings.join(", ")}`);
  said.push(`level ${row.depth + 1}`);
  if (hasChildren(tree.rows, at)) said.push(`${count(row.last - at - 1, "row")} below${folded ? ", folded" : ""}`);
  if (row.href) said.push("Enter opens it");
  return said.join("; ");
}

/**
 * Fills a tooltip.
 * @param {HTMLElement} tip
 * @param {import("./tree.js").Tree} tree
 * @param {number} at
 */
export function fillTip(tip, tree, at) {
  const row = tree.rows[at];
  tip.replaceChildren(make("strong", {}, row.label));
  if (row.detail && row.detail !== row.label) tip.append(make("code", {}, clip(row.detail)));
  const facts = make("dl");
  /** @param {string} name @param {(Node | string)[]} value */
  const fact = (name, ...value) => facts.append(make("dt", {}, name), make("dd", {}, ...value));
  fact("took", make("b", {}, duration(row.duration)));
  if (row.self < row.duration) fact("by itself", duration(row.self));
  const at0 = Number.isNaN(tree.from) ? "" : `, ${clock(tree.from + row.start / 1e6, 3)}`;
  fact("began", `at ${duration(row.start)}${at0}`);
  if (row.caller) fact("run by", row.caller);
  if (row.outcome) fact("ended", make("span", row.failed ? { class: "gw-bad" } : {}, row.outcome));
  tip.append(facts);
  const parts = [...row.parts, { kind: "unknown", ns: unaccounted(row) }, { kind: "zombie", ns: row.zombie }];
  const list = make("ul");
  for (const part of parts) {
    if (!(part.ns > 0)) continue;
    const share = part.kind === "zombie" ? "" : ` (${percent(part.ns, row.duration)})`;
    list.append(make("li", {}, make("i", { "data-part": tokenOf(part.kind) }), `${KIND_NAMES[part.kind]} `, make("b", {}, duration(part.ns)), share));
  }
  if (list.childElementCount > 0) tip.append(list);
  for (const rule of row.findings) tip.append(make("p", { class: "gw-warn" }, make("i", { "data-part": "finding" }), rule));
}

/** @param {string} text */
function clip(text) {
  const most = 300;
  return text.length > most ? text.slice(0, most) + "…" : text;
}
