// @ts-check
// Texts on a canvas: measuring is what costs, so it is remembered.

/** What no column is wide enough for, in characters. */
const LONGEST = 400;

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
   * Returns text, or when it is wider than width, its begin and an ellipsis.
   * @param {string} text
   * @param {number} width pixels
   * @returns {string} empty when there is no room for anything
   */
  fit(text, width) {
    return this.cut(text, width, "begin", (n) => text.slice(0, n) + "…");
  }

  /**
   * Returns text, or when it is wider than width, both of its ends and an
   * ellipsis between them: of a command line, what makes it another than its
   * siblings often comes last.
   * @param {string} text
   * @param {number} width pixels
   * @returns {string} empty when there is no room for anything
   */
  ends(text, width) {
    return this.cut(text, width, "ends", (n) => text.slice(0, Math.ceil(n / 2)) + "…" + text.slice(text.length - Math.floor(n / 2)));
  }

  /**
   * Returns text where it fits, else the longest of its shorter forms that
   * does.
   * @param {string} text
   * @param {number} width pixels
   * @param {string} way names the form
   * @param {(n: number) => string} form with n characters of the text
   * @returns {string}
   */
  cut(text, width, way, form) {
    if (width < 8) return "";
    // What cannot fit need not be measured.
    if (text.length <= LONGEST && this.width(text) <= width) return text;
    const key = `${way}\n${this.font}\n${Math.floor(width)}\n${text}`;
    const known = this.short.get(key);
    if (known !== undefined) return known;
    let low = 0;
    let high = Math.min(text.length, LONGEST);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.ctx.measureText(form(middle)).width <= width) low = middle;
      else high = middle - 1;
    }
    if (this.short.size > 20000) this.short.clear();
    const result = low > 0 ? form(low) : "";
    this.short.set(key, result);
    return result;
  }
}
