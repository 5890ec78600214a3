// The dials of an edit: how strong it is, and which concept it is blended with, by how much.

export class Dials {
  #at;
  #state;

  /**
   * @param at        the page's parts: strength, strength-text, other, mix, mix-text, mix-row
   * @param state     {concept, other, mix, strength}, which the dials change
   * @param describe  is called when only the strength has changed
   * @param refresh   is called when another edit is needed
   */
  constructor(at, state, { describe, refresh }) {
    this.#at = at;
    this.#state = state;
    at.strength.addEventListener("input", () => {
      state.strength = at.strength.value / 100;
      describe();
    });
    at.mix.addEventListener("input", () => {
      state.mix = at.mix.value / 100;
      refresh();
    });
    at.other.addEventListener("change", () => {
      state.other = at.other.value || null;
      this.apart();
      refresh();
    });
  }

  /** Set what the address asks for. */
  set({ mix, strength }) {
    Object.assign(this.#state, { mix, strength });
    this.#at.strength.value = 100 * strength;
    this.#at.mix.value = 100 * mix;
  }

  /** A concept is not blended with itself. */
  apart() {
    if (this.#state.other === this.#state.concept) this.#state.other = null;
    this.#at.other.value = this.#state.other ?? "";
  }

  /** Say where the dials stand; `title` is that of the concept it is blended with. */
  show(title) {
    const { other, mix, strength } = this.#state;
    this.#at.mix.disabled = !other;
    this.#at["mix-row"].classList.toggle("off", !other);
    this.#at["mix-text"].textContent = other ? `${Math.round(100 * mix)} % ${title}` : "–";
    this.#at["strength-text"].textContent = `${Math.round(100 * strength)} %`;
  }
}
