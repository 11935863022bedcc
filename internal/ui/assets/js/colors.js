// @ts-check
// The tokens of the style sheet, for what is drawn on a canvas.

/** Names of the tokens, and what stands for one that is not there. */
const TOKENS = {
  bg: "#ffffff", surface: "#f6f7f9", text: "#1c2430", muted: "#5b6675", line: "#d5dae1",
  accent: "#2f6fde", ok: "#2c8a4b", warn: "#b26a00", bad: "#c8322b",
  cpu: "#2f7d5b", "run-delay": "#d98e04", own: "#12867a", pipe: "#8a4fc4", wait: "#9fb3c8", zombie: "#6b7280", unknown: "#c9ced6",
};

/** @typedef {Record<keyof typeof TOKENS, string> & {font: string, mono: string}} Colors */

/**
 * Reads the tokens as they are for an element now. A token may be any CSS
 * colour, light-dark() included, so the browser computes it.
 * @param {HTMLElement} element
 * @returns {Colors}
 */
export function colorsOf(element) {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  const found = /** @type {Record<string, string>} */ ({});
  for (const [name, otherwise] of Object.entries(TOKENS)) {
    probe.style.color = `var(--${name}, ${otherwise})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.style.fontFamily = "var(--font-ui, sans-serif)";
  found.font = getComputedStyle(probe).fontFamily;
  probe.style.fontFamily = "var(--font-mono, monospace)";
  found.mono = getComputedStyle(probe).fontFamily;
  probe.remove();
  return /** @type {Colors} */ (found);
}

/**
 * Returns the token of a part's kind.
 * @param {string} kind
 * @returns {keyof typeof TOKENS}
 */
export function tokenOf(kind) {
  switch (kind) {
    case "own": case "cpu": case "pipe": case "wait": case "zombie":
      return kind;
    case "run_delay": case "warm":
      return "run-delay";
    case "old_accepts": return "own";
    case "spawn": return "wait";
    case "hand_over": return "pipe";
    case "probation": return "cpu";
    case "drain": return "muted";
    case "new_accepts": return "ok";
  }
  return "unknown";
}

/**
 * Calls when the theme changes, until signal ends it.
 * @param {() => void} changed
 * @param {AbortSignal} signal
 */
export function onThemeChange(changed, signal) {
  const seen = new MutationObserver(changed);
  seen.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class", "style"] });
  signal.addEventListener("abort", () => seen.disconnect());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed, { signal });
}

/**
 * Returns a pattern of stripes, so that a part is known without its colour.
 * @param {CanvasRenderingContext2D} ctx
 * @param {string} color
 * @param {string} stripe
 * @param {"rising" | "dots"} kind
 * @param {number} ratio device pixels for one of CSS
 * @returns {CanvasPattern | string}
 */
export function pattern(ctx, color, stripe, kind, ratio) {
  const size = Math.max(Math.round((kind === "dots" ? 5 : 6) * ratio), 4);
  const tile = new OffscreenCanvas(size, size);
  const c = tile.getContext("2d");
  if (!c) return color;
  c.fillStyle = color;
  c.fillRect(0, 0, size, size);
  c.globalAlpha = 0.55;
  c.strokeStyle = c.fillStyle = stripe;
  if (kind === "dots") {
    c.beginPath();
    c.arc(size / 2, size / 2, size / 5, 0, 2 * Math.PI);
    c.fill();
  } else {
    c.lineWidth = size / 4;
    c.beginPath();
    for (const x of [-size, 0, size]) {
      c.moveTo(x - 1, size + 1);
      c.lineTo(x + size + 1, -1);
    }
    c.stroke();
  }
  const made = ctx.createPattern(tile, "repeat");
  // The canvas is scaled by ratio, the tile already is.
  made?.setTransform(new DOMMatrix().scale(1 / ratio));
  return made ?? color;
}
