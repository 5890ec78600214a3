// The page: what is on it, and what happens when it is used. All computing is in worker.js.

import { Editor } from "./editor.js";
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

const at = parts(document);
const state = {
  photo: null, // {canvas, name, alt, credit}
  concept: null, // the name of a card
  other: null,
  mix: 0.5,
  strength: 1,
};
let stage, sources, samples; // from the beginning on
const cards = new Cards(at.cards, at.search, at.none, choose);
const work = new Work(next, () => show());
const dials = new Dials(at, state, { describe, refresh });

let editor; // once it is loaded
let loaded = null; // the blend that the editor has, as text
let wanted = false; // an edit that is not the one shown
let shown = null; // what the edit on the stage is of: {names, ids}; null: there is none
let saving = false;

// --- Editing ----------------------------------------------------------------------------------------------------

function blend() {
  if (!state.concept) return null;
  if (!state.other || state.mix === 0) return { [state.concept]: 1 };
  if (state.mix === 1) return { [state.other]: 1 };
  return { [state.concept]: rounded(1 - state.mix), [state.other]: rounded(state.mix) };
}

function refresh() {
  wanted = true;
  describe();
  work.wake();
}

function next() {
  if (!editor || !blend()) return null;
  if (sources.camera.on) return () => edit(sources.camera.grab(Number(at.size.value)));
  return wanted && state.photo ? () => edit(state.photo.canvas) : null;
}

async function edit(source) {
  wanted = false;
  const live = sources.camera.on;
  const begun = performance.now();
  const shares = blend(), ids = Object.keys(shares), names = ids.map((id) => cards.title(id)).join(" + ");
  show(shown ? "working" : "starting");
  try {
    if (loaded !== JSON.stringify(shares)) await load(shares, names);
    const pixels = scaled(source);
    stage.transparent = fillHidden(pixels);
    const picture = await editor.edit(pixels);
    if (live !== sources.camera.on || (!live && source !== state.photo?.canvas)) return; // something else is on the stage now
    resize(stage.after, picture);
    stage.after.getContext("2d").putImageData(picture, 0, 0);
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

async function load(shares, names) {
  stage.say(`Loading ${names} …`);
  loaded = null;
  await editor.use(shares);
  loaded = JSON.stringify(shares);
}

/** The source on the stage, no larger than the chosen size, and its pixels. */
function scaled(source) {
  const scale = Math.min(1, Number(at.size.value) / Math.max(source.width, source.height));
  const [width, height] = [source.width, source.height].map((side) => Math.max(1, Math.round(side * scale)));
  resize(stage.before, { width, height });
  stage.ratio = width / height;
  const context = stage.before.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, width, height); // a cut-out must not lie on the photo before it
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Give a canvas a size; one that has it already keeps its picture. */
function resize(canvas, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

// --- What is shown ----------------------------------------------------------------------------------------------

/** Set the stage's state, by default the one that follows from everything else, and enable the buttons that make sense. */
function show(mode) {
  const settled = !editor ? "loading" : !state.photo ? "empty" : shown ? "ready" : "plain";
  stage.state = sources.camera.on ? "live" : mode ?? settled;
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
  stage.complain(null);
  if (sources.camera.on) sources.stopCamera();
  let canvas;
  try {
    canvas = await openPhoto(file);
  } catch {
    return fail(Object.assign(new Error("This file is not a picture that the browser can read"), { hint: "for TIFF, HEIC and raw photos use e2gan apply" }));
  }
  const name = sample?.name ?? file.name?.replace(/\.[^.]*$/, "") ?? "photo";
  state.photo = { canvas, name, alt: sample?.alt, credit: sample?.credit ?? "" };
  shown = null;
  stage.credit = state.photo.credit;
  sources.mark(sample?.name);
  show();
  refresh();
}

async function takeSample(sample) {
  const response = await fetch(sample.picture).catch(() => null);
  if (!response?.ok) return fail(new Error("The sample photo cannot be loaded"));
  await takeFile(await response.blob(), sample);
}

function remove() {
  state.photo = null;
  shown = null;
  stage.credit = "";
  stage.say("");
  stage.complain(null);
  sources.mark(null);
  show();
}

/** The camera has begun or ended. */
function live() {
  shown = null;
  stage.credit = sources.camera.on ? "" : state.photo?.credit ?? "";
  show();
  refresh();
}

/** The edit on the stage, at the photo's size and in the chosen format, as a file. */
async function download() {
  const { canvas, name } = state.photo, { ids } = shown, format = at.format.value;
  const pixelsOf = (picture) => picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
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

at.size.addEventListener("change", refresh);
at.link.addEventListener("click", () => copyText(location.href, at.link));

/** The cards of the concepts that can be edited with here; the catalogue has written them. */
async function readCards() {
  const response = await fetch("cards.json");
  if (!response.ok) throw new Error(`The list of concepts cannot be loaded (${response.status})`);
  return response.json();
}

// --- Beginning: what the address says, or the sample with the first concept -------------------------------------------

async function begin() {
  samples = await (await fetch(`${SAMPLES}samples.json`)).json();
  samples = samples.map((sample) => ({ ...sample, picture: `${SAMPLES}${sample.name}.jpg` }));
  stage = new Stage(at.stage, at.caption, "canvas");
  sources = new Sources(at.sources, stage, samples, { takeFile, takeSample, remove, live });
  themeButton(at.theme);
  show("loading");
  if (await isolate()) return; // the page is about to be loaded again, with threads
  const wish = asked();
  dials.set(wish);
  try {
    const loading = Editor.open("models/", "ort/", (share) => {
      at.progress.value = share;
      stage.say(`Loading the model: ${Math.round(100 * share)} %`);
    });
    cards.draw(await readCards());
    at.other.append(...cards.names.map((name) => new Option(cards.title(name), name)));
    state.other = cards.has(wish.other) ? wish.other : null;
    choose([wish.concept, ...cards.names].find((name) => cards.has(name)));
    if (!state.photo && samples.length) await takeSample(samples[0]);
    editor = await loading;
    at.progress.hidden = true;
    refresh();
  } catch (error) {
    at.progress.hidden = true;
    fail(error);
  }
}

begin();
