// The clip on the page: what is said of it, the button that edits it, how far that is, and the film that comes of it.

import { make } from "../shared/dom.js";
import { save } from "../shared/save.js";

export class Film {
  #at;
  #place;
  #video; // plays the edited clip; undefined: there is none, or something has changed since
  #name;
  #focused = false; // whether one of the buttons had the focus
  #asked; // performance.now() when the editing began

  /**
   * @param at     the page's parts: clip, clip-text, clip-progress, offer, make, container, cancel, keep
   * @param place  the element of the stage that the film is shown in
   * @param page   what the page does when the visitor asks for the film, begin(), or no more, cancel()
   */
  constructor(at, place, { begin, cancel }) {
    this.#at = at;
    this.#place = place;
    at.make.addEventListener("click", begin);
    at.keep.addEventListener("click", () => save(this.#video.src, this.#name));
    // A double click on the button before it at the same place is no wish to end it.
    at.cancel.addEventListener("click", (event) => event.detail < 2 && cancel());
  }

  /** Whether there is an edited clip. */
  get made() {
    return !!this.#video;
  }

  /** What the browser can write, as Clip tells it. */
  set formats(formats) {
    this.#at.container.replaceChildren(...formats.map(({ value, name }) => new Option(name, value)));
    this.#at.container.hidden = formats.length < 2;
  }

  /** Which of them the visitor wants. */
  get format() {
    return this.#at.container.value;
  }

  hide() {
    this.#at.clip.hidden = true;
  }

  /** Say why the clip stays as it is. */
  refuse(text) {
    this.#show(text);
  }

  /** Offer to edit the clip, once `ready`; `sound` in words; `seconds` that it takes, 0 if not known. */
  offer({ seconds: length, frames }, sound, seconds, ready) {
    const took = seconds ? `about ${span(seconds)} to edit` : "";
    this.#at.make.disabled = !ready;
    this.#show(line(`Clip: ${length.toFixed(1)} s, ${many(frames, "frame")}`, took, sound), { button: "make" });
  }

  begin(frames) {
    this.#asked = performance.now();
    this.progress(0, frames);
  }

  progress(done, frames) {
    const left = done ? ((performance.now() - this.#asked) / 1000 / done) * (frames - done) : null;
    this.#show(line(`${done} of ${many(frames, "frame")}`, left === null ? "" : `about ${span(left)} left`), { button: "cancel", share: done / frames });
  }

  /** Play the edited clip, and offer it under a name. */
  play(blob, name, text) {
    this.#name = name;
    this.#video = make("video", { controls: true, playsInline: true, src: URL.createObjectURL(blob), "aria-label": "The edited clip", "data-at": "film" });
    this.#place.append(this.#video);
    this.#show(text, { button: "keep" });
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.#video.play().catch(() => {}); // the visitor will
  }

  /** Take the film away. */
  drop() {
    if (!this.#video) return;
    URL.revokeObjectURL(this.#video.src);
    this.#video.remove();
    this.#video = undefined;
  }

  #show(text, { button, share } = {}) {
    const at = this.#at, buttons = [at.make, at.cancel, at.keep];
    this.#focused ||= buttons.includes(document.activeElement);
    at.clip.hidden = false;
    at["clip-text"].textContent = text;
    at.offer.hidden = button !== "make" && button !== "keep";
    for (const each of buttons) each.hidden = each !== at[button];
    at["clip-progress"].hidden = share === undefined;
    at["clip-progress"].value = share ?? 0;
    // The focus goes on to the button that follows, unless the visitor has moved it.
    if (!this.#focused || !button || at[button].disabled) return;
    if (document.activeElement === document.body) at[button].focus();
    this.#focused = false;
  }
}

export const line = (...parts) => parts.filter(Boolean).join(" · ");

export const many = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;

/** A time in the unit that one would say it in. */
export function span(seconds) {
  if (seconds < 90) return many(Math.max(1, Math.round(seconds)), "second");
  if (seconds < 90 * 60) return many(Math.round(seconds / 60), "minute");
  return `${(seconds / 3600).toFixed(1)} hours`;
}
