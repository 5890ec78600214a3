// The demo's page: the server edits, and what is shown follows from `state`.

import { adding } from "./adding.js";
import { Clip } from "./clip.js";
import { asked, keep, rounded } from "./shared/address.js";
import { ContactSheet } from "./contact-sheet.js";
import { server } from "./server.js";
import { Waiting } from "./waiting.js";
import { about, Cards } from "./shared/cards.js";
import { Dials } from "./shared/dials.js";
import { parts } from "./shared/dom.js";
import { copyText, save } from "./shared/save.js";
import { Sources } from "./shared/sources.js";
import { Stage, told } from "./shared/stage.js";
import { themeButton } from "./shared/theme.js";
import { Work } from "./shared/work.js";

const QUICK = 512; // longer side of a quick edit, in pixels
const LIVE = 256; // longer side of a frame, in pixels
const PREVIEW = 384; // longer side of a card's picture that the page makes itself
const FIRST = "vangogh"; // the concept one meets first, where it is installed
const FORMATS = { png: "PNG", jpeg: "JPEG", webp: "WebP", gif: "GIF", mp4: "MP4", webm: "WebM", mkv: "MKV" };

/**
 * Begin.
 *
 * @param element  the root of page.html
 * @param trigger  tells Gradio that something is asked
 * @param props    what page.py gives: served, cards, samples, limits, can_add, public
 * @param upload   sends a file
 * @param watch    tells when a prop has changed
 */
