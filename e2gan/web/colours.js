// Before anything is drawn: dark or light, as the visitor chose here, or else as the system has it.

{
  let chosen = null;
  try {
    chosen = localStorage.getItem("e2gan-colours");
  } catch {} // storage is not allowed: the system's choice
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.body.classList.toggle("dark", dark);
}
