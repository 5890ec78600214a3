// A file to what it looks like in sRGB: what browsers do themselves, and what they miss.
//
// Browsers convert by ICC profiles and most of CICP. They take a camera's Adobe RGB that only EXIF tells for sRGB, take
// video range for full range, and darken HDR; these are converted here as e2gan.images.colour does, from the samples as
// they are in the file. They also miss some orientations.

const WHITE = 203; // cd/m² of SDR white in HDR: ITU-R BT.2408
const HLG_PEAK = 1000; // cd/m²: ITU-R BT.2100

const D65 = [0.3127, 0.329];
const CORNERS = { // x, y of red, green, blue and white: ITU-T H.273, table 2
  1: [[0.64, 0.33], [0.3, 0.6], [0.15, 0.06], D65],
  2: [[0.64, 0.33], [0.3, 0.6], [0.15, 0.06], D65], // unspecified
  4: [[0.67, 0.33], [0.21, 0.71], [0.14, 0.08], [0.31, 0.316]],
  5: [[0.64, 0.33], [0.29, 0.6], [0.15, 0.06], D65],
  6: [[0.63, 0.34], [0.31, 0.595], [0.155, 0.07], D65],
  7: [[0.63, 0.34], [0.31, 0.595], [0.155, 0.07], D65],
  8: [[0.681, 0.319], [0.243, 0.692], [0.145, 0.049], [0.31, 0.316]],
  9: [[0.708, 0.292], [0.17, 0.797], [0.131, 0.046], D65],
  10: [[1, 0], [0, 1], [0, 0], [1 / 3, 1 / 3]],
  11: [[0.68, 0.32], [0.265, 0.69], [0.15, 0.06], [0.314, 0.351]],
  12: [[0.68, 0.32], [0.265, 0.69], [0.15, 0.06], D65],
  22: [[0.63, 0.34], [0.295, 0.605], [0.155, 0.077], D65],
  adobe: [[0.64, 0.33], [0.21, 0.71], [0.15, 0.06], D65],
};
const PQ = 16, HLG = 18;
const BRADFORD = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
const D50 = [[0.9642], [1], [0.8249]];

/** A canvas with the photo upright in sRGB; throws what createImageBitmap does where the browser cannot read the file. */
export async function openPhoto(blob) {
  const view = new DataView(await blob.arrayBuffer());
  const { colours, orientation, file } = await tell(view);
  const bitmap = await createImageBitmap(file ?? blob, colours ? { colorSpaceConversion: "none" } : {});
  const { canvas, context } = upright(bitmap, orientation, Boolean(colours));
  bitmap.close();
  if (colours) {
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    convert(pixels.data, colours);
    context.putImageData(pixels, 0, 0);
  }
  return canvas;
}

function upright(bitmap, orientation, willReadFrequently) {
  const { width, height } = bitmap, turned = orientation >= 5;
  const canvas = Object.assign(document.createElement("canvas"), turned ? { width: height, height: width } : { width, height });
  const context = canvas.getContext("2d", { willReadFrequently });
  // By EXIF's orientation: where a step along the picture's rows and columns, and its corner, come to lie.
  const [a, b, c, d, e, f] = {
    2: [-1, 0, 0, 1, width, 0], 3: [-1, 0, 0, -1, width, height], 4: [1, 0, 0, -1, 0, height], 5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, height, 0], 7: [0, -1, -1, 0, height, width], 8: [0, -1, 1, 0, 0, width],
  }[orientation] ?? [1, 0, 0, 1, 0, 0];
  context.setTransform(a, b, c, d, e, f);
  context.drawImage(bitmap, 0, 0);
  context.resetTransform();
  return { canvas, context };
}

// What the file says

/**
 * What the browser would get wrong: colours ({ primaries, transfer, narrow }, or null), an orientation (1 to 8, or
 * undefined), and the file as it would understand it (or undefined).
 */
async function tell(view) {
  try {
    if (view.getUint32(0) === 0x89504e47) return await tellPng(view);
    if (text(view, 0, 4) === "RIFF" && text(view, 8, 4) === "WEBP") return await tellWebp(view);
    if (text(view, 4, 4) === "ftyp") return { colours: tellAvif(view) };
    if (view.getUint16(0) === 0xffd8) return { colours: tellJpeg(view) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // damaged, or cut off
  }
  return {};
}

const isHdr = (transfer) => transfer === PQ || transfer === HLG;

/** Colours from code points, if they are HDR and known. */
function hdr([primaries, transfer] = []) {
  return isHdr(transfer) && primaries in CORNERS ? { primaries, transfer } : null;
}

const adobe = { primaries: "adobe", transfer: "adobe" };

function text(view, at, length) {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));
}

