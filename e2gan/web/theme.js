// Light and dark colours: the system's choice until the button is used; colours.js brings that choice back.

/** Let a button switch the colours; the look depends on `body.dark`. */
export function themeButton(button) {
  const dark = () => document.body.classList.contains("dark");
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  button.addEventListener("click", () => {
    document.body.classList.toggle("dark");
    try {
      localStorage.setItem("e2gan-colours", dark() ? "dark" : "light");
    } catch {} // storage is not allowed: until the page is left
    show();
  });
  show();
}
