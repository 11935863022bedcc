// @ts-check
// Makes elements out of texts; data never becomes markup.

/**
 * Makes an element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} inside
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

/**
 * Makes a button.
 * @param {string} text
 * @param {string} label what it does
 * @param {() => void} pressed
 */
export function button(text, label, pressed) {
  const element = make("button", { type: "button", class: "gw-button", title: label, "aria-label": label }, text);
  element.addEventListener("click", pressed);
  return element;
}

/**
 * Gives a canvas the size of a box in pixels of the screen.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @param {number} ratio
 * @returns {boolean} whether the size is another
 */
export function sizeCanvas(canvas, width, height, ratio) {
  const w = Math.max(Math.round(width * ratio), 1);
  const h = Math.max(Math.round(height * ratio), 1);
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return true;
}

/**
 * Returns the context of a canvas.
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function context(canvas) {
  const found = canvas.getContext("2d");
  if (!found) throw new Error("this browser draws on no canvas");
  return /** @type {CanvasRenderingContext2D} */ (found);
}
