// @ts-check
// Keys of every page: ? shows them, / searches, g and a letter go elsewhere,
// j and k move over the rows of a table.

/** How long the key after g is waited for, in milliseconds. */
const PATIENCE = 1500;

/** Where "g" and a letter lead; a link with data-key="g x" says more. */
const PLACES = /** @type {Record<string, string>} */ ({ o: "/", c: "/commands" });

/** @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, select, textarea"));
}

/** @param {string} letter */
function go(letter) {
  const link = document.querySelector(`a[data-key="g ${CSS.escape(letter)}"]`);
  const place = link instanceof HTMLAnchorElement ? link.href : PLACES[letter];
  if (!place || !location.protocol.startsWith("http")) return false;
  location.assign(place);
  return true;
}

function help() {
  const dialog = document.getElementById("keys");
  if (!(dialog instanceof HTMLDialogElement)) return false;
  if (dialog.open) dialog.close();
  else dialog.showModal();
  return true;
}

function search() {
  const field = document.querySelector("[data-search]");
  if (!(field instanceof HTMLElement)) return false;
  field.focus();
  if (field instanceof HTMLInputElement) field.select();
  return true;
}

/**
 * Returns the links of the rows of a table, one for each row.
 * @param {Element} table
 * @returns {HTMLElement[]}
 */
function rowLinks(table) {
  /** @type {HTMLElement[]} */
  const links = [];
  for (const row of table.querySelectorAll("tbody tr")) {
    const link = row.querySelector("td.main a[href]") ?? row.querySelector("a[href]");
    if (link instanceof HTMLElement && link.offsetParent !== null) links.push(link);
  }
  return links;
}

/**
 * Moves the focus to the link of the row by rows further; Enter then opens it.
 * @param {number} by
 */
function moveRow(by) {
  const now = document.activeElement?.closest("tbody tr") ?? null;
  const tables = now ? [now.closest("table")] : [...document.querySelectorAll("main table, table")];
  for (const table of tables) {
    const links = table ? rowLinks(table) : [];
    if (links.length === 0) continue;
    const at = now ? links.findIndex((link) => now.contains(link)) : -1;
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + by, 0), links.length - 1);
    links[next].focus();
    links[next].closest("tr")?.scrollIntoView({ block: "nearest" });
    return true;
  }
  return false;
}

/** Makes pages answer to keys. */
export function shortcuts() {
  let waiting = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
      return;
    }
    const after = event.timeStamp - waiting < PATIENCE && waiting > 0;
    waiting = 0;
    let done = false;
    if (after) done = go(event.key);
    else {
      switch (event.key) {
        case "?": done = help(); break;
        case "/": done = search(); break;
        case "j": done = moveRow(1); break;
        case "k": done = moveRow(-1); break;
        case "g": waiting = event.timeStamp; break;
      }
    }
    if (done) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest("[data-keys-open]")) help();
    if (target?.closest("[data-close]")) target.closest("dialog")?.close();
  });
}
