// Concepts as cards: a strip of pictures to choose from, a search, and the details of the chosen concept.
//
// A card is {name, title, prompt, description, preview, whole, facts, verdict, measured, quality, install, link}: the
// address of a picture with before and after side by side, or if `whole`, of the edit alone; pairs of label and value; how
// good it is, in a few words, what that is based on, and triples of label, share from 0 to 1 and sentence; a command; and
// the address of a page about it.  The last nine may be missing.

import { make } from "./dom.js";
import { copyText } from "./save.js";

export class Cards {
  #chosen;
  #place;
  #search;
  #none;
  #cards = new Map();

  /** Offer cards in `place`; `search` and `none` are its input, and where it says that nothing matches. */
  constructor(place, search, none, chosen) {
    this.#place = place;
    this.#search = search;
    this.#none = none;
    this.#chosen = chosen;
    search.addEventListener("input", () => this.#filter());
  }

  get names() {
    return [...this.#cards.keys()];
  }

  has(name) {
    return this.#cards.has(name);
  }

  get(name) {
    return this.#cards.get(name);
  }

  /** The title of a card, or nothing. */
  title(name) {
    return this.get(name)?.title ?? "";
  }

  /** Draw these cards, and mark one as chosen. */
  draw(cards, chosen) {
    this.#cards = new Map(cards.map((card) => [card.name, card]));
    this.#place.replaceChildren(...cards.map((card) => this.#draw(card, card.name === chosen)));
    this.#filter();
  }

  #draw(card, checked) {
    const input = make("input", { type: "radio", name: "concept", value: card.name, className: "unseen", checked });
    input.addEventListener("change", () => this.#chosen(card.name));
    const preview = card.preview ?? placeholder(card.title);
    const image = make("img", { src: preview, "data-preview": preview, alt: "", loading: "lazy" });
    if (card.whole && card.preview) image.dataset.whole = "true";
    const frame = make("span", { className: "frame" }, image);
    return make("label", { className: "card", "data-name": card.name }, input, frame, make("span", { className: "name" }, card.title));
  }

  /** Give a card a picture of the edit alone, in place of a preview; `shown`: at once. */
  picture(name, url, shown = true) {
    const image = this.element(name)?.querySelector("img");
    if (!image) return;
    Object.assign(image.dataset, { preview: url, whole: "true" });
    if (shown) image.src = url;
  }

  /** The element of a card. */
  element(name) {
    return [...this.#place.children].find((card) => card.dataset.name === name);
  }

  get elements() {
    return [...this.#place.children];
  }

  /** Check a card, and bring it into view. */
  mark(name) {
    const card = this.element(name);
    if (!card) return;
    card.querySelector("input").checked = true;
    // On a phone the cards are a strip.
    this.#place.scrollTo({ left: card.offsetLeft - (this.#place.clientWidth - card.clientWidth) / 2 });
  }

  #filter() {
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matches = 0;
    for (const node of this.elements) {
      const { name, title, prompt, description } = this.get(node.dataset.name);
      const text = `${name} ${title} ${prompt} ${description ?? ""}`.toLowerCase();
      node.hidden = !words.every((word) => text.includes(word));
      matches += !node.hidden;
    }
    this.#none.hidden = matches > 0;
    this.#none.textContent = this.#cards.size
      ? `No concept matches “${this.#search.value.trim()}”.`
      : "There are no concepts here yet.";
  }
}

/** A neutral picture for concepts without a preview. */
function placeholder(text) {
  const letters = encodeURIComponent(text.slice(0, 2).replace(/[<>&"']/g, ""));
  return `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 4'%3E%3Crect width='8' height='4' fill='%23998f80'/%3E%3Ctext x='6' y='2.5' font-family='serif' font-size='1.6' fill='white' text-anchor='middle'%3E${letters}%3C/text%3E%3C/svg%3E`;
}

/** Show in `place` what a card says: what the concept is, how good it is, how to get it. */
export function about(place, card) {
  place.hidden = !card;
  if (!card) return;
  const nodes = [make("h2", {}, card.title), make("p", { className: "prompt" }, `“${card.prompt}”`)];
  if (card.description) nodes.push(make("p", {}, card.description));
  if (card.verdict) {
    const entries = make("dl", { className: "quality" }, ...(card.quality ?? []).flatMap(judgement));
    const summary = make("summary", {}, "How good is it? ", make("span", { className: "verdict" }, card.verdict));
    const basis = card.measured ? [make("p", { className: "fine" }, card.measured)] : [];
    nodes.push(make("details", {}, summary, ...basis, entries));
  }
  if (card.facts?.length) {
    const facts = card.facts.flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]);
    nodes.push(make("details", {}, make("summary", {}, "Licence, recipe and size"), make("dl", { className: "facts" }, ...facts)));
  }
  if (card.install) nodes.push(command(card.install));
  if (card.link) nodes.push(make("p", {}, make("a", { href: card.link }, `More about ${card.title}`)));
  place.replaceChildren(...nodes);
}

function judgement([label, share, words]) {
  const meter = make("span", { className: "meter", "aria-hidden": "true" });
  meter.style.setProperty("--value", share);
  return [make("dt", {}, label), make("dd", {}, meter, make("small", {}, words))];
}

function command(text) {
  const copy = make("button", { type: "button", className: "button quiet", "aria-label": "Copy the command" }, "Copy");
  copy.addEventListener("click", () => copyText(text, copy));
  return make("div", { className: "install" }, make("code", {}, text), copy);
}
