// Where photos come from: a file that is chosen, dropped or pasted, a sample, or the camera.

import { Camera } from "./camera.js";
import { icon, make, parts } from "./dom.js";

// Every format that e2gan opens, but raw photos, which have no preview here.
const ACCEPTED = "image/*,.jpg,.jpeg,.jpe,.jfif,.mpo,.png,.apng,.webp,.tif,.tiff,.heic,.heif,.hif,.avif,.jp2,.j2k,.jpx,.jpf,.j2c,.jpc,.gif,.bmp,.dib,.ppm,.pgm,.pbm,.pnm";

const CLIPS = "video/*,.mp4,.m4v,.mov,.mkv,.webm";

const MARKUP = `
  <label class="button strong"><input type="file" data-at="file" accept="${ACCEPTED}" class="unseen">${icon('<path d="M12 16V4m0 0L7 9m5-5 5 5M5 20h14"/>')}<span data-at="file-text">Your photo</span></label>
  <button type="button" class="button" data-at="camera">${icon('<path d="M4 8h4l2-3h4l2 3h4v11H4Z"/><circle cx="12" cy="13" r="3.5"/>')}<span data-at="camera-text">Live camera</span></button>
  <button type="button" class="button" data-at="snap" hidden>Take this photo</button>
  <button type="button" class="button" data-at="sharp" aria-pressed="false" hidden>Sharper, slower</button>
  <button type="button" class="button quiet" data-at="clear" hidden>Remove</button>
  <span class="samples" data-at="samples" role="group" aria-label="Samples"></span>`;

export class Sources {
  /**
   * Offer the ways to a photo.
   *
   * @param place    the element for the buttons
   * @param stage    the Stage
   * @param samples  [{name, title, picture}]: a button each, with that picture
   * @param page     what the page does: takeFile(file), takeSample(sample), remove(), and live(), when the camera has
   *                 begun or ended
   */
  constructor(place, stage, samples, page) {
    place.innerHTML = MARKUP;
    this.#at = parts(place);
    this.#stage = stage;
    this.#page = page;
    this.camera = new Camera(stage.video, () => this.leaveCamera());
    this.#at.samples.append(...samples.map((sample) => this.#button(sample)));
    this.#listen();
  }

  #at;
  #stage;
  #page;

  /** Show which buttons make sense now; `lively`: whether a quicker network than the photos' can edit the camera's frames. */
  show(hasPhoto, lively = false) {
    const live = this.camera.on;
    this.#at.sharp.hidden = !(live && lively);
    this.#at.clear.hidden = live || !hasPhoto;
    this.#at.snap.hidden = !live;
    this.#at["camera-text"].textContent = live ? "Stop camera" : "Live camera";
  }

  /** Whether the visitor wants the camera's frames edited like photos. */
  get sharp() {
    return this.#at.sharp.getAttribute("aria-pressed") === "true";
  }

  /** Offer to take clips, too. */
  takeClips() {
    this.#at.file.accept += `,${CLIPS}`;
    this.#at["file-text"].textContent = "Your photo or clip";
    this.#stage.invite("Drop a photo or clip here");
  }

  /** Mark the sample that is in use, by its name. */
  mark(name) {
    for (const button of this.#at.samples.children) {
      button.setAttribute("aria-pressed", String(button.dataset.name === name));
    }
  }

  #button(sample) {
    const button = make(
      "button",
      { type: "button", className: "sample", "data-name": sample.name, "aria-label": `Sample: ${sample.title}`, "aria-pressed": "false" },
      make("img", { src: sample.picture, alt: "" }),
    );
    button.addEventListener("click", () => this.#page.takeSample(sample));
    return button;
  }

  #listen() {
    const { camera, clear, file, sharp, snap } = this.#at;
    file.addEventListener("change", () => {
      if (file.files[0]) this.#page.takeFile(file.files[0]);
      file.value = "";
    });
    clear.addEventListener("click", () => this.#page.remove());
    sharp.addEventListener("click", () => sharp.setAttribute("aria-pressed", String(!this.sharp)));
    camera.addEventListener("click", () => (this.camera.on ? this.leaveCamera() : this.#startCamera()));
    snap.addEventListener("click", () => {
      const taken = (blob) => this.#page.takeFile(new File([blob], "camera.png", { type: "image/png" }));
      this.camera.grab().toBlob(taken, "image/png");
    });
    this.#listenForDrops();
    addEventListener("paste", (event) => this.#takeFirst(event.clipboardData));
  }

  #listenForDrops() {
    let over = 0; // elements that the drag is above: it enters one before it leaves the other
    const mark = (count) => this.#stage.element.classList.toggle("over", (over = Math.max(0, count)) > 0);
    addEventListener("dragenter", (event) => event.dataTransfer?.types.includes("Files") && mark(over + 1));
    addEventListener("dragleave", () => mark(over - 1));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      mark(0);
      this.#takeFirst(event.dataTransfer);
    });
  }

  #takeFirst(transfer) {
    const files = [...(transfer?.files ?? [])];
    const file = files.find((each) => each.type.startsWith("image/")) ?? files[0];
    if (file) this.#page.takeFile(file);
  }

  async #startCamera() {
    this.#stage.complain(null);
    this.#stage.say("Starting the camera …");
    try {
      await this.camera.start();
    } catch {
      return this.#stage.complain({ error: "The camera cannot be used", hint: "allow it for this page, or choose a photo" });
    }
    this.#stage.ratio = this.camera.ratio;
    this.#stage.live = true;
    this.#page.live();
  }

  /** Let the camera go; the photo before it is back. */
  leaveCamera() {
    this.stopCamera();
    this.#stage.say("");
    this.#page.live();
  }

  /** The same, for a page that is about to show another photo. */
  stopCamera() {
    this.camera.stop();
    this.#stage.live = false;
  }
}
