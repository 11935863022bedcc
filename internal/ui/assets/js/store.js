// @ts-check
// What a browser remembers for this address. Where it may remember nothing,
// in a page opened from a file say, everything works and is forgotten.

const PREFIX = "goshawk.";

/**
 * @param {string} name
 * @returns {string} empty when it is not known
 */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} name
 * @param {string} value empty forgets
 */
export function remember(name, value) {
  try {
    if (value) localStorage.setItem(PREFIX + name, value);
    else localStorage.removeItem(PREFIX + name);
  } catch {
    // Nothing depends on it.
  }
}
