// The page's script.  Gradio calls it once, with:
//   element   the root of page.html
//   trigger   says that something is asked; Gradio then takes the question through window.e2gan.take
//   props     what page.py gives: served, cards, samples, limits, can_add, public
//   upload    sends a file
//   watch     tells when a prop has changed
"use strict";

const at = Object.fromEntries([...element.querySelectorAll("[data-at]")].map((node) => [node.dataset.at, node]));
const LIVE = 256; // longer side of a frame, in pixels
const TILE = 192; // and of a picture of the contact sheet
const FIRST = "winter"; // the concept one meets first, where it is installed

const state = {
  photo: null, // {photo, picture, width, height, sample}
  concept: null, // the name of a card
  other: null,
  mix: 0.5,
  strength: 1,
  size: 512, // null: full size
  live: null, // {stream, frames, since}
};
let cards = new Map();

// --- Asking the server ------------------------------------------------------------------------------------------

const EVENTS = { photo: "ask_photo", edit: "ask_edit", save: "ask_save", add: "ask_add" };
const asked = { photo: [], edit: [], save: [], add: [] };
const waiting = { photo: [], edit: [], save: [], add: [] };

/** Resolves with the answer; what went wrong is in its `error`. */
function ask(what, request) {
  return new Promise((resolve) => {
    asked[what].push(request);
    waiting[what].push(resolve);
    trigger(EVENTS[what]);
  });
}

window.e2gan = {
  take: (what) => asked[what].shift(),
  receive: (what, answer) => waiting[what].shift()?.(answer),
  fail: (what) => waiting[what].shift()?.({ error: "The server is busy or out of reach.", hint: "Try again in a moment." }),
};

// --- Editing: one request at a time, always for what is wanted now ----------------------------------------------

let busy = false;
let wanted = false;

function blend() {
  if (!state.concept) return null;
  if (!state.other || state.other === state.concept) return { [state.concept]: 1 };
  return { [state.concept]: rounded(1 - state.mix), [state.other]: rounded(state.mix) };
}

const rounded = (number) => Math.round(number * 100) / 100;

function refresh() {
  wanted = true;
  describe();
  if (!busy) work();
}

async function work() {
  busy = true;
  while (true) {
    if (state.live && blend()) await liveFrame();
    else if (wanted && state.photo && blend()) await edit();
    else if (nextTile()) await tile(nextTile());
    else break;
  }
  busy = false;
  show();
}

async function edit() {
  wanted = false;
  const photo = state.photo;
  show("working");
  const start = performance.now();
  const answer = await ask("edit", { photo: photo.photo, concepts: blend(), size: state.size });
  if (photo !== state.photo || state.live) return;
  if (answer.error) return complain(answer);
  await showPicture(at.after, answer.picture);
  const seconds = (performance.now() - start) / 1000;
  const [width, height] = [at.after.naturalWidth, at.after.naturalHeight];
  const detail = state.size ? `${width} × ${height}, quick` : `${photo.width} × ${photo.height}, full size`;
  say(`${names()} · ${detail} · ${seconds.toFixed(2)} s`);
  complain(null);
  show("ready");
}

async function showPicture(image, url) {
  image.src = url;
  await image.decode().catch(() => {});
}

const title = (name) => cards.get(name)?.title ?? "";
const names = () => Object.keys(blend() ?? {}).map(title).join(" + ");

// --- The contact sheet: every concept on one's own photo, between the edits one asks for ------------------------

const tiles = { on: false, done: new Set() };

function nextTile() {
  if (!tiles.on || !state.photo || state.live) return null;
  return [...cards.keys()].find((name) => !tiles.done.has(name));
}

async function tile(name) {
  const photo = state.photo;
  tiles.done.add(name);
  const answer = await ask("edit", { photo: photo.photo, concepts: { [name]: 1 }, size: TILE });
  const card = cardOf(name);
  if (!card || photo !== state.photo || !tiles.on) return;
  if (!answer.error) card.querySelector("img").src = answer.picture;
  card.classList.remove("waiting");
}

