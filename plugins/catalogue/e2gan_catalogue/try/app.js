// The page: what is on it, and what happens when it is used. All computing is in worker.js.

import { Clip, isClip } from "./clip.js";
import { Editor } from "./editor.js";
import { Film, line } from "./film.js";
import { isolate } from "./isolate.js";
import { fillHidden, openPhoto } from "./photo.js";
import { asked, keep, rounded } from "../shared/address.js";
import { about, Cards } from "../shared/cards.js";
import { Dials } from "../shared/dials.js";
import { parts } from "../shared/dom.js";
import { copyText, save } from "../shared/save.js";
import { Sources } from "../shared/sources.js";
import { Stage, told } from "../shared/stage.js";
import { themeButton } from "../shared/theme.js";
import { Work } from "../shared/work.js";

const SAMPLES = "../shared/samples/";
const QUALITY = 0.95; // of JPEG and WebP
const FIRST_LOOK = 256; // longer side, in pixels, of what is shown until a photo's first edit is made
const MODELS = { full: "models/", lite: "models-lite/" }; // of the networks

const at = parts(document);
const state = {
  photo: null, // {canvas, name, alt, credit, clip}; of a clip the first frame
  concept: null, // the name of a card
  other: null,
  mix: 0.5,
  strength: 1,
};
let stage, sources, samples, film; // from the beginning on
const cards = new Cards(at.cards, at.search, at.none, choose);
const work = new Work(next, () => show());
const dials = new Dials(at, state, { describe: () => (film.made ? refresh() : describe()), refresh });

const editors = {}; // promises of them, by their networks
let editor; // the one in use, once it is loaded
let lite = new Set(); // names of the concepts that the small network makes
let loaded = null; // the network and the blend in use, as text
let wanted = false; // an edit that is not the one shown
let shown = null; // what the edit on the stage is of: {names, ids}; null: there is none
let saving = false;
let clips = false; // whether the page has what it needs for them
let opening = 0; // files so far: the last one counts
let making = null; // an AbortController, while a clip is edited
let pace = null; // seconds that a frame of the clip takes; null: nobody knows yet

// --- Editing ----------------------------------------------------------------------------------------------------

function blend() {
  if (!state.concept) return null;
  if (!state.other || state.mix === 0) return { [state.concept]: 1 };
  if (state.mix === 1) return { [state.other]: 1 };
  return { [state.concept]: rounded(1 - state.mix), [state.other]: rounded(state.mix) };
}

function refresh() {
  film.drop();
  wanted = true;
  describe();
  work.wake();
}

function next() {
  if (!editor || !blend()) return null;
  if (sources.camera.on) return () => edit(sources.camera.grab(Number(at.size.value)));
  if (!state.photo) return null;
  if (wanted) return () => edit(state.photo.canvas);
  if (making) return makeFilm;
  return state.photo.clip?.formats.length && pace === null && shown ? measure : null;
}

async function edit(source) {
  wanted = false;
  const live = sources.camera.on;
  const begun = performance.now();
  const shares = blend(), ids = Object.keys(shares), names = ids.map((id) => cards.title(id)).join(" + ");
  show(shown ? "working" : "starting");
  try {
    if (loaded !== JSON.stringify([network(), shares])) await load(network(), shares, names);
    if (!live) stage.say(`Editing to ${names} …`);
    let picture;
    for (const side of sides(source)) {
      if (picture) {
        stage.describe(names, state.photo.alt); // the first look
        show("working");
      }
      const pixels = scaled(source, side);
      stage.transparent = fillHidden(pixels);
      picture = await editor.edit(pixels);
      if (live !== sources.camera.on || (!live && source !== state.photo?.canvas)) return; // something else is on the stage now
      draw(picture);
    }
    shown = { names, ids };
    describe();
    stage.complain(null);
    const size = `${picture.width} × ${picture.height}`;
    if (live) stage.say(`Live · ${names} · ${sources.camera.count().toFixed(1)} frames per second`);
    else stage.say(told(names, (performance.now() - begun) / 1000, [size, editor.runtime]));
    document.body.dataset.edits = String(Number(document.body.dataset.edits || 0) + 1);
    show("ready");
  } catch (error) {
    if (live) sources.leaveCamera();
    wanted = false; // it would fail again
    fail(error);
  }
}

