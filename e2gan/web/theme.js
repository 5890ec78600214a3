// Light and dark colours: the system's choice until the button is used.

/** Let a button switch the colours; `body.dark` is what the look goes by. */
export function themeButton(button) {
  const show = () => button.setAttribute("aria-pressed", String(document.body.classList.contains("dark")));
  button.addEventListener("click", () => {
    document.body.classList.toggle("dark");
    show();
  });
  show();
}
