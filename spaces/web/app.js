// The page: what is on it, and what happens when it is used. All computing is in worker.js.

import { Editor } from "./editor.js";
import { isolate } from "./isolate.js";
import { fillHidden, openPhoto } from "./photo.js";

const $ = (id) => document.getElementById(id);
const stage = $("stage"), before = $("before"), after = $("after"), video = $("video"), split = $("split");

const SAMPLE = "sample.jpg";

let editor; // once it is loaded
let concepts = [];
let source = null; // a canvas, or the video
let wanted = 0; // the latest edit that was asked for
let running = null; // the edit that is under way

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").dataset.kind = kind;
}

function fail(error) {
  console.error(error);
  $("progress").hidden = true;
  say(error.message || String(error), "error");
}

/** The largest part of the source whose sides are multiples of the stride once it is scaled to the chosen size. */
function frame() {
  const width = source.videoWidth || source.width, height = source.videoHeight || source.height;
  const stride = editor.index.stride;
  const scale = Math.min(1, Number($("size").value) / Math.max(width, height));
  const [w, h] = [width, height].map((side) => Math.max(32, Math.floor(side * scale / stride) * stride));
  const zoom = Math.max(w / width, h / height);
  const [sw, sh] = [w / zoom, h / zoom];
  for (const canvas of [before, after]) {
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  }
  stage.style.setProperty("--ratio", w / h);
  const context = before.getContext("2d", { willReadFrequently: true });
  context.clearRect(0, 0, w, h); // a cut-out must not lie on the photo before it
  context.imageSmoothingQuality = "high";
  context.drawImage(source, (width - sw) / 2, (height - sh) / 2, sw, sh, 0, 0, w, h);
  return context.getImageData(0, 0, w, h);
}

/** Edit what is there now; of several wishes while an edit is under way, only the last is fulfilled. */
async function edit() {
  const mine = ++wanted;
  if (running) await running.catch(() => {});
  if (mine !== wanted || !source || !editor) return;
  stage.dataset.busy = "true";
  const pixels = frame();
  stage.dataset.transparent = String(fillHidden(pixels));
  if (stage.dataset.state === "empty") stage.dataset.state = "photo";
  if (source !== video) say("Editing…");
  running = editor.edit(pixels);
  try {
    const { picture, milliseconds } = await running;
    after.getContext("2d").putImageData(picture, 0, 0);
    stage.dataset.state = "edited";
    $("save").disabled = false;
    const time = milliseconds < 950 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
    say(`${time} · ${picture.width} × ${picture.height} · ${editor.runtime}`);
    document.body.dataset.edits = String(Number(document.body.dataset.edits || 0) + 1);
  } catch (error) {
    fail(error);
    stop();
  } finally {
    running = null;
    if (mine === wanted) stage.dataset.busy = "false";
  }
  if (mine === wanted && source === video) requestAnimationFrame(edit);
}

async function choose(id) {
  const concept = concepts.find((each) => each.id === id);
  $("about").textContent = `“${concept.prompt}” · version ${concept.version} · ${concept.license} · ${kilobytes(concept.bytes)}`;
  say(`Loading ${concept.title}…`);
  try {
    if (running) await running.catch(() => {});
    await editor.use(id);
    say(`${concept.title} is ready.`);
    await edit();
  } catch (error) {
    fail(error);
  }
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`;
}

async function open(blob) {
  stop();
  try {
    source = await openPhoto(blob);
  } catch {
    return fail(new Error("This file is no picture that the browser can read. TIFF, HEIC and raw photos: e2gan apply."));
  }
  await edit();
}

async function camera() {
  if (source === video) return stop();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, facingMode: "environment" } });
    await video.play();
  } catch {
    return fail(new Error("There is no camera, or the page may not use it."));
  }
  source = video;
  $("camera").setAttribute("aria-pressed", "true");
  $("camera").textContent = "Stop the camera";
  await edit();
}

/** Let the camera go; its last frame stays. */
function stop() {
  if (source !== video) return;
  source = Object.assign(document.createElement("canvas"), { width: before.width, height: before.height });
  source.getContext("2d").drawImage(before, 0, 0);
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
  $("camera").setAttribute("aria-pressed", "false");
  $("camera").textContent = "Use the camera";
}

function save() {
  after.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${chosen()}.png` });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

const chosen = () => document.querySelector("#cards input:checked")?.value;

function compare() {
  stage.style.setProperty("--split", `${split.value}%`);
  stage.dataset.line = String(split.value > 0 && split.value < 100);
  stage.dataset.side = split.value < 12 ? "edit" : split.value > 88 ? "photo" : "both";
}

function card(concept, first) {
  const label = document.createElement("label");
  label.className = "card";
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "concept", value: concept.id, checked: first });
  const picture = Object.assign(document.createElement("img"), { alt: "", loading: "lazy" });
  if (concept.preview) picture.src = `models/${concept.preview}`;
  const title = Object.assign(document.createElement("span"), { textContent: concept.title });
  label.append(input, picture, title);
  return label;
}

async function start() {
  compare();
  split.addEventListener("input", compare);
  $("file").addEventListener("change", (event) => event.target.files[0] && open(event.target.files[0]));
  $("camera").addEventListener("click", camera);
  $("save").addEventListener("click", save);
  $("size").addEventListener("change", edit);
  $("cards").addEventListener("change", (event) => choose(event.target.value));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
  if (await isolate()) return; // the page is about to be loaded again, with threads
  try {
    const loading = Editor.open("models/", "ort/", (share) => {
      $("progress").value = share;
      say(`Loading the model: ${Math.round(100 * share)} %`);
    });
    const sample = await fetch(SAMPLE);
    editor = await loading;
    concepts = editor.index.concepts;
    $("cards").replaceChildren(...concepts.map((concept, i) => card(concept, i === 0)));
    $("progress").hidden = true;
    if (!source && sample.ok) source = await openPhoto(await sample.blob());
    await choose(concepts[0].id);
  } catch (error) {
    fail(error);
  }
}

start();
