// Clips: what one is, and the same with every frame edited.
//
// Mediabunny reads and writes the files, the browser's WebCodecs decode and encode the pictures. Frames pass one by one:
// however long a clip is, only a few of them are decoded at a time.

export const LONGEST = 600; // seconds of a clip
export const LARGEST = 1920; // pixels of its longer side, as it is written
const DEFAULT_STEP = 0.04; // seconds that the frame of a clip is shown that has but one, and does not say how long
const MISSING = 1; // seconds by which a clip may end earlier than it says: containers count roughly

const HINT = "e2gan apply edits it on the command line";
const FORMATS = {
  webm: { name: "WebM", kind: "WebMOutputFormat", codecs: ["vp9", "av1"] }, // not VP8, which cannot say its colours
  mp4: { name: "MP4", kind: "Mp4OutputFormat", codecs: ["avc"] },
};
const IN_MP4 = ["aac", "mp3"]; // sounds that are copied into an MP4, but not into a WebM

const library = () => import("./clips/mediabunny.min.mjs");

const fault = (message, hint = HINT) => Object.assign(new Error(message), { hint });
const damaged = (cause) => Object.assign(fault("This clip is damaged or cut off", "choose another one"), { cause });

/** Whether a file holds moving pictures of a kind that browsers know; that they can be decoded is not said yet. */
export async function isClip(file) {
  const [kind] = file.type.split("/");
  if (kind === "image" || kind === "video") return kind === "video";
  const media = await library(), input = reading(media, file);
  try {
    return (await input.canRead()) && (await input.getPrimaryVideoTrack()) !== null; // a HEIC looks like a MP4
  } catch {
    return false;
  } finally {
    input.dispose();
  }
}

/** No playlists: they would have the page load more. */
function reading({ BlobSource, Input, MATROSKA, MP4, MPEG_TS, OGG, QTFF, WEBM }, file) {
  return new Input({ formats: [MP4, QTFF, MATROSKA, WEBM, MPEG_TS, OGG], source: new BlobSource(file) });
}

export class Clip {
  #media;
  #input;
  #video; // tracks
  #audio;
  #start; // seconds: where the clip begins
  #step; // seconds between frames, on average
  #quality;

  /** A canvas with the first frame, upright, of the size that is written: even sides, as codecs want them. */
  canvas;
  seconds;
  frames;
  /** [{value, name, sound}]: what the browser can write, the best first; sound is "", or what becomes of it, in words. */
  formats = [];

  /**
   * Read what a clip is.
   *
   * Throws an Error with a hint if it cannot be edited for a reason of its own: damaged, too long, unknown to the
   * browser. A browser that writes no clips leaves `formats` empty.
   */
  static async open(file) {
    if (!("VideoDecoder" in self)) return Object.assign(new Clip(), { canvas: await still(file) });
    const clip = new Clip();
    clip.#media = await library();
    clip.#input = reading(clip.#media, file);
    try {
      await clip.#read();
    } catch (error) {
      clip.close();
      throw error.hint ? error : damaged(error);
    }
    return clip;
  }

  close() {
    this.#input?.dispose();
  }

