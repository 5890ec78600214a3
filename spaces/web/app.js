// The page: what is on it, and what happens when it is used. All computing is in worker.js.

import { Editor } from "./editor.js";
import { isolate } from "./isolate.js";
import { fillHidden, openPhoto } from "./photo.js";
import { about, Cards } from "./shared/cards.js";
import { parts } from "./shared/dom.js";
import { save } from "./shared/save.js";
import { Sources } from "./shared/sources.js";
import { Stage, told } from "./shared/stage.js";
import { themeButton } from "./shared/theme.js";
import { Work } from "./shared/work.js";

const SAMPLE = { name: "sample", title: "a mountain ridge", picture: "sample.jpg" };

const at = parts(document);
const stage = new Stage(at.stage, at.caption, "canvas");
const sources = new Sources(at.sources, stage, [SAMPLE], { takeFile, takeSample, remove, live });
const { camera } = sources;
const cards = new Cards(at.cards, at.search, at.none, choose);
const work = new Work(next, () => show());

let editor; // once it is loaded
let photo = null; // a canvas
let concept = null; // the name of a card
let loaded = null; // the concept that the editor has
let wanted = false; // an edit that is not the one shown
let shown = null; // the concept of the photo's edit on the stage; null: there is none

// --- Editing ----------------------------------------------------------------------------------------------------

function refresh() {
  wanted = true;
  work.wake();
}

function next() {
  if (!editor || !concept) return null;
  if (camera.on) return () => edit(camera.grab(Number(at.size.value)));
  return wanted && photo ? () => edit(photo) : null;
}

async function edit(source) {
  wanted = false;
  const live = camera.on;
  const begun = performance.now();
  show(shown ? "working" : "starting");
  try {
    if (loaded !== concept) await load(concept);
    const pixels = frame(source);
    stage.transparent = fillHidden(pixels);
    const { picture } = await editor.edit(pixels);
    if (live !== camera.on || (!live && source !== photo)) return; // something else is on the stage now
    resize(stage.after, picture);
    stage.after.getContext("2d").putImageData(picture, 0, 0);
    shown = loaded;
    stage.describe(cards.title(shown), "");
    stage.complain(null);
    const size = `${picture.width} × ${picture.height}`;
    if (live) stage.say(`Live · ${cards.title(shown)} · ${camera.count().toFixed(1)} frames per second`);
    else stage.say(told(cards.title(shown), (performance.now() - begun) / 1000, [size, editor.runtime]));
    document.body.dataset.edits = String(Number(document.body.dataset.edits || 0) + 1);
    show("ready");
  } catch (error) {
    if (live) sources.leaveCamera();
    wanted = false; // it would fail again
    fail(error);
  }
}

async function load(name) {
  stage.say(`Loading ${cards.title(name)} …`);
  await editor.use(name);
  loaded = name;
}

/** The largest part of the source whose sides are multiples of the stride once it is scaled to the chosen size. */
function frame(source) {
  const { width, height } = source, { stride } = editor.index;
  const scale = Math.min(1, Number(at.size.value) / Math.max(width, height));
  const [w, h] = [width, height].map((side) => Math.max(32, Math.floor((side * scale) / stride) * stride));
  const zoom = Math.max(w / width, h / height);
  const [sw, sh] = [w / zoom, h / zoom];
  resize(stage.before, { width: w, height: h });
  stage.ratio = w / h;
  const context = stage.before.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, w, h); // a cut-out must not lie on the photo before it
  context.imageSmoothingQuality = "high";
  context.drawImage(source, (width - sw) / 2, (height - sh) / 2, sw, sh, 0, 0, w, h);
  return context.getImageData(0, 0, w, h);
}

/** Give a canvas a size; one that has it already keeps its picture. */
function resize(canvas, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

// --- What is shown ----------------------------------------------------------------------------------------------

/** Set the stage's state, by default the one that follows from everything else, and enable the buttons that make sense. */
function show(mode) {
  const settled = !editor ? "loading" : !photo ? "empty" : shown ? "ready" : "plain";
  stage.state = camera.on ? "live" : mode ?? settled;
  at.save.disabled = stage.state !== "ready";
  sources.show(!!photo);
}

function fail(error) {
  console.error(error);
  stage.complain({ error: error.message || String(error), hint: error.hint });
  show();
}

// --- The photo --------------------------------------------------------------------------------------------------

async function takeFile(file, sample = null) {
  stage.complain(null);
  if (camera.on) sources.stopCamera();
  try {
    photo = await openPhoto(file);
  } catch {
    return fail(Object.assign(new Error("This file is not a picture that the browser can read"), { hint: "for TIFF, HEIC and raw photos use e2gan apply" }));
  }
  shown = null;
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
  photo = null;
  shown = null;
  stage.say("");
  stage.complain(null);
  sources.mark(null);
  show();
}

/** The camera has begun or ended. */
function live() {
  shown = null;
  show();
  refresh();
}

at.size.addEventListener("change", refresh);
at.save.addEventListener("click", () => {
  const name = `${shown}.png`;
  stage.after.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    save(address, name);
    URL.revokeObjectURL(address);
  });
});

// --- Concepts ---------------------------------------------------------------------------------------------------

function choose(name) {
  concept = name;
  cards.mark(name);
  about(at.about, cards.get(name));
  refresh();
}

function card({ id, title, prompt, description, preview, version, license, bytes }) {
  const facts = [["Version", version], ["Licence", license], ["Size", `${Math.round(bytes / 1000)} kB`]];
  return { name: id, title, prompt, description, preview: preview && `models/${preview}`, facts, more: "Licence and size" };
}

// --- Beginning: the sample with the first concept ---------------------------------------------------------------------

async function begin() {
  themeButton(at.theme);
  show("loading");
  if (await isolate()) return; // the page is about to be loaded again, with threads
  try {
    const loading = Editor.open("models/", "ort/", (share) => {
      at.progress.value = share;
      stage.say(`Loading the model: ${Math.round(100 * share)} %`);
    });
    if (!photo) await takeSample(SAMPLE);
    editor = await loading;
    at.progress.hidden = true;
    cards.draw(editor.index.concepts.map(card));
    choose(cards.names[0]);
  } catch (error) {
    at.progress.hidden = true;
    fail(error);
  }
}

begin();