function part(view, at, length) {
  return new DataView(view.buffer, view.byteOffset + at, Math.min(length, view.byteLength - at));
}

async function tellPng(view) {
  let colours = null, told = false, exif = false, pixels = 0, file;
  for (let at = 8; at + 12 <= view.byteLength; at += 12 + view.getUint32(at)) {
    const size = view.getUint32(at), kind = text(view, at + 4, 4);
    if (kind === "IDAT") pixels ||= at;
    if (kind === "cICP" && !pixels && view.getUint8(at + 10) === 0) {
      const [primaries, transfer] = [view.getUint8(at + 8), view.getUint8(at + 9)];
      if (primaries in CORNERS && transfer in CURVES && !(primaries === 2 && transfer === 2)) {
        const narrow = view.getUint8(at + 11) === 0;
        colours = narrow || isHdr(transfer) ? { primaries, transfer, narrow } : null;
        told = true;
      }
    }
    if (kind === "iCCP" && !told && !pixels) {
      const name = text(view, at + 8, Math.min(80, size)).indexOf("\0");
      colours = hdr(cicpOf(await inflated(part(view, at + 8 + name + 2, size - name - 2))));
    }
    if (kind === "eXIf" && !exif) {
      exif = true;
      // Browsers look for it before the pixels alone.
      if (pixels) {
        const bytes = new Uint8Array(view.buffer);
        file = new Blob([bytes.subarray(0, pixels), bytes.subarray(at, at + 12 + size), bytes.subarray(pixels)]);
      }
    }
    if (kind === "IEND") break;
  }
  return { colours, file };
}

async function inflated(packed) {
  try {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new DataView(await new Response(stream).arrayBuffer());
  } catch {
    return new DataView(new ArrayBuffer(0)); // damaged
  }
}

/** Code points in an ICC profile (ICC.1:2022, 9.2.17). */
function cicpOf(profile) {
  if (profile.byteLength < 132) return undefined;
  const end = Math.min(132 + 12 * profile.getUint32(128), profile.byteLength - 11);
  for (let at = 132; at < end; at += 12) {
    const place = profile.getUint32(at + 4);
    if (text(profile, at, 4) === "cicp" && place + 12 <= profile.byteLength) {
      return [profile.getUint8(place + 8), profile.getUint8(place + 9)];
    }
  }
  return undefined;
}

async function tellWebp(view) {
  let profile, exif;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const kind = text(view, at, 4), size = view.getUint32(at + 4, true);
    if (kind === "ICCP") profile ??= part(view, at + 8, size);
    if (kind === "EXIF") {
      const start = text(view, at + 8, Math.min(6, size)) === "Exif\0\0" ? 6 : 0;
      exif ??= readExif(part(view, at + 8 + start, size - start));
    }
    at += 8 + size + (size % 2);
  }
  const colours = profile ? hdr(cicpOf(profile)) : exif?.adobe ? adobe : null;
  return { colours, orientation: exif && !(await turnsWebp()) ? exif.orientation : undefined };
}

// Two pixels side by side, which EXIF puts one below the other.
const TURNED = "UklGRlAAAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TA8AAAAvAQAAAAcQ/Y/+ByKi/wEARVhJRhoAAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA==";

/** Whether the browser turns a WebP by its EXIF. */
async function turnsWebp() {
  const bytes = Uint8Array.from(atob(TURNED), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]));
  return bitmap.height === 2;
}

/** An AVIF's ICC profile, else its first nclx: files with pictures in several spaces are extremely rare. */
function tellAvif(view) {
  const boxes = text(view, 0, Math.min(view.byteLength, 1 << 16));
  const profile = boxes.search(/colr(prof|rICC)/), nclx = boxes.indexOf("colrnclx");
  if (profile >= 4) return hdr(cicpOf(part(view, profile + 8, view.getUint32(profile - 4) - 12)));
  return nclx < 0 ? null : hdr([view.getUint16(nclx + 8), view.getUint16(nclx + 10)]);
}

