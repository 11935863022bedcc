// @ts-check
// What the drawing elements have in common: data from the page or from `src`,
// and the states loading, ready, empty and error.

import { button, make } from "./dom.js";
import { inline, load, Refusal } from "./source.js";
import { onThemeChange } from "./colors.js";

/**
 * An element that draws data. Its content in the page stays there as what is
 * shown without scripts, and when there is nothing to draw.
 * @abstract
 */
export class DataElement extends HTMLElement {
  static observedAttributes = ["src"];

  constructor() {
    super();
    /** What is drawn, below the state. */
    this.body = make("div", { class: "gw-body" });
    this.message = make("div", { class: "gw-state" });
    this.frame = make("div", { class: "gw" }, this.message, this.body);
    /** @type {AbortController | null} ends with the element's time in the page */
    this.life = null;
    /** @type {AbortController | null} */
    this.request = null;
    this.built = false;
    this.drawing = 0;
    this.loaded = false;
  }

  connectedCallback() {
    this.life = new AbortController();
    const { signal } = this.life;
    // A page that is restored from a copy of its markup holds an old frame.
    for (const old of this.querySelectorAll(":scope > .gw")) if (old !== this.frame) old.remove();
    this.append(this.frame);
    onThemeChange(() => {
      this.restyle();
      this.requestDraw();
    }, signal);
    const sized = new ResizeObserver(() => this.requestDraw());
    sized.observe(this.frame);
    signal.addEventListener("abort", () => sized.disconnect());
    window.addEventListener("resize", () => this.requestDraw(), { signal });
    this.addEventListener("goshawk:refresh", (event) => {
      if (event.target === this) this.reload();
    }, { signal });
    if (!this.built) {
      this.built = true;
      this.build();
    }
    if (!this.loaded) this.#first();
    else this.requestDraw();
  }

  disconnectedCallback() {
    this.life?.abort();
    this.request?.abort();
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
  }

  /**
   * @param {string} _name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(_name, before, after) {
    if (this.isConnected && this.built && before !== null && after !== before) this.reload();
  }

  /** The name of what is drawn. */
  get label() {
    return this.getAttribute("label") ?? "";
  }

  #first() {
    let found;
    try {
      found = inline(this);
    } catch {
      this.fail(new Refusal("The data in this page cannot be read.", ""));
      return;
    }
    if (found !== undefined) this.show(found);
    else this.reload();
  }

  /** Asks the server again; what is drawn stays until the answer is here. */
  async reload() {
    const src = this.getAttribute("src");
    if (!src) {
      if (!this.loaded) this.#state("empty", this.emptyText());
      return;
    }
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    if (!this.loaded) this.#state("loading", "Loading…");
    try {
      const data = await load(src, request.signal);
      if (this.request === request) this.show(data);
    } catch (cause) {
      if (request.signal.aborted || this.request !== request) return;
      this.fail(cause);
    }
  }

  /**
   * Draws data.
   * @param {any} data
   */
  show(data) {
    this.loaded = true;
    if (!this.receive(data)) {
      this.#state("empty", this.emptyText(), notes(data));
      return;
    }
    this.#state("ready", "", notes(data));
    this.restyle();
    this.requestDraw();
  }

  /**
   * Says that there is no data, with a way to try again.
   * @param {unknown} cause
   */
  fail(cause) {
    const refused = cause instanceof Refusal ? cause : new Refusal("The data cannot be shown.", String(cause));
    if (this.loaded && this.dataset.state === "ready") {
      this.#state("ready", "", [`Not up to date: ${refused.message}`]);
      return;
    }
    this.#state("error", refused.message, refused.hint ? [refused.hint] : []);
    if (this.getAttribute("src")) {
      this.message.append(button("Try again", "Try again", () => {
        this.loaded = false;
        this.reload();
      }));
    }
  }

  /**
   * @param {"loading" | "ready" | "empty" | "error"} state
   * @param {string} text
   * @param {string[]} [below]
   */
  #state(state, text, below = []) {
    this.dataset.state = state;
    this.body.hidden = state !== "ready";
    this.message.hidden = text === "" && below.length === 0;
    this.message.setAttribute("role", state === "error" ? "alert" : "status");
    this.message.replaceChildren();
    if (text) this.message.append(make("p", {}, text));
    for (const note of below) this.message.append(make("p", { class: "gw-note" }, note));
    this.setAttribute("aria-busy", String(state === "loading"));
  }

  /** Draws once, before the next frame. */
  requestDraw() {
    if (this.drawing || !this.isConnected) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      if (this.dataset.state === "ready") this.draw();
    });
  }

  /** Says what is missing where there is no data. */
  emptyText() {
    return this.getAttribute("empty") ?? "Nothing was seen in this time.";
  }

  /** Makes what is in the body, once. */
  build() {}

  /**
   * Takes data and says whether there is something to draw.
   * @param {any} _data
   * @returns {boolean}
   */
  receive(_data) {
    return false;
  }

  /** Reads the colours again. */
  restyle() {}

  /** Draws. */
  draw() {}
}

/** @param {any} data @returns {string[]} */
function notes(data) {
  const said = data?.incomplete;
  return Array.isArray(said) ? said.filter((s) => typeof s === "string") : [];
}