function resetTiles() {
  tiles.done.clear();
  for (const card of at.cards.children) {
    card.classList.toggle("waiting", tiles.on && !!state.photo);
    const image = card.querySelector("img");
    if (!tiles.on) image.src = image.dataset.preview;
  }
  at.cards.classList.toggle("own", tiles.on);
  at["try-all"].setAttribute("aria-pressed", tiles.on);
  at["try-all"].textContent = tiles.on ? "Show the examples" : "Try all on my photo";
}

at["try-all"].addEventListener("click", () => {
  tiles.on = !tiles.on;
  resetTiles();
  if (!busy) work();
});

// --- The stage --------------------------------------------------------------------------------------------------

/** Sets the stage's state; by default what follows from all else. */
function show(mode) {
  const settled = state.live ? "live" : !state.photo ? "empty" : blend() && at.after.src ? "ready" : "plain";
  at.stage.dataset.state = mode === "working" && state.live ? "live" : mode ?? settled;
  const ready = !!state.photo && !state.live;
  at.save.disabled = !(ready && blend());
  at["save-sheet"].disabled = !ready;
  at["try-all"].disabled = !ready;
  at.clear.hidden = !ready;
  at.snap.hidden = !state.live;
  // Frames a second, read out each time they change, would not stop.
  at.status.setAttribute("aria-live", state.live ? "off" : "polite");
  at["camera-text"].textContent = state.live ? "Stop camera" : "Live camera";
}

function say(text) {
  at.status.textContent = text;
}

function complain(fault) {
  at.problem.hidden = !fault;
  at.problem.replaceChildren();
  if (!fault) return;
  const strong = document.createElement("strong");
  strong.textContent = sentence(fault.error);
  at.problem.append(strong);
  if (fault.hint) at.problem.append(" ", sentence(fault.hint));
  say("");
  show();
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

/** Names what is to be seen, for the eye and for screen readers, and keeps it in the page's address. */
function describe() {
  at.tag.textContent = names();
  at.before.alt = state.photo?.alt ?? "The photo before the edit";
  at.after.alt = names() ? `The same, edited to ${names()}` : "";
  at.mix.disabled = !state.other;
  at["mix-row"].classList.toggle("off", !state.other);
  at["mix-text"].textContent = state.other ? `${Math.round(100 * state.mix)} % ${title(state.other)}` : "–";
  at["strength-text"].textContent = `${Math.round(100 * state.strength)} %`;
  at.split.setAttribute("aria-valuetext", `${at.split.value} % before, ${100 - at.split.value} % ${names() || "after"}`);
  // The edit is mixed with the photo pixel by pixel: the browser can do that, and at once.
  at.after.style.opacity = state.strength;
  const address = new URL(location.href);
  const set = (key, value) => (value === null ? address.searchParams.delete(key) : address.searchParams.set(key, value));
  set("concept", state.concept);
  set("with", state.other);
  set("blend", state.other ? rounded(state.mix) : null);
  set("strength", state.strength === 1 ? null : rounded(state.strength));
  history.replaceState(history.state, "", address);
}

at.split.addEventListener("input", () => {
  at.pictures.style.setProperty("--split", `${at.split.value}%`);
  describe();
});

// --- Choosing a photo -------------------------------------------------------------------------------------------

async function takePhoto(request, more) {
  stopCamera();
  complain(null);
  say("Opening the photo …");
  show("loading");
  const answer = await ask("photo", request);
  if (answer.error) {
    complain(answer);
    return;
  }
  state.photo = { ...answer, ...more };
  at.after.removeAttribute("src");
  at.pictures.style.setProperty("--ratio", answer.width / answer.height);
  at.credit.textContent = more?.credit ?? "";
  await showPicture(at.before, answer.picture);
  say(`${answer.width} × ${answer.height}`);
  for (const sample of at.samples.children) sample.setAttribute("aria-pressed", sample.dataset.name === more?.name);
  resetTiles();
  show();
  refresh();
}

async function takeFile(file) {
  if (file.size > props.limits.upload) {
    const megabytes = props.limits.upload / 1e6;
    return complain({ error: `This file is larger than the ${megabytes} MB allowed here`, hint: "make it smaller first" });
  }
  stopCamera();
  complain(null);
  say("Sending the photo …");
  show("loading");
  let sent;
  try {
    sent = await upload(file);
  } catch {
    return complain({ error: "The photo could not be sent", hint: "try again, or choose a smaller one" });
  }
  await takePhoto({ path: sent.path });
}

at.file.addEventListener("change", () => {
  if (at.file.files[0]) takeFile(at.file.files[0]);
  at.file.value = "";
});

at.clear.addEventListener("click", () => {
  state.photo = null;
  tiles.on = false;
  at.before.removeAttribute("src");
  at.after.removeAttribute("src");
  at.credit.textContent = "";
  for (const sample of at.samples.children) sample.setAttribute("aria-pressed", "false");
  say("");
  complain(null);
  resetTiles();
  show();
});

const pictureOf = (items) => [...(items ?? [])].find((file) => file.type.startsWith("image/")) ?? [...(items ?? [])][0];

let over = 0;
addEventListener("dragenter", (event) => {
  if (event.dataTransfer?.types.includes("Files")) at.stage.classList.toggle("over", ++over > 0);
});
addEventListener("dragleave", () => at.stage.classList.toggle("over", (over = Math.max(0, over - 1)) > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  at.stage.classList.remove("over");
  const file = pictureOf(event.dataTransfer?.files);
  if (file) takeFile(file);
});
addEventListener("paste", (event) => {
  const file = pictureOf(event.clipboardData?.files);
  if (file) takeFile(file);
});

for (const sample of props.samples) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sample";
  button.dataset.name = sample.name;
  button.setAttribute("aria-label", `Sample: ${sample.title}`);
  button.setAttribute("aria-pressed", "false");
  const image = document.createElement("img");
  image.src = `${props.served}/samples/${sample.name}.jpg`;
  image.alt = "";
  button.append(image);
  button.addEventListener("click", () => takeSample(sample));
  at.samples.append(button);
}

