// An edit at the size of its photo, mixed with it: what e2gan.upsample and e2gan.strength do, where it is explained.

const RADIUS = 4; // of the windows, in pixels of the small edit
const EPSILON = 2e-3;
const LUMINANCE = [0.299 / 255, 0.587 / 255, 0.114 / 255];
const TAPS = 4;

/**
 * Put the edit into the photo's pixels, in place.
 *
 * @param photo     ImageData; its opacity stays
 * @param small     ImageData: the photo scaled down
 * @param edit      ImageData of the same size: the edit of `small`
 * @param strength  0 gives the photo, 1 the edit
 */
export function enlarge(photo, small, edit, strength) {
  const { width, height, data } = photo;
  if (width === edit.width && height === edit.height) {
    for (let at = 0; at < data.length; at++) if (at % 4 < 3) data[at] += strength * (edit.data[at] - data[at]);
    return;
  }
  const maps = lines(small, edit);
  const [down, across] = [taps(edit.height, height), taps(edit.width, width)];
  const rows = maps.map(() => new Float32Array(edit.width));
  for (let y = 0; y < height; y++) {
    maps.forEach((map, m) => {
      rows[m].fill(0);
      for (let tap = 0; tap < TAPS; tap++) {
        const weight = down.weights[TAPS * y + tap], from = down.places[TAPS * y + tap] * edit.width;
        if (weight) for (let x = 0; x < edit.width; x++) rows[m][x] += weight * map[from + x];
      }
    });
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      const light = luminance(data, at);
      for (let c = 0; c < 3; c++) {
        let slope = 0, rest = 0;
        for (let tap = TAPS * x; tap < TAPS * (x + 1); tap++) {
          slope += across.weights[tap] * rows[c][across.places[tap]];
          rest += across.weights[tap] * rows[c + 3][across.places[tap]];
        }
        data[at + c] = 255 * strength * (slope * light + rest) + (1 - strength) * data[at + c]; // rounds, stays in range
      }
    }
  }
}

const luminance = (data, at) => LUMINANCE[0] * data[at] + LUMINANCE[1] * data[at + 1] + LUMINANCE[2] * data[at + 2];

/** The edit as lines in the photo's luminance: slopes of red, green and blue, then what the lines leave over. */
function lines(small, edit) {
  const { width, height } = edit, size = width * height;
  const light = new Float32Array(size), squared = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    light[i] = luminance(small.data, 4 * i);
    squared[i] = light[i] * light[i];
  }
  const mean = windowMean(light, width, height), meanSquare = windowMean(squared, width, height);
  const slopes = [], rests = [];
  for (let c = 0; c < 3; c++) {
    const channel = new Float32Array(size), products = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      channel[i] = edit.data[4 * i + c] / 255;
      products[i] = light[i] * channel[i];
    }
    const meanEdit = windowMean(channel, width, height), slope = windowMean(products, width, height);
    for (let i = 0; i < size; i++) {
      slope[i] = (slope[i] - mean[i] * meanEdit[i]) / (meanSquare[i] - mean[i] * mean[i] + EPSILON);
    }
    slopes.push(windowMean(slope, width, height));
    rests.push(channel.map((value, i) => value - slopes[c][i] * light[i]));
  }
  return [...slopes, ...rests];
}

/** Means over the square windows around each pixel, cut off at the edges. */
function windowMean(values, width, height) {
  const down = new Float32Array(values.length), across = new Float32Array(values.length);
  for (let x = 0; x < width; x++) runningMean(values, down, x, width, height);
  for (let y = 0; y < height; y++) runningMean(down, across, y * width, 1, width);
  return across;
}

function runningMean(from, to, start, step, count) {
  let sum = 0, first = 0, last = 0;
  for (let i = 0; i < count; i++) {
    while (last < Math.min(i + RADIUS + 1, count)) sum += from[start + step * last++];
    while (first < i - RADIUS) sum -= from[start + step * first++];
    to[start + step * i] = sum / (last - first);
  }
}

/** Bicubic enlargement from `from` to `to` values as Pillow does it: four places and their weights for each. */
function taps(from, to) {
  const places = new Int32Array(TAPS * to), weights = new Float32Array(TAPS * to);
  for (let i = 0; i < to; i++) {
    const centre = ((i + 0.5) * from) / to, first = Math.floor(centre - 1.5);
    let total = 0;
    for (let tap = 0; tap < TAPS; tap++) {
      const place = first + tap, inside = place >= 0 && place < from;
      places[TAPS * i + tap] = Math.min(from - 1, Math.max(0, place));
      total += weights[TAPS * i + tap] = inside ? bicubic(place + 0.5 - centre) : 0;
    }
    for (let tap = 0; tap < TAPS; tap++) weights[TAPS * i + tap] /= total;
  }
  return { places, weights };
}

function bicubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
