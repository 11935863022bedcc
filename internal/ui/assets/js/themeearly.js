// @ts-check
// Runs before the page is drawn, as a script that is no module, so that a
// chosen theme does not flash. theme.js does the rest.
try {
  const theme = localStorage.getItem("goshawk.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // The system's theme it is.
}