const takeSample = (sample) => takePhoto({ sample: sample.name }, sample);

// --- Live: one frame under way at a time, so that none queues up and the picture is never old --------------------

const canvas = document.createElement("canvas");

at.camera.addEventListener("click", () => (state.live ? leaveCamera() : startCamera()));

async function startCamera() {
  complain(null);
  say("Starting the camera …");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
    at.video.srcObject = stream;
    await at.video.play();
  } catch {
    return complain({ error: "The camera cannot be used", hint: "allow it for this page, or choose a photo" });
  }
  state.live = { stream, times: [] };
  at.video.hidden = false;
  at.before.hidden = true;
  at.after.removeAttribute("src");
  at.credit.textContent = "";
  at.pictures.style.setProperty("--ratio", at.video.videoWidth / at.video.videoHeight);
  stream.getVideoTracks()[0].addEventListener("ended", leaveCamera);
  show();
  refresh();
}

/** The camera's picture now, as one sees oneself: mirrored. */
function grab(longest) {
  const { videoWidth: width, videoHeight: height } = at.video;
  const scale = Math.min(1, longest / Math.max(width, height));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.translate(canvas.width, 0);
  context.scale(-1, 1);
  context.drawImage(at.video, 0, 0, canvas.width, canvas.height);
}

async function liveFrame() {
  const live = state.live;
  grab(LIVE);
  const answer = await ask("edit", { frame: canvas.toDataURL("image/jpeg", 0.85), concepts: blend() });
  if (live !== state.live) return;
  if (answer.error) {
    leaveCamera();
    return complain(answer);
  }
  await showPicture(at.after, answer.picture);
  const now = performance.now();
  live.times = [...live.times.filter((time) => now - time < 3000), now];
  const seconds = (now - live.times[0]) / 1000;
  const rate = seconds ? (live.times.length - 1) / seconds : 0;
  say(`Live · ${names()} · ${rate.toFixed(1)} frames per second`);
}

function stopCamera() {
  if (!state.live) return;
  for (const track of state.live.stream.getTracks()) track.stop();
  state.live = null;
  at.video.srcObject = null;
  at.video.hidden = true;
  at.before.hidden = false;
  at.after.removeAttribute("src");
}

function leaveCamera() {
  stopCamera();
  if (state.photo) at.pictures.style.setProperty("--ratio", state.photo.width / state.photo.height);
  at.credit.textContent = state.photo?.credit ?? "";
  say("");
  show();
  refresh();
}

