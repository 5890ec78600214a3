// A file to what it looks like in sRGB: what browsers do themselves, and what they miss.
//
// Browsers convert by ICC profiles and most of CICP. They take a camera's Adobe RGB that only EXIF tells for sRGB, and
// darken HDR; these are converted here as e2gan.images.colour does, from the samples as they are in the file.

const WHITE = 203; // cd/m² of SDR white in HDR: ITU-R BT.2408
const HLG_PEAK = 1000; // cd/m²: ITU-R BT.2100

const TO_XYZ = { // linear RGB to XYZ (D65), by primaries of ITU-T H.273
  1: [[0.4123908, 0.3575843, 0.1804808], [0.212639, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]],
  9: [[0.6369580, 0.1446169, 0.1688810], [0.2627002, 0.6779981, 0.0593017], [0, 0.0280727, 1.0609851]],
  12: [[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0, 0.0451134, 1.0439444]],
  adobe: [[0.5766690, 0.1855582, 0.1882286], [0.2973450, 0.6273636, 0.0752915], [0.0270314, 0.0706889, 0.9913375]],
};
const FROM_XYZ = [[3.2409699, -1.5373832, -0.4986108], [-0.9692436, 1.8759675, 0.0415551], [0.0556301, -0.2039770, 1.0569715]];

/** A canvas with the photo upright in sRGB; throws what createImageBitmap does where the browser cannot read the file. */
export async function openPhoto(blob) {
  const told = tell(new DataView(await blob.slice(0, 1 << 20).arrayBuffer()));
  const bitmap = await createImageBitmap(blob, told ? { colorSpaceConversion: "none" } : {});
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: Boolean(told) });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  if (told) {
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    convert(pixels.data, told);
    context.putImageData(pixels, 0, 0);
  }
  return canvas;
}

// What the file says

/** { primaries, transfer } where the browser would get the colours wrong, else null. */
export function tell(view) {
  try {
    if (view.getUint32(0) === 0x89504e47) return hdr(...(pngCicp(view) ?? []));
    if (text(view, 4, 4) === "ftyp") return hdr(...(nclx(view) ?? []));
    if (view.getUint16(0) === 0xffd8 && saysAdobeRgb(view)) return { primaries: "adobe", transfer: "adobe" };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // damaged, or cut off where the reading ended
  }
  return null;
}

function hdr(primaries, transfer) {
  if (transfer !== 16 && transfer !== 18) return null;
  return { primaries: primaries in TO_XYZ ? primaries : 1, transfer: transfer === 16 ? "pq" : "hlg" };
}

function text(view, at, length) {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));
}

function pngCicp(view) {
  for (let at = 8; ; at += 12 + view.getUint32(at)) {
    const kind = text(view, at + 4, 4);
    if (kind === "cICP") return view.getUint8(at + 10) === 0 ? [view.getUint8(at + 8), view.getUint8(at + 9)] : null;
    if (kind === "IDAT" || kind === "IEND") return null;
  }
}

/** The first nclx of an AVIF without an ICC profile: files with pictures in several spaces are extremely rare. */
function nclx(view) {
  const bytes = text(view, 0, Math.min(view.byteLength, 1 << 16));
  if (/colr(prof|rICC)/.test(bytes)) return null;
  const at = bytes.indexOf("colrnclx");
  return at < 0 ? null : [view.getUint16(at + 8), view.getUint16(at + 10)];
}

function saysAdobeRgb(view) {
  let says = false;
  for (let at = 2; view.getUint8(at) === 0xff && view.getUint8(at + 1) !== 0xda; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xe2 && text(view, at + 4, 11) === "ICC_PROFILE") return false;
    if (marker === 0xe1 && text(view, at + 4, 4) === "Exif") {
      says = exifSays(new DataView(view.buffer, view.byteOffset + at + 10, view.getUint16(at + 2) - 8));
    }
  }
  return says;
}

