// @ts-check
// Sends a trace to be analysed, and goes to the page about it.

import { significant } from "./format.js";

/**
 * Says why a trace was not analysed.
 * @param {number} status
 * @param {string} text what the server answered
 * @returns {string}
 */
export function refusal(status, text) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = {};
  }
  if (typeof said?.error !== "string") return status === 0 ? "The server does not answer, or has ended the connection." : `The server answered ${status}.`;
  return typeof said.hint === "string" && said.hint ? `${said.error}. ${said.hint}` : said.error;
}

/** The element around the form. */
export class Upload extends HTMLElement {
  connectedCallback() {
    const form = this.querySelector("form");
    const field = this.querySelector('input[type="file"]');
    const button = this.querySelector("button");
    if (!form || !(field instanceof HTMLInputElement) || !button) return;
    // Without this script it would leave the page.
    button.disabled = false;
    this.life = new AbortController();
    const { signal } = this.life;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const file = field.files?.[0];
      if (file) this.#send(file);
    }, { signal });
    form.addEventListener("dragover", (event) => {
      event.preventDefault();
      form.dataset.over = "";
    }, { signal });
    form.addEventListener("dragleave", () => delete form.dataset.over, { signal });
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      delete form.dataset.over;
      const file = event.dataTransfer?.files[0];
      if (file) this.#send(file);
    }, { signal });
  }

  disconnectedCallback() {
    this.life?.abort();
    this.request?.abort();
  }

  /** @param {File} file */
  #send(file) {
    const progress = /** @type {HTMLProgressElement} */ (this.querySelector("progress"));
    const state = /** @type {HTMLElement} */ (this.querySelector(".uploadstate"));
    const button = /** @type {HTMLButtonElement} */ (this.querySelector("button"));
    // fetch does not tell how much of a body was sent.
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("POST", `/api/v1/traces?name=${encodeURIComponent(file.name)}`);
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      progress.value = event.loaded / Math.max(event.total, 1);
      state.textContent = event.loaded < event.total ? `${file.name}: ${significant(event.loaded / 1e6)} of ${significant(event.total / 1e6)} MB` : `${file.name}: analysing…`;
    });
    const done = () => {
      progress.hidden = true;
      button.disabled = false;
      this.request = undefined;
    };
    request.addEventListener("loadend", () => {
      done();
      const id = request.status === 200 ? JSON.parse(request.responseText)?.id : "";
      if (typeof id === "string" && id !== "") {
        location.assign(`/traces/${encodeURIComponent(id)}`);
        return;
      }
      state.className = "uploadstate bad";
      state.textContent = refusal(request.status, request.responseText);
    });
    progress.hidden = false;
    progress.value = 0;
    button.disabled = true;
    state.className = "uploadstate";
    state.textContent = `${file.name}: connecting…`;
    request.send(file);
  }
}