at.snap.addEventListener("click", () => {
  grab(Infinity);
  canvas.toBlob((blob) => takeFile(new File([blob], "camera.png", { type: "image/png" })), "image/png");
});

// --- Concepts ---------------------------------------------------------------------------------------------------

const cardOf = (name) => [...at.cards.children].find((card) => card.dataset.name === name);

/** A neutral picture for concepts that bring none. */
function placeholder(text) {
  const letters = encodeURIComponent(text.slice(0, 2).replace(/[<>&"']/g, ""));
  return `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 4'%3E%3Crect width='8' height='4' fill='%23998f80'/%3E%3Ctext x='6' y='2.5' font-family='serif' font-size='1.6' fill='white' text-anchor='middle'%3E${letters}%3C/text%3E%3C/svg%3E`;
}

function drawCards(list) {
  cards = new Map(list.map((card) => [card.name, card]));
  at.cards.replaceChildren(...list.map(drawCard));
  at.other.replaceChildren(new Option("nothing", ""), ...list.map((card) => new Option(card.title, card.name)));
  at.other.value = state.other ?? "";
  search();
  resetTiles();
}

function drawCard(card) {
  const label = document.createElement("label");
  label.className = "card";
  label.dataset.name = card.name;
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "concept", value: card.name });
  input.className = "unseen";
  input.checked = card.name === state.concept;
  input.addEventListener("change", () => choose(card.name));
  const frame = document.createElement("span");
  frame.className = "frame";
  const image = document.createElement("img");
  image.dataset.preview = card.preview ? `${props.served}/previews/${card.preview}` : placeholder(card.title);
  image.src = image.dataset.preview;
  image.alt = "";
  image.loading = "lazy";
  frame.append(image);
  const text = document.createElement("span");
  text.className = "name";
  text.textContent = card.title;
  label.append(input, frame, text);
  return label;
}

function choose(name) {
  state.concept = cards.has(name) ? name : null;
  if (state.other === state.concept) {
    state.other = null;
    at.other.value = "";
  }
  const card = cardOf(name);
  if (card) {
    card.querySelector("input").checked = true;
    // On a phone the cards are a strip.
    at.cards.scrollTo({ left: card.offsetLeft - (at.cards.clientWidth - card.clientWidth) / 2 });
  }
  about(cards.get(name));
  refresh();
}

function search() {
  const words = at.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const node of at.cards.children) {
    const { name, title, prompt, description } = cards.get(node.dataset.name);
    const text = `${name} ${title} ${prompt} ${description}`.toLowerCase();
    node.hidden = !words.every((word) => text.includes(word));
    found += !node.hidden;
  }
  at.none.hidden = found > 0;
  at.none.textContent = cards.size ? `No concept matches “${at.search.value.trim()}”.` : "No concepts are installed. Try: pip install e2gan-concept-vangogh";
}

at.search.addEventListener("input", search);

/** The concept's card: what it is, how good it is, how to get it. */
function about(card) {
  at.about.hidden = !card;
  if (!card) return;
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const nodes = [make("h3", card.title), make("p", `“${card.prompt}”`, "prompt")];
  if (card.description) nodes.push(make("p", card.description));
  if (card.quality.length) {
    const list = make("dl", undefined, "quality");
    for (const [label, value, meaning] of card.quality) {
      const term = make("dt", label);
      term.title = meaning;
      const meter = make("span", undefined, "meter");
      meter.style.setProperty("--value", Math.min(1, value));
      const entry = make("dd");
      entry.append(meter, make("span", value.toFixed(2)), make("small", meaning));
      list.append(term, entry);
    }
    nodes.push(list);
  }
  const install = make("div", undefined, "install");
  const copy = make("button", "Copy", "button quiet");
  copy.type = "button";
  copy.setAttribute("aria-label", "Copy the command");
  copy.addEventListener("click", () => copyText(card.install, copy));
  install.append(make("code", card.install), copy);
  const details = make("details");
  const facts = make("dl", undefined, "facts");
  for (const [label, value] of card.facts) facts.append(make("dt", label), make("dd", value));
  details.append(make("summary", "Licence, recipe and size"), facts);
  nodes.push(install, details);
  at.about.replaceChildren(...nodes);
}

