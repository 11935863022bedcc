// @ts-check
// How a live block behaves: when it is brought up to date, when it waits, and
// what its status says.

/**
 * @typedef {object} Block
 * @property {string} url
 * @property {HTMLElement} element the one that is in the page now
 * @property {boolean} connected
 * @property {number} pending how many messages came since the last refresh
 * @property {number} dropped how many the server did not send
 * @property {number} last when it was refreshed, in milliseconds
 * @property {number} timer 0 when none runs
 * @property {boolean} paused
 * @property {boolean} behind whether messages may have been missed
 */

/** The least time between two updates of a block, in milliseconds. */
export const LEAST = 500;

/**
 * Names a block for good, though its element may be replaced.
 * @param {HTMLElement} element
 * @returns {string}
 */
export function key(element) {
  return element.id ? "#" + element.id : element.dataset.live ?? "";
}

/**
 * Returns how long an update has to wait: not at all when the last one was
 * long ago.
 * @param {number} last
 * @param {number} now
 * @returns {number} milliseconds
 */
export function waitFor(last, now) {
  const since = now - last;
  return since >= LEAST || since < 0 ? 0 : LEAST - since;
}

/**
 * Says whether a block must not change now: someone points at it, has selected
 * text in it, or is in it with the keyboard.
 * @param {HTMLElement} element
 * @param {boolean} touched whether the last pointer was a finger, which leaves
 *   what it touched hovered
 * @returns {boolean}
 */
export function pausedBy(element, touched) {
  if (document.hidden) return true;
  if (!touched && element.matches(":hover")) return true;
  const focused = document.activeElement;
  if (focused && focused !== document.body && element.contains(focused) && !focused.closest("[data-live-status]")) return true;
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.anchorNode !== null && element.contains(selection.anchorNode);
}

/**
 * Says in words how blocks are.
 * @param {Block[]} blocks
 * @returns {{state: "live" | "reconnecting" | "paused", text: string}}
 */
export function statusText(blocks) {
  let pending = 0;
  let dropped = 0;
  for (const b of blocks) {
    pending += b.pending;
    dropped += b.dropped;
  }
  const left = dropped > 0 ? `, ${dropped.toLocaleString("en")} not sent` : "";
  if (blocks.some((b) => !b.connected)) return { state: "reconnecting", text: "reconnecting…" };
  if (blocks.some((b) => b.paused)) return { state: "paused", text: (pending > 0 ? `paused: ${pending.toLocaleString("en")} new` : "paused") + left };
  return { state: "live", text: "live" + left };
}