export function start({ element, trigger, props, upload, watch }) {
  const at = parts(element);
  const ask = server(trigger);
  const state = {
    photo: null, // {photo, picture, width, height, moving, alt, credit}
    concept: null, // the name of a card
    other: null,
    mix: 0.5,
    strength: 1,
    size: QUICK, // null: full size
  };
  let wanted = false; // an edit that is not the one shown
  let saving = false;
  const drawn = new Map(); // pictures for cards without a preview, by their names; null: none could be made

  const stage = new Stage(at.stage, at.caption, "img");
  const samples = props.samples.map((sample) => ({ ...sample, picture: `${props.served}/samples/${sample.name}.jpg` }));
  const sources = new Sources(at.sources, stage, samples, { takeFile, takeSample, remove, live });
  const { camera } = sources;
  const cards = new Cards(at.cards, at.search, at.none, choose);
  const sheet = new ContactSheet(cards, at.cards, at["try-all"], ask, () => {
    sheet.reset(state.photo);
    work.wake();
  });
  const work = new Work(next, () => show());
  const dials = new Dials(at, state, { describe, refresh });
  const clip = new Clip(at, stage.video.parentElement, props.limits.making, {
    wanted: () => (state.photo && blend() ? JSON.stringify(settings()) : null),
    free: () => !camera.on,
    play: playClip,
    changed: () => show(),
    fail,
  });
  if (!props.limits.no_clips) sources.takeClips();
  const waiting = new Waiting(at.wait, at["wait-text"], at["wait-cancel"], ask);
  const megapixels = () => {
    const count = Math.max(1, Math.round((state.photo.width * state.photo.height) / 1e6));
    return `${count} megapixel${count === 1 ? "" : "s"}`;
  };

  // --- Editing --------------------------------------------------------------------------------------------------

  function blend() {
    if (!state.concept) return null;
    if (!state.other) return { [state.concept]: 1 };
    return { [state.concept]: rounded(1 - state.mix), [state.other]: rounded(state.mix) };
  }

  const settings = () => ({ concepts: blend(), strength: state.strength, format: at.format.value });

  const names = () => Object.keys(blend() ?? {}).map((name) => cards.title(name)).join(" + ");

  function refresh() {
    wanted = true;
    if (!at.wait.hidden && !saving) waiting.cancel(); // another edit is wanted than the one under way
    describe();
    if (camera.on) show(); // the other concept may be made for the camera's own network, or not
    work.wake();
  }

  function next() {
    if (camera.on) return blend() && frame; // one at a time: none queues up, and the picture is never old
    if (wanted && state.photo && blend()) return edit;
    return sheet.next(state.photo) ?? preview();
  }

  async function edit() {
    wanted = false;
    const photo = state.photo;
    show(stage.after.hasAttribute("src") ? "working" : "starting");
    const begun = performance.now();
    const request = { photo: photo.photo, concepts: blend(), size: state.size };
    const whole = state.size === null && !saving; // a download is what one waits for then
    if (!whole) stage.say(`Editing to ${names()} …`);
    const answer = whole ? await waiting.answer("edit", request, `Editing ${megapixels()}`) : await ask("edit", request);
    if (photo !== state.photo || camera.on) return;
    if (!answer && !wanted) quick(); // cancelled by the visitor, not by another wish
    if (!answer) return;
    if (answer.error) return fail(answer);
    await put(stage.after, answer.picture);
    const { naturalWidth: width, naturalHeight: height } = stage.after;
    const size = state.size ? `${width} × ${height}, quick` : `${photo.width} × ${photo.height}, full size`;
    stage.say(told(names(), (performance.now() - begun) / 1000, [size]));
    stage.complain(null);
    show("ready");
    if (photo.moving) estimate(photo);
  }

  /** How long making the clip takes: known from the edits so far. */
  async function estimate(photo) {
    const answer = await ask("left", { photo: photo.photo });
    if (photo === state.photo) clip.takes = answer.takes ?? null;
  }

  /** Back to quick edits. */
  function quick() {
    state.size = QUICK;
    at.detail.value = String(QUICK);
    refresh();
  }

  async function frame() {
    const picture = camera.grab(LIVE).toDataURL("image/jpeg", 0.85);
    const answer = await ask("edit", { frame: picture, concepts: blend(), sharp: sources.sharp });
    if (!camera.on) return;
    if (answer.error) {
      sources.leaveCamera();
      return fail(answer);
    }
    await put(stage.after, answer.picture);
    stage.say(`Live · ${names()} · ${camera.count().toFixed(1)} frames per second`);
  }

  /** A picture for a card whose concept brings none: the first sample, edited; null if all have one. */
  function preview() {
    const card = sheet.on || !samples.length ? null : all().find(({ name, preview }) => !preview && !drawn.has(name));
    if (!card) return null;
    return async () => {
      drawn.set(card.name, null); // not again
      const answer = await ask("edit", { photo: samples[0].name, concepts: { [card.name]: 1 }, size: PREVIEW });
      if (answer.error) return;
      drawn.set(card.name, answer.picture);
      cards.picture(card.name, answer.picture, !sheet.on);
    };
  }

  async function put(image, url) {
    image.src = url;
    await image.decode().catch(() => {});
  }

  // --- What is shown --------------------------------------------------------------------------------------------

  /** Set the stage's state, by default the one that follows from everything else, and enable the buttons that make sense. */
  function show(mode) {
    const settled = !state.photo ? "empty" : blend() && stage.after.src ? "ready" : "plain";
    stage.state = camera.on ? "live" : clip.playing ? "playing" : mode ?? settled;
    const ready = !!state.photo && !camera.on;
    at.save.disabled = !(ready && blend()) || saving || (clip.kind && !clip.made && !clip.allowed);
    at["save-sheet"].disabled = !ready || saving;
    sheet.disabled = !ready;
    sources.show(!!state.photo, Object.keys(blend() ?? {}).every((name) => cards.get(name)?.live));
  }

  function fail(fault) {
    stage.complain(fault);
    show();
  }

  /** Name what is shown, and keep it in the page's address. */
  function describe() {
    stage.describe(names(), state.photo?.alt);
    dials.show(cards.title(state.other));
    // The edit is mixed with the photo pixel by pixel: the browser can do that, and at once.
    stage.after.style.opacity = state.strength;
    keep(state);
    clip.update();
  }

  // --- The photo ------------------------------------------------------------------------------------------------

  function opening(text) {
    if (camera.on) stage.after.removeAttribute("src"); // a frame
    sources.stopCamera();
    waiting.cancel();
    clip.leave();
    sheet.reset(null); // nobody should see another person's tiles
    stage.complain(null);
    stage.say(text);
    show("loading");
  }

  /** The photo could not be opened: the one before it is back. */
  function back(fault) {
    fail(fault);
    sheet.reset(state.photo);
    work.wake();
  }

  async function takePhoto(request, sample, kind = "photo") {
    opening(`Opening the ${kind} …`);
    const answer = await ask("photo", request);
    if (answer.error) return back(answer);
    state.photo = { ...answer, alt: sample?.alt, credit: sample?.credit ?? "" };
    offer(answer.moving?.formats ?? props.limits.formats);
    clip.set(answer.moving);
    stage.after.removeAttribute("src");
    stage.ratio = answer.width / answer.height;
    stage.credit = state.photo.credit;
    await put(stage.before, answer.picture);
    stage.say(`${answer.width} × ${answer.height}`);
    sources.mark(sample?.name);
    sheet.reset(state.photo);
    show();
    refresh();
  }

  function takeSample(sample) {
    return takePhoto({ sample: sample.name }, sample);
  }

  const isClip = ({ name, type }) =>
    type.startsWith("video/") || props.limits.clips.some((suffix) => name.toLowerCase().endsWith(suffix));

  async function takeFile(file) {
    const kind = isClip(file) ? "clip" : "photo";
    if (kind === "clip" && props.limits.no_clips) return fail(props.limits.no_clips);
    const most = props.limits[kind];
    if (file.size > most) {
      return fail({ error: `${file.name}: larger than the ${most / 1e6} MB allowed here`, hint: "make it smaller first" });
    }
    opening(`Sending the ${kind} …`);
    let sent;
    try {
      sent = await upload(file);
    } catch {
      return back({ error: `${file.name}: it could not be sent`, hint: "try again, or choose a smaller one" });
    }
    await takePhoto({ path: sent.path }, null, kind);
  }

  /** Offer these formats for the download; the first is the usual one. */
  function offer(formats) {
    if ([...at.format.options].map(({ value }) => value).join() === formats.join()) return;
    at.format.replaceChildren(...formats.map((format) => new Option(FORMATS[format], format)));
  }

  function remove() {
    waiting.cancel();
    state.photo = null;
    clip.set(null);
    sheet.on = false;
    for (const image of [stage.before, stage.after]) image.removeAttribute("src");
    stage.credit = "";
    stage.say("");
    stage.complain(null);
    sources.mark(null);
    sheet.reset(null);
    show();
  }

  /** The camera has begun or ended. */
  function live() {
    clip.leave();
    stage.after.removeAttribute("src");
    if (!camera.on && state.photo) stage.ratio = state.photo.width / state.photo.height;
    stage.credit = camera.on ? "" : state.photo?.credit ?? "";
    show();
    refresh();
  }

  // --- The clip -------------------------------------------------------------------------------------------------

  /** The clip's edit, made if it is not there yet; null if it cannot be made, or was cancelled. */
  async function makeClip() {
    const there = await clip.there();
    if (there || saving) return there;
    const { photo } = state, wanted = settings(), title = names(), begun = performance.now();
    const asked = document.activeElement;
    saving = clip.making = true;
    show();
    const making = waiting.answer("make", { photo: photo.photo, ...wanted }, progress(photo.moving));
    if (asked === at["clip-button"]) at["wait-cancel"].focus({ preventScroll: true }); // it takes the button's place
    const answer = await making;
    saving = clip.making = false;
    if (asked === at["clip-button"] && at.wait.hidden) asked.focus({ preventScroll: true });
    show();
    if (photo !== state.photo || !answer) return null; // another one was opened, or it was cancelled
    if (answer.error) return fail(answer), null;
    clip.keep(JSON.stringify(wanted), answer);
    const same = JSON.stringify(settings()) === JSON.stringify(wanted);
    const took = told(title, (performance.now() - begun) / 1000, [`${photo.moving.frames} frames`]);
    stage.say(same ? took : `${answer.name} is ready: choose ${title} again to play it`);
    show();
    return answer;
  }

  const progress = ({ kind, frames }) => ({ share = 0, ahead = 0 }) => {
    if (ahead) return `Waiting for ${ahead} other clip${ahead === 1 ? "" : "s"}`;
    return `Editing the ${kind}, ${Math.round(share * frames)} of ${frames} frames`;
  };

  async function playClip() {
    const before = clip.made;
    const made = await makeClip();
    if (!made || made !== clip.made || camera.on || (!before && clip.calm)) return;
    clip.play(stage.after.src, `The ${clip.kind}, edited to ${names()}`);
  }

  async function downloadClip() {
    const before = at.save.textContent;
    at.save.textContent = "Making it …";
    const made = await makeClip();
    at.save.textContent = before;
    show();
    if (made) save(made.file, made.name);
  }

  // --- Concepts -------------------------------------------------------------------------------------------------

  const added = new Map(); // by their names
  const all = () => [...props.cards.filter((card) => !added.has(card.name)), ...added.values()];
  const add = adding(at, ask, props, (card) => {
    added.set(card.name, card);
    draw();
    work.wake(); // it may need a picture
    choose(card.name);
    cards.element(card.name)?.scrollIntoView({ block: "nearest" });
  });

  function draw() {
    const pictures = (card) => ({ ...card, preview: card.preview && `${props.served}/previews/${card.preview}` });
    cards.draw(all().map(pictures), state.concept);
    for (const [name, picture] of drawn) if (picture && cards.has(name)) cards.picture(name, picture);
    at.other.replaceChildren(new Option("nothing", ""), ...all().map((card) => new Option(card.title, card.name)));
    at.other.value = state.other ?? "";
    sheet.reset(state.photo);
  }

  function choose(name) {
    state.concept = cards.has(name) ? name : null;
    dials.apart();
    cards.mark(name);
    about(at.about, cards.get(name));
    refresh();
  }

  // --- The other controls ---------------------------------------------------------------------------------------

  at.detail.addEventListener("change", () => {
    state.size = at.detail.value ? Number(at.detail.value) : null;
    refresh();
  });

  async function download(button, request) {
    const before = button.textContent;
    button.disabled = true;
    button.textContent = "Making it …";
    const begun = performance.now();
    saving = true;
    const title = request.sheet ? "Making the sheet" : `Making ${megapixels()}`;
    const answer = await waiting.answer("save", { photo: state.photo.photo, format: at.format.value, ...request }, title);
    saving = false;
    button.textContent = before;
    show();
    if (!answer) return; // cancelled
    if (answer.error) return fail(answer);
    save(answer.file, answer.name);
    stage.say(`${answer.name} · ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }

  at.save.addEventListener("click", () => {
    if (clip.kind) downloadClip();
    else download(at.save, { concepts: blend(), strength: state.strength });
  });
  at.format.addEventListener("change", () => clip.update());
  at["save-sheet"].addEventListener("click", () => download(at["save-sheet"], { sheet: true }));
  at.link.addEventListener("click", () => copyText(location.href, at.link));

  // --- Beginning: what the address says, or a sample with the first concept -----------------------------------------

  async function begin() {
    const wish = asked();
    dials.set(wish);
    draw();
    show("loading");
    // A link may name a concept that must be fetched first.
    for (const name of [wish.concept, wish.other]) {
      if (name?.startsWith("hub:") && !cards.has(name)) await add(name);
    }
    state.other = cards.has(wish.other) ? wish.other : null;
    choose([wish.concept, FIRST, ...cards.names].find((name) => cards.has(name)));
    if (samples.length) return takeSample(samples[0]);
    stage.say("");
    show();
  }

  themeButton(at.theme);
  if (props.catalogue) Object.assign(at.catalogue, { href: props.catalogue, hidden: false });
  watch("cards", draw);
  begin();
}