  async #read() {
    const input = this.#input, { CanvasSink, Quality } = this.#media;
    if (!(await input.canRead())) {
      throw fault("This file is not a clip that the page can read", "it reads MP4, MOV, WebM and Matroska; e2gan apply reads more");
    }
    const track = (this.#video = await input.getPrimaryVideoTrack());
    this.#audio = await input.getPrimaryAudioTrack();
    if (!track && (await input.getTracks()).length) throw fault("This file has no moving pictures", "choose a clip or a photo");
    if (!track) throw damaged();
    if (!(await track.canDecode())) {
      throw fault(`The browser cannot decode this clip's pictures (${(await track.getCodec()) ?? "of an unknown codec"})`);
    }
    await this.#measure();
    const sides = [await track.getDisplayWidth(), await track.getDisplayHeight()];
    const scale = Math.min(1, LARGEST / Math.max(...sides));
    const [width, height] = sides.map((side) => 2 * Math.max(1, Math.ceil((side * scale) / 2)));
    const sink = new CanvasSink(track, { width, height, fit: "fill" });
    this.canvas = (await sink.getCanvas(Math.max(this.#start, await track.getFirstTimestamp()))).canvas;
    this.#quality = new Quality("high");
    if ("VideoEncoder" in self) await this.#findFormats();
  }

  /** Count the frames, and see whether the end is there. */
  async #measure() {
    const { EncodedPacketSink } = this.#media, tracks = [this.#video, this.#audio].filter(Boolean);
    const tooLong = () => fault(`This clip is longer than ${LONGEST / 60} minutes`, `the page edits shorter ones; ${HINT}`);
    const said = await this.#input.getDurationFromMetadata();
    if (said > LONGEST) throw tooLong();
    this.#start = Math.max(0, await this.#input.getFirstTimestamp(tracks)); // what is before 0 is not shown
    this.frames = 0;
    let first = Infinity, last = 0, end = 0;
    for await (const { timestamp, duration } of new EncodedPacketSink(this.#video).packets(undefined, undefined, { metadataOnly: true })) {
      if (timestamp < this.#start && timestamp + duration <= this.#start) continue;
      this.frames++;
      [first, last, end] = [Math.min(first, timestamp), Math.max(last, timestamp), Math.max(end, timestamp + duration)];
      if (end > LONGEST) throw tooLong();
    }
    if (!this.frames) throw said ? damaged() : fault("This clip has no frames", "choose another one");
    this.#step = (last - first) / (this.frames - 1) || DEFAULT_STEP;
    this.seconds = end - this.#start;
    for (const track of tracks) {
      const packet = await new EncodedPacketSink(track).getPacket(Infinity); // its bytes, too, which a cut file lacks
      if (!packet) throw damaged();
      end = Math.max(end, packet.timestamp + packet.duration);
    }
    if (said - end > MISSING) throw damaged();
  }

  async #findFormats() {
    const codec = await this.#audio?.getCodec(), container = (await this.#input.getFormat()).name;
    const mp4 = this.#audio ? IN_MP4.includes(codec) : /MP4|QuickTime/.test(container);
    for (const value of mp4 ? ["mp4", "webm"] : ["webm", "mp4"]) {
      const { name } = FORMATS[value];
      if (!(await this.#codec(value))) continue;
      const { output, sound } = await this.#begun(value, new this.#media.NullTarget());
      const copied = output.format.getSupportedAudioCodecs().includes(codec);
      let words = "";
      if (this.#audio && !sound.utilizedTracks.length) words = `silent: the browser cannot write its sound in ${name}`;
      else if (this.#audio && !copied) words = "its sound is compressed anew";
      this.formats.push({ value, name, sound: words });
    }
  }

  /** A codec for the pictures; null if the browser has no encoder for them. */
  #codec(value) {
    const { width, height } = this.canvas;
    return this.#media.getFirstEncodableVideoCodec(FORMATS[value].codecs, { width, height, quality: this.#quality });
  }

  /** A file begun with what is not edited: texts, and the sound, copied where the format allows that. */
  async #begun(value, target) {
    const { Conversion, Output, ...media } = this.#media;
    const output = new Output({ format: new media[FORMATS[value].kind](), target });
    const { raw, ...tags } = await this.#input.getMetadataTags(); // raw ones may say where it was recorded
    output.setMetadataTags(tags);
    const sound = await Conversion.init({
      input: this.#input,
      output,
      tracks: "primary",
      video: { discard: true },
      trim: { start: this.#start },
      composable: true,
      showWarnings: false,
    });
    return { output, sound };
  }

  /**
   * The clip with every frame edited, as a Blob.
   *
   * @param value   of one of `formats`
   * @param edit    is given a canvas with a frame, and gives ImageData of the same size
   * @param signal  an AbortSignal; when it fires, this rejects with its reason
   */
  async make(value, edit, signal) {
    const { BufferTarget, VideoSampleSource } = this.#media;
    const target = new BufferTarget(), { output, sound } = await this.#begun(value, target);
    const pictures = new VideoSampleSource({ codec: await this.#codec(value), quality: this.#quality });
    output.addVideoTrack(pictures);
    try {
      await output.start();
      await Promise.all([this.#edit(pictures, edit, signal), sound.execute()]);
      await output.finalize();
    } catch (error) {
      await output.cancel();
      signal.throwIfAborted();
      if (!(error instanceof DOMException)) throw error; // WebCodecs' are
      throw Object.assign(fault("The browser cannot decode or encode all of this clip, which may be damaged"), { cause: error });
    }
    signal.throwIfAborted();
    return new Blob([target.buffer], { type: output.format.mimeType });
  }

  /** Give each frame, edited, to `pictures`. */
  async #edit(pictures, edit, signal) {
    const { VideoSample, VideoSampleSink } = this.#media, { width, height } = this.canvas;
    const canvas = () => new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
    const frame = canvas(), edited = canvas();
    let end = 0;
    for await (const sample of new VideoSampleSink(this.#video).samples(this.#start)) {
      frame.clearRect(0, 0, width, height); // a transparent frame must not lie on the one before it
      sample.draw(frame, 0, 0, width, height);
      const timestamp = Math.max(0, sample.timestamp - this.#start);
      const duration = sample.duration || this.#step; // the last frame of a recording may have none
      sample.close();
      edited.putImageData(await edit(frame.canvas), 0, 0);
      signal.throwIfAborted();
      const made = new VideoSample(edited.canvas, { timestamp, duration });
      await pictures.add(made);
      made.close();
      end = timestamp + duration;
    }
    if (this.seconds - end > MISSING) throw damaged(); // frames that cannot be read may be passed over
    pictures.close();
  }
}

/** The first frame where there is no decoder for pages, by the browser's player. */
async function still(file) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, preload: "auto" });
  video.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      video.onloadeddata = resolve;
      video.onerror = () => reject(fault("This file is not a clip that the browser can play"));
    });
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas;
  } finally {
    URL.revokeObjectURL(video.src);
  }
}
