// @ts-check
// Where elements get their data from: a script inside of them, or an address
// of the same server.

/**
 * Returns an address that a row may lead to: one of this server, and none at
 * all in a page that was saved as a file.
 * @param {string} address
 * @returns {string} empty when it may not
 */
export function href(address) {
  if (address === "" || !location.protocol.startsWith("http")) return "";
  try {
    const url = new URL(address, location.href);
    return url.origin === location.origin ? url.pathname + url.search + url.hash : "";
  } catch {
    return "";
  }
}

/**
 * Returns the data that a page carries inside of an element, undefined when it
 * carries none.
 * @param {Element} element
 * @returns {any}
 */
export function inline(element) {
  const script = element.querySelector(':scope > script[type="application/json"]');
  if (!script) return undefined;
  return JSON.parse(script.textContent ?? "null");
}

/** An answer of the server that is not the data. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {string} hint
   */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/**
 * Asks the server.
 * @param {string} src
 * @param {AbortSignal} signal
 * @returns {Promise<any>}
 */
export async function load(src, signal) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(src, { headers: { Accept: "application/json" }, signal, credentials: "same-origin" });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new Refusal("The server does not answer.", "Is goshawk up still running?");
  }
  if (response.ok) return response.json();
  let said;
  try {
    said = await response.json();
  } catch {
    said = {};
  }
  const message = typeof said?.error === "string" ? said.error : `The server answered ${response.status}.`;
  throw new Refusal(message, typeof said?.hint === "string" ? said.hint : "");
}
