/** Dark or light: as the system has it, until the reader flips it. */

/** Flips it, and remembers that. */
export function flipTheme() {
  const root = document.documentElement;
  const chosen = root.dataset.theme;
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("tart.theme", root.dataset.theme);
  } catch {
    // Then it holds for this page only.
  }
}
