// The contact sheet: every concept on the visitor's own photo, made between the edits that are asked for.

const SIDE = 384; // longer side of an edit, in pixels: in smaller ones, faces vanish; the page shrinks the picture
const WIDEST = 16 / 9, NARROWEST = 3 / 4; // width over height beyond which a tile cuts the photo

export class ContactSheet {
  #cards;
  #place;
  #button;
  #ask;
  #done = new Set();

  on = false;

  /** `button` switches the cards' pictures between examples and the photo; `changed` is called then. */
  constructor(cards, place, button, ask, changed) {
    this.#cards = cards;
    this.#place = place;
    this.#button = button;
    this.#ask = ask;
    button.addEventListener("click", () => {
      this.on = !this.on;
      changed();
    });
  }

  set disabled(disabled) {
    this.#button.disabled = disabled;
  }

  /** Begin again: with another photo, other cards, or none yet (`photo` is null). Tiles of an earlier photo go at once. */
  reset(photo) {
    this.#done.clear();
    if (photo) this.#place.style.setProperty("--tile", Math.min(WIDEST, Math.max(NARROWEST, photo.width / photo.height)));
    for (const card of this.#cards.elements) {
      card.classList.toggle("waiting", this.on && !!photo);
      const image = card.querySelector("img");
      if (this.on) image.removeAttribute("src");
      else image.src = image.dataset.preview;
    }
    this.#place.classList.toggle("own", this.on);
    this.#button.setAttribute("aria-pressed", String(this.on));
    this.#button.textContent = this.on ? "Show the examples" : "Try all on my photo";
  }

  /** The next picture to make, as a piece of work; null if all are made. */
  next(photo) {
    const name = this.on && photo ? this.#cards.names.find((each) => !this.#done.has(each)) : undefined;
    return name === undefined ? null : () => this.#make(name, photo);
  }

  async #make(name, photo) {
    this.#done.add(name);
    const answer = await this.#ask("edit", { photo: photo.photo, concepts: { [name]: 1 }, size: SIDE });
    const card = this.#cards.element(name);
    if (!card || !this.#done.has(name) || !this.on) return; // the photo has changed in the meantime
    if (!answer.error) card.querySelector("img").src = answer.picture;
    card.classList.remove("waiting");
  }
}