function exifSays(tiff) {
  const little = tiff.getUint16(0) === 0x4949;
  const entries = (offset) => {
    const found = new Map();
    for (let i = 0, at = offset + 2; i < tiff.getUint16(offset, little); i++, at += 12) {
      found.set(tiff.getUint16(at, little), at + 8);
    }
    return found;
  };
  const long = (at) => tiff.getUint32(at, little);
  const first = entries(long(4));
  if (!first.has(0x8769)) return false;
  const camera = entries(long(first.get(0x8769)));
  const space = camera.has(0xa001) ? tiff.getUint16(camera.get(0xa001), little) : 0;
  if (space === 2) return true;
  if (space === 1 || !camera.has(0xa005)) return false;
  const index = entries(long(camera.get(0xa005))).get(1);
  return index !== undefined && text(tiff, index, 3) === "R03";
}

// Conversion

const pqToLight = (signal) => {
  const power = signal ** (32 / 2523);
  return 10000 * (Math.max(power - 3424 / 4096, 0) / (2413 / 128 - (2392 / 128) * power)) ** (16384 / 2610);
};

const lightToPq = (light) => {
  const power = (light / 10000) ** (2610 / 16384);
  return ((3424 / 4096 + (2413 / 128) * power) / (1 + (2392 / 128) * power)) ** (2523 / 32);
};

const hlgToScene = (signal) =>
  signal <= 0.5 ? signal ** 2 / 3 : (Math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12;

/** BT.2408, annex 5, for a picture whose brightest is `peak`; cd/m² both in and out. */
function toneMapped(light, peak) {
  if (peak <= WHITE) return light;
  const top = lightToPq(peak), most = lightToPq(WHITE) / top, knee = 1.5 * most - 0.5;
  const e = Math.min(lightToPq(light) / top, 1);
  if (e < knee) return light;
  const t = (e - knee) / (1 - knee);
  const spline = (2 * t ** 3 - 3 * t ** 2 + 1) * knee + (t ** 3 - 2 * t ** 2 + t) * (1 - knee) + (3 * t ** 2 - 2 * t ** 3) * most;
  return pqToLight(spline * top);
}

const encode = (light) => 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
const BRIGHTNESSES = 4096;

/** RGBA samples to sRGB, in place. */
function convert(data, { primaries, transfer }) {
  const toXyz = TO_XYZ[primaries], hlg = transfer === "hlg", isHdr = transfer !== "adobe";
  const curve = { adobe: (signal) => signal ** (563 / 256), pq: pqToLight, hlg: hlgToScene }[transfer];
  const table = Float64Array.from({ length: 256 }, (_, i) => curve(i / 255));
  const matrix = FROM_XYZ.map((row) => [0, 1, 2].map((c) => row.reduce((sum, value, k) => sum + value * toXyz[k][c], 0)));
  const light = new Float64Array(3);
  const read = (at) => {
    for (let c = 0; c < 3; c++) light[c] = table[data[at + c]];
    if (!hlg) return;
    const y = Math.max(1e-9, light[0] * toXyz[1][0] + light[1] * toXyz[1][1] + light[2] * toXyz[1][2]);
    const gain = HLG_PEAK * y ** 0.2;
    for (let c = 0; c < 3; c++) light[c] *= gain;
  };
  let ratios;
  if (isHdr) {
    const bins = new Uint32Array(BRIGHTNESSES);
    for (let at = 0; at < data.length; at += 4) {
      read(at);
      bins[Math.min(BRIGHTNESSES - 1, Math.floor(lightToPq(Math.max(...light)) * (BRIGHTNESSES - 1)))]++;
    }
    let above = 0, top = BRIGHTNESSES - 1;
    for (; top > 0; top--) if ((above += bins[top]) > Math.floor(data.length / 4 / 10000)) break;
    const peak = pqToLight((top + 1) / BRIGHTNESSES);
    ratios = Float64Array.from({ length: BRIGHTNESSES }, (_, i) => {
      const here = pqToLight(i / (BRIGHTNESSES - 1));
      return i ? toneMapped(here, peak) / here / WHITE : 1 / WHITE;
    });
  }
  for (let at = 0; at < data.length; at += 4) {
    read(at);
    let ratio = 1;
    if (ratios) {
      const place = lightToPq(Math.max(...light)) * (BRIGHTNESSES - 1), low = Math.floor(place);
      ratio = ratios[low] + (place - low) * (ratios[Math.min(low + 1, BRIGHTNESSES - 1)] - ratios[low]);
    }
    for (let c = 0; c < 3; c++) {
      const sum = matrix[c][0] * light[0] + matrix[c][1] * light[1] + matrix[c][2] * light[2];
      data[at + c] = encode(Math.min(1, Math.max(0, sum * ratio))); // rounds
    }
  }
}

// Transparency

/**
 * Give hidden pixels the colours of the visible ones around them, so that the edit depends on what is seen: averages
 * of what is visible, ever coarser, and back. The sums are those of e2gan.images.alpha, where Pillow does them in
 * integers, so that page and editor see the same photo. Says whether anything is transparent.
 */
export function fillHidden({ data, width, height }, faint = 16) {
  let least = 255, most = 0;
  for (let at = 3; at < data.length; at += 4) {
    least = Math.min(least, data[at]);
    most = Math.max(most, data[at]);
  }
  if (least >= faint) return least < 255;
  const behind = most < faint ? null : filled(data, width, height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] >= faint) continue;
    for (let c = 0; c < 3; c++) data[at + c] = behind ? behind[at + c] : 255;
  }
  return true;
}

