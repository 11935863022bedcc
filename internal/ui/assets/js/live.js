// @ts-check
// Live blocks: an element [data-live="URL"] is sent the event goshawk:refresh
// when the server-sent events at URL say that there is news. htmx, or the
// element itself, then gets the block again.

import { key, pausedBy, statusText, waitFor } from "./liveblock.js";

/** @typedef {import("./liveblock.js").Block} Block */

/** Waits between attempts to connect, in milliseconds: the first, the longest. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 15000;

/** One connection to a URL, for all blocks that want it. */
class Source {
  /**
   * @param {string} url
   * @param {(url: string, what: "open" | "lost" | "news" | "dropped", n: number) => void} tell
   */
  constructor(url, tell) {
    this.url = url;
    this.tell = tell;
    this.wait = FIRST_WAIT;
    this.timer = 0;
    /** @type {EventSource | null} */
    this.events = null;
  }

  open() {
    if (this.events) return;
    clearTimeout(this.timer);
    this.timer = 0;
    const events = new EventSource(this.url);
    this.events = events;
    events.onopen = () => {
      this.wait = FIRST_WAIT;
      this.tell(this.url, "open", 0);
    };
    events.onmessage = () => this.tell(this.url, "news", 1);
    events.addEventListener("dropped", (event) => {
      const n = Number(/** @type {MessageEvent} */ (event).data);
      this.tell(this.url, "dropped", Number.isFinite(n) && n > 0 ? n : 1);
    });
    events.onerror = () => {
      // The browser would come back each second and report each failure.
      this.close();
      this.tell(this.url, "lost", 0);
      this.timer = window.setTimeout(() => this.open(), this.wait * (0.8 + 0.4 * Math.random()));
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    };
  }

  close() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.events?.close();
    this.events = null;
  }
}

/** All live blocks of the page. */
class Live {
  constructor() {
    /** @type {Map<string, Source>} */
    this.sources = new Map();
    /** @type {Map<string, Block>} */
    this.blocks = new Map();
    /** Whether nobody looks at the page; nothing is connected then. */
    this.asleep = document.hidden;
    /** Whether the last pointer was a finger. */
    this.touched = false;
  }

  /** Finds the blocks that are in the page now. */
  scan() {
    /** @type {Set<string>} */
    const found = new Set();
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-live]"))) {
      const url = element.dataset.live ?? "";
      if (!url) continue;
      const id = key(element);
      found.add(id);
      const known = this.blocks.get(id);
      if (known && known.url === url) {
        if (known.element !== element) this.#watch(known, element);
        continue;
      }
      clearTimeout(known?.timer);
      /** @type {Block} */
      const block = { url, element, connected: false, pending: 0, dropped: 0, last: -Infinity, timer: 0, paused: false, behind: false };
      this.blocks.set(id, block);
      this.#watch(block, element);
    }
    for (const [id, block] of this.blocks) {
      if (found.has(id)) continue;
      clearTimeout(block.timer);
      this.blocks.delete(id);
    }
    this.#connect();
    this.show();
  }

  /** @param {Block} block @param {HTMLElement} element */
  #watch(block, element) {
    block.element = element;
    for (const type of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      // What is hovered and focused is right only after the event.
      element.addEventListener(type, () => setTimeout(() => this.check(block), 0));
    }
  }

  #connect() {
    const wanted = new Set([...this.blocks.values()].map((b) => b.url));
    for (const [url, source] of this.sources) {
      if (wanted.has(url)) continue;
      source.close();
      this.sources.delete(url);
    }
    for (const url of wanted) {
      let source = this.sources.get(url);
      if (!source) {
        source = new Source(url, (from, what, n) => this.#heard(from, what, n));
        this.sources.set(url, source);
      }
      if (!this.asleep && !source.timer) source.open();
    }
  }

  /** @param {string} url @param {"open" | "lost" | "news" | "dropped"} what @param {number} n */
  #heard(url, what, n) {
    for (const block of this.blocks.values()) {
      if (block.url !== url) continue;
      switch (what) {
        case "open":
          // What happened in between was not heard.
          if (block.behind) block.pending++;
          block.behind = false;
          block.connected = true;
          break;
        case "lost":
          block.connected = false;
          block.behind = true;
          break;
        case "news": block.pending += n; break;
        case "dropped":
          block.dropped += n;
          block.pending += n;
          break;
      }
      this.check(block);
    }
  }

  /** Brings a block up to date, now or soon, unless it is paused. @param {Block} block */
  check(block) {
    block.paused = pausedBy(block.element, this.touched);
    if (block.pending > 0 && !block.paused && block.timer === 0) {
      const wait = waitFor(block.last, performance.now());
      if (wait === 0) this.refresh(block);
      else {
        block.timer = window.setTimeout(() => {
          block.timer = 0;
          this.check(block);
        }, wait);
      }
    }
    this.show();
  }

  /** @param {Block} block */
  refresh(block) {
    block.pending = 0;
    block.last = performance.now();
    block.element.dispatchEvent(new CustomEvent("goshawk:refresh"));
  }

  /** Says how things are in each status. */
  show() {
    for (const status of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-live-status]"))) {
      const blocks = this.of(status);
      if (blocks.length === 0) continue;
      const { state, text } = statusText(blocks);
      if (status.dataset.state !== state) status.dataset.state = state;
      const place = status.querySelector("[data-live-text]") ?? status;
      if (place.textContent !== text) place.textContent = text;
      status.hidden = false;
    }
  }

  /** The blocks that a status is about. @param {HTMLElement} status @returns {Block[]} */
  of(status) {
    const all = [...this.blocks.values()];
    const named = status.dataset.liveStatus;
    if (named) return all.filter((b) => b.element.id === named);
    const around = status.closest("[data-live]");
    return around ? all.filter((b) => b.element === around) : all;
  }

  /** Stops listening while nobody looks. */
  sleep() {
    this.asleep = true;
    for (const source of this.sources.values()) source.close();
    for (const block of this.blocks.values()) block.behind = true;
  }

  wake() {
    this.asleep = false;
    this.scan();
  }
}

/** Makes the live blocks of the page live, and keeps them so. */
export function live() {
  if (!location.protocol.startsWith("http") || !("EventSource" in window)) return;
  const all = new Live();
  all.scan();
  const checkAll = () => all.blocks.forEach((block) => all.check(block));
  for (const type of ["htmx:afterSwap", "htmx:historyRestore"]) document.addEventListener(type, () => all.scan());
  document.addEventListener("selectionchange", checkAll);
  document.addEventListener("pointerover", (event) => {
    all.touched = event.pointerType === "touch";
  }, { capture: true, passive: true });
  document.addEventListener("visibilitychange", () => (document.hidden ? all.sleep() : all.wake()));
  window.addEventListener("pagehide", () => all.sleep());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) all.wake();
  });
  window.addEventListener("online", () => {
    for (const source of all.sources.values()) source.open();
  });
  document.addEventListener("click", (event) => {
    const status = event.target instanceof Element ? event.target.closest("[data-live-status]") : null;
    if (!(status instanceof HTMLElement)) return;
    for (const block of all.of(status)) {
      if (!block.connected) all.sources.get(block.url)?.open();
      if (block.pending > 0) all.refresh(block);
    }
    all.show();
  });
}
