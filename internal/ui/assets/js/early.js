// @ts-check
// Runs before the page is drawn, as a script that is no module: sets what must
// not flash, and lets all other scripts wait until the page is there.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("goshawk.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    // The style sheet hides the hints that these name; hint.js does the rest.
    root.dataset.closed = Object.keys(localStorage)
      .filter((key) => key.startsWith("goshawk.hint."))
      .map((key) => key.slice("goshawk.hint.".length))
      .join(" ");
  } catch {
    // The system's theme and all hints it is.
  }

  function late() {
    const rest = document.getElementById("late");
    if (rest instanceof HTMLTemplateElement) document.head.append(document.importNode(rest.content, true));
  }
  // Not before the event: htmx looks for it when it starts. A page that is not
  // seen is not drawn, and would wait.
  window.addEventListener("load", () => {
    if (document.hidden) late();
    else requestAnimationFrame(() => setTimeout(late));
  });
})();