/** The picture laid on its own coarser, filled self: opaque RGBA. */
function filled(fine, width, height) {
  const result = Uint8ClampedArray.from(fine);
  let hidden = false;
  for (let at = 3; at < result.length; at += 4) {
    hidden ||= result[at] < 255;
    result[at] = 255;
  }
  if (!hidden || (width === 1 && height === 1)) return result;
  const w = Math.ceil(width / 2), h = Math.ceil(height / 2);
  const behind = enlarged(filled(halved(fine, width, height), w, h), w, h, width, height);
  for (let at = 0; at < fine.length; at += 4) {
    const alpha = fine[at + 3];
    for (let c = 0; c < 3; c++) result[at + c] = by255(fine[at + c] * alpha + behind[at + c] * (255 - alpha));
  }
  return result;
}

/** A product of bytes over 255, rounded. */
const by255 = (product) => (product + 128 + ((product + 128) >> 8)) >> 8;

/** Averages of 2×2 pixels (fewer at an odd border) weighed by opacity; of four pixels one that is visible suffices. */
function halved(fine, width, height) {
  const w = Math.ceil(width / 2), h = Math.ceil(height / 2), coarse = new Uint8ClampedArray(4 * w * h);
  const sums = [0, 0, 0, 0];
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const right = Math.min(2 * x + 2, width), bottom = Math.min(2 * y + 2, height);
      const count = (right - 2 * x) * (bottom - 2 * y), to = 4 * (y * w + x);
      sums.fill(count >> 1); // rounds
      for (let v = 2 * y; v < bottom; v++) {
        for (let u = 2 * x; u < right; u++) {
          const from = 4 * (v * width + u), alpha = fine[from + 3];
          for (let c = 0; c < 3; c++) sums[c] += by255(fine[from + c] * alpha);
          sums[3] += alpha;
        }
      }
      const alpha = Math.floor(sums[3] / count);
      for (let c = 0; c < 3; c++) {
        const weighed = Math.floor(sums[c] / count);
        coarse[to + c] = alpha ? Math.floor((255 * weighed) / alpha) : weighed;
      }
      coarse[to + 3] = 4 * alpha;
    }
  }
  return coarse;
}

/** An opaque picture, bilinear: across, then down, rounded after each. */
function enlarged(coarse, w, h, width, height) {
  const across = stretched(coarse, h, 4 * w, 4, w, width);
  return stretched(across, 1, 0, 4 * width, h, height);
}

/** `rows` rows, `pitch` apart, of `from` cells of `cell` values each, as `to` cells. */
function stretched(values, rows, pitch, cell, from, to) {
  if (from === to) return values;
  const result = new Uint8ClampedArray(rows * to * cell);
  for (let n = 0; n < to; n++) {
    const centre = ((n + 0.5) * from) / to, low = Math.max(0, Math.floor(centre - 0.5));
    const high = Math.min(from - 1, Math.floor(centre + 0.5));
    const [a, b] = high > low ? [low + 1.5 - centre, centre - low - 0.5] : [1, 0];
    const [one, two] = [a, b].map((share) => Math.floor(0.5 + (share / (a + b)) * (1 << 22)));
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < cell; i++) {
        const start = row * pitch + i;
        const sum = values[start + low * cell] * one + values[start + high * cell] * two;
        result[(row * to + n) * cell + i] = Math.floor((sum + (1 << 21)) / (1 << 22));
      }
    }
  }
  return result;
}
