// @ts-check
// Removes what a page is about, when its button is pressed twice.

import { refusal } from "./traceupload.js";

/** How long a button asks whether it is meant, in milliseconds. */
const ASKED = 5000;

/** The element around the button: data-path is what to remove, data-next where to go then. */
export class Remove extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    if (!button) return;
    button.disabled = false;
    const label = button.textContent ?? "";
    this.life = new AbortController();
    button.addEventListener("click", () => {
      if (this.asked) {
        this.#remove(button);
        return;
      }
      button.textContent = "Really remove it";
      this.asked = setTimeout(() => {
        button.textContent = label;
        this.asked = undefined;
      }, ASKED);
    }, { signal: this.life.signal });
  }

  disconnectedCallback() {
    this.life?.abort();
    clearTimeout(this.asked);
  }

  /** @param {HTMLButtonElement} button */
  async #remove(button) {
    button.disabled = true;
    let status = 0, said = "";
    try {
      const answer = await fetch(this.dataset.path ?? "", { method: "DELETE" });
      status = answer.status;
      said = await answer.text();
    } catch {
      // The refusal says that nobody answers.
    }
    // Who finds that another was faster wanted no more.
    if (status === 204 || status === 404) {
      location.assign(this.dataset.next ?? "/");
      return;
    }
    button.disabled = false;
    const state = /** @type {HTMLElement} */ (this.querySelector("[role=status]"));
    state.textContent = refusal(status, said);
  }
}
