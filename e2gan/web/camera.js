// The camera: its current picture, mirrored if the camera faces the visitor.

const WIDTH = 1280; // of its picture, in pixels, where the camera has a choice
const SPAN = 3000; // milliseconds over which frames are counted

export class Camera {
  #video;
  #ended;
  #canvas = document.createElement("canvas");
  #times = [];

  /** `ended` is called when the camera stops by itself. */
  constructor(video, ended) {
    this.#video = video;
    this.#ended = ended;
  }

  get on() {
    return !!this.#video.srcObject;
  }

  get ratio() {
    return this.#video.videoWidth / this.#video.videoHeight;
  }

  /** Ask for the camera; the error if there is none, or the page may not use it. */
  async start() {
    const wish = { width: { ideal: WIDTH }, facingMode: { ideal: "environment" } }; // on a phone: the rear camera
    const stream = await navigator.mediaDevices.getUserMedia({ video: wish });
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => this.#ended());
    this.#video.srcObject = stream;
    this.#video.dataset.mirrored = String(track.getSettings().facingMode !== "environment");
    this.#times = [];
    try {
      await this.#video.play();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  stop() {
    for (const track of this.#video.srcObject?.getTracks() ?? []) track.stop();
    this.#video.srcObject = null;
  }

  /** A canvas with the picture now, its longer side at most `longest` pixels; the next call draws on the same one. */
  grab(longest = Infinity) {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const scale = Math.min(1, longest / Math.max(width, height));
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const context = this.#canvas.getContext("2d");
    if (this.#video.dataset.mirrored === "true") {
      context.translate(this.#canvas.width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return this.#canvas;
  }

  /** Count a frame that was shown; frames per second of the last seconds. */
  count() {
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < SPAN), now];
    const seconds = (now - this.#times[0]) / 1000;
    return seconds ? (this.#times.length - 1) / seconds : 0;
  }
}