/** The sizes at which a source is edited, one after the other: the chosen one, before the first edit a smaller one. */
function sides(source) {
  const side = Number(at.size.value);
  const takesLong = Math.min(side, Math.max(source.width, source.height)) > FIRST_LOOK;
  return takesLong && !shown && !sources.camera.on ? [FIRST_LOOK, side] : [side];
}

/** The small network if it makes all that is wanted, and the visitor has not chosen the other. */
const network = () => (at.network.value === "lite" && Object.keys(blend()).every((name) => lite.has(name)) ? "lite" : "full");

/** The editor with that network, which is loaded once. */
function open(name) {
  at.progress.hidden = name in editors;
  editors[name] ??= Editor.open(MODELS[name], "ort/", (share) => {
    at.progress.value = share;
    stage.say(`Loading the model: ${Math.round(100 * share)} %`);
  })
    .catch((error) => {
      delete editors[name]; // it may be there next time
      throw error;
    })
    .finally(() => (at.progress.hidden = true));
  return editors[name];
}

async function load(name, shares, names) {
  loaded = null;
  editor = await open(name);
  stage.say(`Loading ${names} …`);
  await editor.use(shares);
  loaded = JSON.stringify([name, shares]);
}

/** The source on the stage, its longer side at most so many pixels, and its pixels. */
function scaled(source, side = Number(at.size.value)) {
  const scale = Math.min(1, side / Math.max(source.width, source.height));
  const [width, height] = [source.width, source.height].map((side) => Math.max(1, Math.round(side * scale)));
  resize(stage.before, { width, height });
  stage.ratio = width / height;
  const context = stage.before.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, width, height); // a cut-out must not lie on the photo before it
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function draw(picture) {
  resize(stage.after, picture);
  stage.after.getContext("2d").putImageData(picture, 0, 0);
}

const pixelsOf = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);

