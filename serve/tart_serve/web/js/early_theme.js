/* The chosen theme, before anything is drawn; a module would come too late. */
try {
  const theme = localStorage.getItem("tart.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  /* A browser that keeps nothing follows the system. */
}
