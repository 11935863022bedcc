// @ts-check
// Rows that open: sorts them by a column, and shows those whose text has a word.

import { make } from "./dom.js";

/** The element around a list of rows. */
export class Rows extends HTMLElement {
  connectedCallback() {
    if (this.built) return;
    this.built = true;
    const list = this.querySelector(".rows");
    const head = this.querySelector(".rowhead");
    if (!list || !head) return;
    const rows = [...list.querySelectorAll(":scope > details.row")];
    this.#filter(rows);
    [...head.querySelectorAll(".num")].forEach((column, at) => {
      const name = column.textContent ?? "";
      const button = make("button", { type: "button", title: `Sort by ${name}` }, name);
      button.addEventListener("click", () => {
        for (const other of head.children) other.removeAttribute("data-sorted");
        column.setAttribute("data-sorted", "");
        /** @param {Element} row */
        const value = (row) => Number(row.querySelectorAll(":scope > summary > .num")[at]?.getAttribute("data-value") ?? 0);
        list.append(...rows.sort((a, b) => value(b) - value(a)));
      });
      column.replaceChildren(button);
    });
  }

  /** @param {Element[]} rows */
  #filter(rows) {
    const noun = this.dataset.noun ?? "rows";
    const field = make("input", { type: "search", placeholder: `Filter ${noun}`, "aria-label": `Filter ${noun}`, "data-search": "" });
    const said = make("span", { class: "small muted", role: "status" });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const summary = row.querySelector("summary");
        const text = `${summary?.title ?? ""} ${summary?.textContent ?? ""}`.toLowerCase();
        const matches = words.every((word) => text.includes(word));
        if (row instanceof HTMLElement) row.hidden = !matches;
        if (matches) shown++;
      }
      said.textContent = words.length > 0 ? `${shown} of ${rows.length} ${noun}` : "";
    });
    this.prepend(make("div", { class: "rowtools" }, field, said));
  }
}
