// Adding a concept from the Hub.

import { sentence } from "./shared/dom.js";

const CHECKED = "It is checked before it is used: data only, no code.";

/** Set up the form; gives add(repo), which resolves with the concept's card, or null. */
export function adding({ add: form, repo: input, "add-button": button, "add-text": text }, ask, { can_add, public: open }, added) {
  if (!can_add && open) {
    form.hidden = true; // visitors cannot change that
  } else if (!can_add) {
    input.disabled = button.disabled = true;
    text.textContent = "This needs the package e2gan-hub on the machine that runs this page.";
  } else {
    text.textContent = `${CHECKED} ${open ? "Only you see it here." : "It stays installed, as with e2gan pull."}`;
  }

  async function add(repo) {
    button.disabled = true;
    text.textContent = `Getting ${repo} …`;
    const answer = await ask("add", { repo });
    button.disabled = !can_add;
    text.classList.toggle("bad", !!answer.error);
    if (answer.error) {
      text.textContent = [answer.error, answer.hint].filter(Boolean).map(sentence).join(" ");
      return null;
    }
    text.textContent = `${answer.card.title} is here.`;
    input.value = "";
    added(answer.card);
    return answer.card;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) add(input.value.trim());
  });
  return add;
}
