// @ts-check
// Copying: a button [data-copy] copies the value of the attribute, or when
// that is "#ID" the text of the element with this id.

/** How long a button says that it copied, in milliseconds. */
const SAID = 1500;

/**
 * Returns what a button copies.
 * @param {Element} button
 * @returns {string}
 */
export function copied(button) {
  const value = button.getAttribute("data-copy") ?? "";
  if (!value.startsWith("#")) return value;
  return document.getElementById(value.slice(1))?.textContent ?? value;
}

/**
 * Puts a text into the clipboard. Where the browser does not let pages write
 * there, as over HTTP from another machine, the old way may work.
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Makes the buttons copy. */
export function copyOnClick() {
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!(button instanceof HTMLElement)) return;
    event.preventDefault();
    const done = await write(copied(button));
    button.dataset.copied = done ? "yes" : "no";
    const label = button.dataset.label ?? button.getAttribute("aria-label") ?? "";
    button.dataset.label = label;
    button.setAttribute("aria-label", done ? "Copied" : "Not copied: the browser refused");
    setTimeout(() => {
      delete button.dataset.copied;
      if (label) button.setAttribute("aria-label", label);
      else button.removeAttribute("aria-label");
    }, SAID);
  });
}