/** Give a canvas a size; one that has it already keeps its picture. */
function resize(canvas, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

// --- The clip ---------------------------------------------------------------------------------------------------

/** A frame at the clip's size and at the size that it is edited at, both edited: {photo, edit}. */
const editFrame = (canvas) => editor.frame(pixelsOf(canvas), scaled(canvas), state.strength);

/** Find out how long a frame takes. The first edit does not tell, for much is made ready in it. */
async function measure() {
  const { canvas } = state.photo, begun = performance.now();
  pace = undefined; // whatever happens, only once
  try {
    await editFrame(canvas);
  } catch (error) {
    return fail(error);
  }
  if (canvas === state.photo?.canvas && pace === undefined) pace = (performance.now() - begun) / 1000;
}

async function makeFilm() {
  const { canvas, clip, name } = state.photo, { ids, names } = shown, { format } = film;
  const { signal } = making;
  let done = 0;
  const step = async (frame) => {
    const { photo, edit } = await editFrame(frame);
    signal.throwIfAborted();
    draw(edit);
    film.progress(++done, clip.frames);
    return photo;
  };
  stage.complain(null);
  stage.say(`Editing the clip to ${names} …`);
  addEventListener("beforeunload", ask);
  const awake = await navigator.wakeLock?.request("screen").catch(() => null);
  let blob, problem;
  try {
    blob = await clip.make(format, step, signal);
  } catch (error) {
    problem = error;
  }
  awake?.release();
  removeEventListener("beforeunload", ask);
  making = null;
  if (!blob) {
    await edit(canvas); // the first frame is back
    return signal.aborted ? stage.say("Cancelled: there is no edited clip") : fail(problem);
  }
  const size = blob.size < 1e6 ? `${Math.ceil(blob.size / 1e3)} kB` : `${(blob.size / 1e6).toFixed(1)} MB`;
  film.play(blob, `${name}-${ids.join("-")}.${format}`, "The clip is edited.");
  stage.say(line(names, `${done} frames`, `${canvas.width} × ${canvas.height}`, size));
  show();
}

/** Before the page is left, the browser asks whether that is meant. */
const ask = (event) => event.preventDefault();

function begin() {
  making = new AbortController();
  show();
  film.begin(state.photo.clip.frames);
  work.wake();
}

function showClip() {
  const clip = state.photo?.clip;
  if (!clip || sources.camera.on) film.hide();
  else if (!clip.formats.length) film.refuse("This browser cannot edit clips: only the first frame is shown.");
  else if (!making && !film.made) {
    const { sound } = clip.formats.find(({ value }) => value === film.format);
    film.offer(clip, sound, pace * clip.frames, stage.state === "ready");
  }
}

// --- What is shown ----------------------------------------------------------------------------------------------

/** Set the stage's state, by default the one that follows from everything else, and enable the buttons that make sense. */
function show(mode) {
  const settled = !editor ? "loading" : !state.photo ? "empty" : shown && !film.made ? "ready" : "plain";
  stage.state = sources.camera.on ? "live" : making ? "working" : mode ?? settled;
  for (const part of [at.sources, at.controls, at.actions, at.choice]) part.inert = !!making;
  showClip();
  at.saving.hidden = !!state.photo?.clip?.formats.length; // the clip is saved, not its first frame
  at.save.disabled = stage.state !== "ready" || saving;
  sources.show(!!state.photo);
}

/** Name what is shown, and keep in the page's address what is wanted. */
function describe() {
  stage.describe(shown?.names ?? "", state.photo?.alt);
  dials.show(cards.title(state.other));
  stage.after.style.opacity = state.strength;
  keep(state);
}

function fail(error) {
  console.error(error);
  stage.complain({ error: error.message || String(error), hint: error.hint });
  show();
}

// --- The photo --------------------------------------------------------------------------------------------------

async function takeFile(file, sample = null) {
  if (making) return stage.complain({ error: "The clip is being edited", hint: "cancel that before you choose another one" });
  stage.complain(null);
  if (sources.camera.on) sources.stopCamera();
  const turn = ++opening;
  let found;
  try {
    found = await opened(file);
  } catch (error) {
    return turn === opening ? fail(named(file, error)) : undefined;
  }
  if (turn !== opening) return found.clip?.close();
  const name = sample?.name ?? file.name?.replace(/\.[^.]*$/, "") ?? "photo";
  take({ ...found, name, alt: sample?.alt, credit: sample?.credit ?? "" });
  sources.mark(sample?.name);
  refresh();
}

/** The error with the file's name before it; samples have none. */
function named(file, error) {
  if (file.name) error.message = `${file.name}: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
  return error;
}

/** A canvas with the photo, or with the first frame of the clip: {canvas, clip}. */
async function opened(file) {
  if (clips && (await isClip(file))) {
    stage.say("Opening the clip …");
    const clip = await Clip.open(file);
    return { canvas: clip.canvas, clip };
  }
  if (file.type.startsWith("video/")) {
    throw Object.assign(new Error("This page edits photos, not clips"), { hint: "e2gan apply edits both" });
  }
  try {
    return { canvas: await openPhoto(file) };
  } catch {
    throw Object.assign(new Error("This file is not a picture that the browser can read"), { hint: "for TIFF, HEIC and raw photos use e2gan apply" });
  }
}

/** Another photo on the stage, or none. */
function take(photo) {
  state.photo?.clip?.close();
  film.drop();
  film.formats = photo?.clip?.formats ?? [];
  state.photo = photo;
  shown = null;
  pace = null;
  stage.credit = photo?.credit ?? "";
  show();
}

async function takeSample(sample) {
  const response = await fetch(sample.picture).catch(() => null);
  if (!response?.ok) return fail(new Error("The sample photo cannot be loaded"));
  await takeFile(await response.blob(), sample);
}

function remove() {
  opening++;
  take(null);
  stage.say("");
  stage.complain(null);
  sources.mark(null);
}

/** The camera has begun or ended. */
function live() {
  opening++;
  shown = null;
  stage.credit = sources.camera.on ? "" : state.photo?.credit ?? "";
  show();
  refresh();
}

/** The edit on the stage, at the photo's size and in the chosen format, as a file. */
async function download() {
  const { canvas, name } = state.photo, { ids } = shown, format = at.format.value;
  const photo = await editor.enlarge(pixelsOf(canvas), pixelsOf(stage.before), pixelsOf(stage.after), state.strength);
  const whole = Object.assign(document.createElement("canvas"), { width: photo.width, height: photo.height });
  const context = whole.getContext("2d");
  context.putImageData(photo, 0, 0);
  if (format === "jpeg") {
    context.globalCompositeOperation = "destination-over"; // it has no transparency: on white
    context.fillStyle = "white";
    context.fillRect(0, 0, whole.width, whole.height);
  }
  const blob = await new Promise((resolve) => whole.toBlob(resolve, `image/${format}`, QUALITY));
  if (!blob) throw Object.assign(new Error("The browser cannot save a picture of this size"), { hint: "choose a smaller photo" });
  const address = URL.createObjectURL(blob);
  save(address, `${name}-${ids.join("-")}.${blob.type.split("/")[1]}`); // a browser without WebP saves PNG
  URL.revokeObjectURL(address);
  stage.say(`Saved at ${photo.width} × ${photo.height}`);
}

at.save.addEventListener("click", async () => {
  const before = at.save.textContent;
  saving = true;
  at.save.textContent = "Making it …";
  show();
  try {
    await download();
  } catch (error) {
    fail(error);
  }
  saving = false;
  at.save.textContent = before;
  show();
});

// --- Concepts and the other controls --------------------------------------------------------------------------------

function choose(name) {
  state.concept = name;
  dials.apart();
  cards.mark(name);
  about(at.about, cards.get(name));
  refresh();
}

at.size.addEventListener("change", () => {
  pace = null;
  refresh();
});
at.network.addEventListener("change", () => {
  pace = null;
  refresh();
});
at.container.addEventListener("change", () => (film.made ? refresh() : show()));
at.link.addEventListener("click", () => copyText(location.href, at.link));

/** What the catalogue has written: {cards, lite, clips}, the cards of the concepts to edit with, those of them that the
 *  small network makes, and whether clips are edited. */
async function readPage() {
  const response = await fetch("page.json");
  if (!response.ok) throw new Error(`The list of concepts cannot be loaded (${response.status})`);
  return response.json();
}

// --- Beginning: what the address says, or the sample with the first concept -------------------------------------------

async function start() {
  samples = await (await fetch(`${SAMPLES}samples.json`)).json();
  samples = samples.map((sample) => ({ ...sample, picture: `${SAMPLES}${sample.name}.jpg` }));
  stage = new Stage(at.stage, at.caption, "canvas");
  film = new Film(at, stage.after.parentElement, { begin, cancel: () => making?.abort() });
  sources = new Sources(at.sources, stage, samples, { takeFile, takeSample, remove, live });
  themeButton(at.theme);
  show("loading");
  if (await isolate()) return; // the page is about to be loaded again, with threads
  const wish = asked();
  dials.set(wish);
  try {
    const page = await readPage();
    clips = page.clips;
    if (clips) sources.takeClips();
    lite = new Set(page.lite);
    at["network-row"].hidden = !lite.size;
    cards.draw(page.cards);
    at.other.append(...cards.names.map((name) => new Option(cards.title(name), name)));
    state.other = cards.has(wish.other) ? wish.other : null;
    choose([wish.concept, ...cards.names].find((name) => cards.has(name)));
    const loading = open(network());
    if (!state.photo && samples.length) await takeSample(samples[0]);
    editor = await loading;
    stage.say("");
    refresh();
  } catch (error) {
    fail(error);
  }
}

start();
