// What leaves the page: files, and text for the clipboard.

import { make } from "./dom.js";

/** Have the browser save what is at an address under a name. */
export function save(address, name) {
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Put text on the clipboard; the button says for a moment whether that worked. */
export async function copyText(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = before), 1500);
}
