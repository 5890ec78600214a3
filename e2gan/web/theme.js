// Light and dark colours: the system's choice until the button is used.

/** Let a button switch the colours; the look depends on `body.dark`. */
export function themeButton(button) {
  const show = () => button.setAttribute("aria-pressed", String(document.body.classList.contains("dark")));
  button.addEventListener("click", () => {
    document.body.classList.toggle("dark");
    show();
  });
  show();
}