function tellJpeg(view) {
  let exif = null;
  const profile = [];
  for (let at = 2; view.getUint8(at) === 0xff && view.getUint8(at + 1) !== 0xda; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint8(at + 1), size = view.getUint16(at + 2) - 2;
    if (marker === 0xe2 && size > 14 && text(view, at + 4, 11) === "ICC_PROFILE") {
      profile[view.getUint8(at + 16)] = new Uint8Array(view.buffer, at + 18, size - 14);
    }
    if (marker === 0xe1 && size > 6 && text(view, at + 4, 4) === "Exif") exif ??= readExif(part(view, at + 10, size - 6));
  }
  if (!profile.length) return exif?.adobe ? adobe : null;
  const bytes = profile.flatMap((segment) => Array.from(segment));
  return hdr(cicpOf(new DataView(Uint8Array.from(bytes).buffer)));
}

/** { adobe, orientation }; null if it is damaged. */
function readExif(tiff) {
  try {
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
    const orientation = first.has(0x112) ? tiff.getUint16(first.get(0x112), little) : 1;
    const camera = first.has(0x8769) ? entries(long(first.get(0x8769))) : new Map();
    const space = camera.has(0xa001) ? tiff.getUint16(camera.get(0xa001), little) : 0;
    const index = camera.has(0xa005) ? entries(long(camera.get(0xa005))).get(1) : undefined;
    return { orientation, adobe: space === 2 || (space !== 1 && index !== undefined && text(tiff, index, 3) === "R03") };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
}

// Conversion

const times = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const rows = [
    [e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f], [d * h - e * g, b * g - a * h, a * e - b * d],
  ];
  const determinant = a * rows[0][0] + b * rows[1][0] + c * rows[2][0];
  return rows.map((row) => row.map((value) => value / determinant));
}

const diagonal = (column) => column.map(([value], i) => column.map((_, j) => (i === j ? value : 0)));

/** Linear RGB to XYZ, adapted to D50 (Bradford). */
function toXyz(primaries) {
  const corners = CORNERS[primaries].map(([x, y]) => [x, y, 1 - x - y]);
  const white = corners[3].map((value) => [value / corners[3][1]]);
  const columns = [0, 1, 2].map((row) => [0, 1, 2].map((corner) => corners[corner][row]));
  const matrix = times(columns, diagonal(times(inverse(columns), white)));
  const here = times(BRADFORD, white), there = times(BRADFORD, D50);
  const cones = diagonal(there.map(([value], i) => [value / here[i][0]]));
  return times(times(inverse(BRADFORD), cones), times(BRADFORD, matrix));
}

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

const power = (exponent) => (signal) => signal ** exponent;
const srgbToLight = (signal) => (signal <= 0.04045 ? signal / 12.92 : ((signal + 0.055) / 1.055) ** 2.4);

const CURVES = { // ITU-T H.273, table 3; the curves of video as displays show them
  1: power(2.4), 2: srgbToLight, 4: power(2.2), 5: power(2.8), 6: power(2.4),
  7: (signal) => (signal < 0.0912 ? signal / 4 : ((signal + 0.1115) / 1.1115) ** (1 / 0.45)),
  8: power(1), 11: power(2.4), 13: srgbToLight, 14: power(2.4), 15: power(2.4), [PQ]: pqToLight,
  17: (signal) => (52.37 / 48) * signal ** 2.6, [HLG]: hlgToScene, adobe: power(563 / 256),
};

const encode = (light) => 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
const BRIGHTNESSES = 4096;

/** RGBA samples to sRGB, in place. */
function convert(data, { primaries, transfer, narrow }) {
  const ofSource = toXyz(primaries), matrix = times(inverse(toXyz(1)), ofSource);
  const [luminance] = times([[0.2627, 0.678, 0.0593]], times(inverse(toXyz(9)), ofSource));
  const wide = (code) => (narrow ? Math.min(255, Math.max(0, Math.round(((code - 16) * 255) / 219))) : code);
  const table = Float64Array.from({ length: 256 }, (_, code) => CURVES[transfer](wide(code) / 255));
  const light = new Float64Array(3);
  const read = (at) => {
    for (let c = 0; c < 3; c++) light[c] = table[data[at + c]];
    if (transfer !== HLG) return;
    const y = Math.max(1e-9, light[0] * luminance[0] + light[1] * luminance[1] + light[2] * luminance[2]);
    const gain = HLG_PEAK * y ** 0.2;
    for (let c = 0; c < 3; c++) light[c] *= gain;
  };
  let ratios;
  if (isHdr(transfer)) {
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
