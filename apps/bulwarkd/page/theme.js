// Before anything is drawn, hence a script of its own: the operator's choice of dark or light, else
// what the system says. Kept in localStorage: it is no secret.
const chosenTheme = (() => {
  try {
    return localStorage.getItem('theme');
  } catch {
    return null;
  }
})();
document.documentElement.dataset.theme =
  chosenTheme ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