async function copyText(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = before), 1500);
}

at.add.hidden = false;
if (!props.can_add) {
  at.repo.disabled = at["add-button"].disabled = true;
  at["add-text"].textContent = "This needs the package e2gan-hub: pip install e2gan-hub";
} else {
  at["add-text"].textContent = props.public
    ? "It is checked before it is used: data only, no code. Only you see it here."
    : "It is checked before it is used: data only, no code. It stays installed, as with e2gan pull.";
}

at.add.addEventListener("submit", (event) => {
  event.preventDefault();
  if (at.repo.value.trim()) add(at.repo.value.trim());
});

async function add(repo) {
  at["add-button"].disabled = true;
  at["add-text"].textContent = `Getting ${repo} …`;
  const answer = await ask("add", { repo });
  at["add-button"].disabled = false;
  at["add-text"].classList.toggle("bad", !!answer.error);
  if (answer.error) {
    at["add-text"].textContent = [answer.error, answer.hint].filter(Boolean).map(sentence).join(" ");
    return false;
  }
  at["add-text"].textContent = `${answer.card.title} is here.`;
  at.repo.value = "";
  extra.set(answer.card.name, answer.card);
  drawCards(allCards());
  choose(answer.card.name);
  cardOf(answer.card.name)?.scrollIntoView({ block: "nearest" });
  return true;
}

const extra = new Map(); // added on this page
const allCards = () => [...props.cards.filter((card) => !extra.has(card.name)), ...extra.values()];

// --- The other controls -----------------------------------------------------------------------------------------

at.strength.addEventListener("input", () => {
  state.strength = at.strength.value / 100;
  describe();
});
at.mix.addEventListener("input", () => {
  state.mix = at.mix.value / 100;
  refresh();
});
at.other.addEventListener("change", () => {
  state.other = at.other.value && at.other.value !== state.concept ? at.other.value : null;
  if (!state.other) at.other.value = "";
  refresh();
});
at.detail.addEventListener("change", () => {
  state.size = at.detail.value ? Number(at.detail.value) : null;
  refresh();
});

async function save(button, request) {
  const before = button.textContent;
  button.disabled = true;
  button.textContent = "Making it …";
  const start = performance.now();
  const answer = await ask("save", { photo: state.photo.photo, format: at.format.value, ...request });
  button.textContent = before;
  show();
  if (answer.error) return complain(answer);
  const link = document.createElement("a");
  link.href = answer.file;
  link.download = answer.name;
  document.body.append(link);
  link.click();
  link.remove();
  say(`${answer.name} · ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

at.save.addEventListener("click", () => save(at.save, { concepts: blend(), strength: state.strength }));
at["save-sheet"].addEventListener("click", () => save(at["save-sheet"], { sheet: true }));
at.link.addEventListener("click", () => copyText(location.href, at.link));

const dark = () => document.body.classList.contains("dark");
function showTheme() {
  at.theme.setAttribute("aria-pressed", dark());
}
at.theme.addEventListener("click", () => {
  document.body.classList.toggle("dark");
  showTheme();
});

// --- Beginning: what the address says, or a sample with the first concept ----------------------------------------

const share = (text, otherwise) => {
  const value = Number.parseFloat(text);
  return value >= 0 && value <= 1 ? value : otherwise;
};

async function begin() {
  showTheme();
  const given = new URL(location.href).searchParams;
  state.strength = share(given.get("strength"), 1);
  state.mix = share(given.get("blend"), 0.5);
  at.strength.value = 100 * state.strength;
  at.mix.value = 100 * state.mix;
  drawCards(allCards());
  show("loading");
  // A link may name a concept that has to be got first.
  for (const name of [given.get("concept"), given.get("with")]) {
    if (name?.startsWith("hub:") && !cards.has(name)) await add(name);
  }
  state.other = cards.has(given.get("with")) ? given.get("with") : null;
  at.other.value = state.other ?? "";
  choose([given.get("concept"), FIRST, ...cards.keys()].find((name) => cards.has(name)));
  if (props.samples.length) await takeSample(props.samples[0]);
  else show();
}

watch("cards", () => drawCards(allCards()));
begin();
