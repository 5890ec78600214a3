// A clip or an animation.  Its first frame is edited like a photo; the whole is made on demand, and plays on the stage.

import { make } from "./shared/dom.js";
import { told } from "./waiting.js";

const matches = (query) => matchMedia(query).matches;

export class Clip {
  #at;
  #page;
  #longest;
  #video = make("video", { controls: true, playsInline: true, muted: true, preload: "none", className: "made", hidden: true });
  #picture = make("img", { className: "made", hidden: true });
  #clip = null; // {kind, frames, seconds, notes}
  #takes = null; // seconds, about
  #made = new Map(); // edits of this clip, {file, name, size}, by what they were made with
  #making = false;

  /** Whether the edit is on the stage, and not the first frame. */
  playing = false;

  /**
   * @param at       the page's parts: clip, clip-text, clip-button
   * @param pictures the element that shows the photo and its edit
   * @param longest  seconds that making a clip may take
   * @param page     what the page does: wanted() says what the edit is made with, as text, or null; free() whether the
   *                 stage is free for it; play() makes and plays it; changed() is called when another thing is on the
   *                 stage; fail(fault)
   */
  constructor(at, pictures, longest, page) {
    this.#at = at;
    this.#longest = longest;
    this.#page = page;
    pictures.append(this.#video, this.#picture);
    at["clip-button"].addEventListener("click", () => this.#press());
    for (const node of [this.#video, this.#picture]) {
      node.addEventListener("error", () => node.hasAttribute("src") && this.playing && this.#cannotPlay());
    }
  }

  /** "clip" or "animation". */
  get kind() {
    return this.#clip?.kind ?? "";
  }

  /** Another photo is there: what moves in it, or null. */
  set(clip) {
    this.#clip = clip ?? null;
    this.#takes = null;
    this.#made.clear();
    this.leave();
  }

  /** The edit that was made as the page wants it now. */
  get made() {
    return this.#made.get(this.#page.wanted());
  }

  /** The same, if its file is still on the server; null if not. */
  async there() {
    const { made } = this;
    if (!made) return null;
    const answer = await fetch(made.file, { method: "HEAD" }).catch(() => null);
    if (answer?.ok) return made;
    for (const [wanted, edit] of this.#made) if (edit === made) this.#made.delete(wanted);
    return null;
  }

  /** Whether it would move without being asked to, which the visitor does not want. */
  get calm() {
    return this.kind === "animation" && matches("(prefers-reduced-motion: reduce)");
  }

  /** Seconds that making the edit takes, about; null if that is unknown. */
  set takes(seconds) {
    this.#takes = seconds;
    this.update();
  }

  /** Whether the page allows to make it. */
  get allowed() {
    return this.#takes === null || this.#takes <= this.#longest;
  }

  /** The edit is being made, or no longer. */
  set making(making) {
    this.#making = making;
    this.update();
  }

  /** What is wanted may have changed: another edit's first frame takes the place of the one that plays. */
  update() {
    if (this.playing && !this.made) this.leave();
    const { clip, "clip-text": text, "clip-button": button } = this.#at;
    clip.hidden = !this.#clip || this.#making || !this.#page.free();
    if (!this.#clip) return;
    text.textContent = this.made ? `The edited ${this.kind}, ${size(this.made.size)}` : this.#about();
    button.textContent = !this.made ? `Edit the ${this.kind}` : this.playing ? "Show first frame" : `Play the ${this.kind}`;
    button.disabled = !this.made && (!this.allowed || this.#page.wanted() === null);
  }

  /** Keep an edit, made with what `wanted` says. */
  keep(wanted, edit) {
    this.#made.set(wanted, edit);
    this.update();
  }

  /** Show the edit; `poster` is its first frame, and `name` what screen readers call it. */
  play(poster, name) {
    const edit = this.made;
    if (!edit) return;
    const [node, other] = this.kind === "clip" ? [this.#video, this.#picture] : [this.#picture, this.#video];
    other.hidden = true;
    node.hidden = false;
    this.playing = true;
    this.#picture.alt = name;
    this.#video.setAttribute("aria-label", name);
    this.#video.poster = poster;
    if (node.getAttribute("src") !== edit.file) node.src = edit.file;
    this.update();
    this.#page.changed();
    const calm = matches("(prefers-reduced-motion: reduce)") || matches("(prefers-reduced-data: reduce)") || navigator.connection?.saveData;
    if (node === this.#video && !calm) node.play().catch(() => {}); // it has controls
  }

  /** Show the first frame again. */
  leave() {
    const was = this.playing;
    this.playing = false;
    this.#video.pause();
    for (const node of [this.#video, this.#picture]) {
      node.hidden = true;
      node.removeAttribute("src");
    }
    this.#video.load(); // stops what is still being fetched
    this.update();
    if (was) this.#page.changed();
  }

  #press() {
    if (this.playing) this.leave();
    else this.#page.play();
  }

  async #cannotPlay() {
    const hint = (await this.there()) ? "download it, or make it in another format" : "it has been deleted: make it again";
    this.leave();
    this.#page.fail({ error: `The ${this.kind} cannot be played here`, hint });
  }

  #about() {
    const { frames, seconds, notes } = this.#clip;
    const about = `${this.kind === "clip" ? "A clip" : "An animation"} of ${seconds.toFixed(1)} s, ${frames} frames`;
    const takes = this.#takes === null ? "" : `takes ${told(this.#takes)}`;
    const long = this.allowed ? takes : `it would take ${told(this.#takes)}, and ${this.#longest / 60} minutes are allowed here`;
    return [about, long, ...notes].filter(Boolean).join("; ");
  }
}

function size(bytes) {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
