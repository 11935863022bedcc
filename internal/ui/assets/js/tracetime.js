// @ts-check
// The timeline of a trace: the server has drawn it; this reads the values of the part
// under the pointer, or where the arrow keys have led.

import { duration, significant } from "./format.js";
import { make } from "./dom.js";
import { inline } from "./source.js";

/**
 * Says what went on in a part of the timeline.
 * @param {any} data a v1.TraceTimeline
 * @param {number} i
 * @returns {string}
 */
export function saying(data, i) {
  /** @param {string} name */
  const at = (name) => Number(data?.[name]?.[i] ?? 0);
  const said = [
    `${significant(at("running"))} running`, `${significant(at("in_syscall"))} in a system call`, `${significant(at("runnable"))} waiting for a P (at most ${at("max_runnable")})`,
    `${significant(at("idle_ps"))} Ps idle`, `${at("max_goroutines").toLocaleString("en")} goroutines`,
  ];
  for (const [name, word] of [["gc", "GC"], ["stw", "world stopped"], ["silence", "silence"]]) {
    const share = at(name);
    if (share > 0) said.push(`${word} ${share < 0.01 ? "<1" : Math.round(share * 100)} %`);
  }
  const width = Number(data?.width_ns ?? 0);
  return `At ${i === 0 ? "0" : duration(i * width)}, for ${duration(width)}: ${said.join(" · ")}`;
}

/** The element around what the server has drawn. */
export class Timeline extends HTMLElement {
  connectedCallback() {
    let data;
    try {
      data = inline(this);
    } catch {
      return;
    }
    const stage = this.querySelector(".stage");
    const readout = this.querySelector(".readout");
    const n = data?.running?.length ?? 0;
    if (!(stage instanceof HTMLElement) || !readout || n === 0) return;
    this.life = new AbortController();
    const { signal } = this.life;
    const cursor = make("div", { class: "cursor" });
    cursor.hidden = true;
    stage.append(cursor);
    const empty = readout.getAttribute("data-empty") ?? "";
    readout.textContent = empty;
    let now = -1;
    /** @param {number} i */
    const show = (i) => {
      now = i;
      cursor.hidden = i < 0;
      if (i >= 0) cursor.style.left = `${((i + 0.5) / n) * 100}%`;
      readout.textContent = i < 0 ? empty : saying(data, i);
    };
    stage.addEventListener("pointermove", (event) => {
      const box = stage.getBoundingClientRect();
      show(Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * n), 0), n - 1));
    }, { signal });
    stage.addEventListener("pointerleave", () => show(-1), { signal });
    stage.addEventListener("blur", () => show(-1), { signal });
    stage.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 10 : 1;
      const next = { ArrowLeft: Math.max(now - step, 0), ArrowRight: Math.min(now + step, n - 1), Home: 0, End: n - 1, Escape: -1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      show(next);
    }, { signal });
  }

  disconnectedCallback() {
    this.life?.abort();
    this.querySelector(".cursor")?.remove();
  }
}
