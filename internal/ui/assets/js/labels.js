// @ts-check
// Texts on a canvas: measuring is what costs, so it is remembered.

/** Shortens texts to a width and remembers what came of it. */
export class Labels {
  /** @param {CanvasRenderingContext2D} ctx */
  constructor(ctx) {
    this.ctx = ctx;
    this.font = "";
    /** @type {Map<string, number>} */
    this.widths = new Map();
    /** @type {Map<string, string>} */
    this.short = new Map();
  }

  /**
   * Sets the font for what follows.
   * @param {string} font
   */
  use(font) {
    this.font = font;
    this.ctx.font = font;
  }

  /**
   * Returns how wide a text is.
   * @param {string} text
   * @returns {number} pixels
   */
  width(text) {
    const key = this.font + "\n" + text;
    let width = this.widths.get(key);
    if (width === undefined) {
      if (this.widths.size > 20000) this.widths.clear();
      width = this.ctx.measureText(text).width;
      this.widths.set(key, width);
    }
    return width;
  }

  /**
   * Returns text, or its begin and an ellipsis when it is wider than width.
   * @param {string} text
   * @param {number} width pixels
   * @returns {string} empty when there is no room for anything
   */
  fit(text, width) {
    if (width < 8) return "";
    // What cannot fit need not be measured.
    const clipped = text.length > 400 ? text.slice(0, 400) : text;
    if (clipped === text && this.width(text) <= width) return text;
    const key = `${this.font}\n${Math.floor(width)}\n${clipped}`;
    const known = this.short.get(key);
    if (known !== undefined) return known;
    let low = 0;
    let high = clipped.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.ctx.measureText(clipped.slice(0, middle) + "…").width <= width) low = middle;
      else high = middle - 1;
    }
    if (this.short.size > 20000) this.short.clear();
    const result = low > 0 ? clipped.slice(0, low) + "…" : "";
    this.short.set(key, result);
    return result;
  }
}
