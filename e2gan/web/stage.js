// The stage: the photo and its edit on top of each other, divided by a line that the visitor moves; the text below.

import { icon, make, parts, sentence } from "./dom.js";

const MARKUP = `
  <div class="pictures" data-at="pictures">
    <video data-at="video" playsinline muted hidden></video>
    <span class="tag left" aria-hidden="true">Before</span>
    <span class="tag right" data-at="tag" aria-hidden="true"></span>
    <input type="range" data-at="split" min="0" max="100" value="50" step="1" aria-label="Compare: how much of the photo before the edit is shown">
    <span class="seam" aria-hidden="true">${icon('<path d="m9 6-6 6 6 6M15 6l6 6-6 6"/>')}</span>
  </div>
  <div class="invitation">
    ${icon('<rect x="5" y="9" width="38" height="30" rx="4"/><circle cx="16" cy="19" r="4"/><path d="m5 33 11-9 8 6 8-9 11 10"/>', 48)}
    <p><strong data-at="invitation">Drop a photo here</strong>, paste one, or choose one below.</p>
  </div>
  <div class="drop" aria-hidden="true">Let go to edit this photo</div>
  <div class="problem" data-at="problem" role="alert" hidden></div>
  <div class="work-bar" aria-hidden="true"></div>`;

const CAPTION = `<span data-at="status" role="status"></span><span data-at="credit"></span>`;

export class Stage {
  /**
   * Set up the stage.
   *
   * @param place    the element that becomes the stage
   * @param caption  the element below it
   * @param picture  "img" or "canvas": what the photo and its edit are shown in
   */
  constructor(place, caption, picture) {
    const said = caption.textContent; // what goes on, until something else is said
    place.innerHTML = MARKUP;
    caption.innerHTML = CAPTION;
    this.before = make(picture, { "data-at": "before" });
    this.after = make(picture, { "data-at": "after" });
    if (picture === "canvas") for (const canvas of [this.before, this.after]) canvas.setAttribute("role", "img");
    this.element = place;
    this.#at = parts(place);
    this.#caption = parts(caption);
    this.say(said);
    this.video = this.#at.video;
    this.video.before(this.before);
    this.video.after(this.after);
    this.#at.split.addEventListener("input", () => this.#compare());
    this.describe("", "");
  }

  #at;
  #caption;
  #edit = "";

  /** "loading", "empty", "plain" (a photo without its edit), "starting" (the same, with its first edit under way),
   *  "working" (the edit shown is about to be replaced), "ready" or "live". */
  set state(state) {
    this.element.dataset.state = state;
    // Frames per second, read aloud at each change, would not stop.
    this.#caption.status.setAttribute("aria-live", state === "live" ? "off" : "polite");
  }

  get state() {
    return this.element.dataset.state;
  }

  /** Width over height of what is shown. */
  set ratio(ratio) {
    this.#at.pictures.style.setProperty("--ratio", ratio);
  }

  /** Whether the camera's picture replaces the photo. */
  set live(live) {
    this.video.hidden = !live;
    this.before.hidden = live;
  }

  /** Whether the pictures have transparent parts, so that the edit does not hide the photo below it. */
  set transparent(transparent) {
    this.element.dataset.transparent = String(transparent);
  }

  /** Name what is shown, for the eye and for screen readers. */
  describe(edit, photo) {
    this.#edit = edit;
    this.#at.tag.textContent = edit;
    name(this.before, photo || "The photo before the edit");
    name(this.after, edit ? `The same, edited to ${edit}` : "");
    this.#compare();
  }

  #compare() {
    const { pictures, split } = this.#at;
    pictures.style.setProperty("--split", `${split.value}%`);
    split.setAttribute("aria-valuetext", `${split.value} % before, ${100 - split.value} % ${this.#edit || "after"}`);
  }

  /** What the empty stage asks for. */
  invite(text) {
    this.#at.invitation.textContent = text;
  }

  /** What goes on or has been done, below the stage. */
  say(text) {
    this.#caption.status.textContent = text;
  }

  /** Whose photo it is, below the stage. */
  set credit(text) {
    this.#caption.credit.textContent = text;
  }

  /** Show what went wrong, {error, hint}; null takes it away. */
  complain(fault) {
    const { problem } = this.#at;
    problem.hidden = !fault;
    problem.replaceChildren();
    if (!fault) return;
    problem.append(make("strong", {}, sentence(fault.error)));
    if (fault.hint) problem.append(" ", sentence(fault.hint));
    this.say("");
  }
}

/** What screen readers call a picture. */
function name(picture, text) {
  if (picture instanceof HTMLImageElement) picture.alt = text;
  else picture.setAttribute("aria-label", text);
}

/** The line below the stage for an edit that is there. */
export function told(names, seconds, details) {
  return [names, `${seconds.toFixed(2)} s`, ...details].join(" · ");
}
