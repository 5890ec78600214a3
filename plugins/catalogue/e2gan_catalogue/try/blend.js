// A blend of concepts as one concept's part: what `e2gan export onnx --swap` wrote for each, put together so that the
// model computes what e2gan.models.edit.blended and the editor's sum of ΔW give.
//
// LoRA: factors of several concepts, one behind the other, multiply out to the sum of their ΔW; the shares go into B.
// Attention: a prompt's tokens, repeated n times, get n times the attention, which is what the share asks for.

const MODEL_GRAPH = 7, GRAPH_INITIALIZER = 5, DIMS = 1, DATA_TYPE = 2, NAME = 8, RAW_DATA = 9; // of ONNX's protobuf
const FLOAT = 1;
const HUNDRED = 100; // shares are whole per cent

/** The part for the parts of several concepts; `shares` add up to 1. */
export function blended(parts, shares) {
  const concepts = parts.map(tensorsOf);
  const counts = repeats(shares);
  const tensors = new Map();
  for (const name of concepts[0].keys()) {
    tensors.set(name, together(name, concepts.map((concept) => concept.get(name)), shares, counts, concepts));
  }
  return written(tensors);
}

function together(name, tensors, shares, counts, concepts) {
  if (name.endsWith(".lora_A.weight")) return joined(tensors, isTransposed(name) ? 1 : 0);
  if (name.endsWith(".lora_B.weight")) return joined(tensors.map((tensor, i) => times(tensor, shares[i])), 1);
  if (name === "prompt") return joined(tensors.flatMap((tensor, i) => Array(counts[i]).fill(tensor)), 1);
  if (name === "tone") return sum(tensors, amongThoseThatKeep(shares, concepts));
  return sum(tensors, shares); // what is kept, skips, noise
}

/** On the way up, convolutions are transposed, and their A is (in, rank, k, k). */
const isTransposed = (name) => /(^|\.)up\d*\.lora_A\.weight$/.test(name);

/** The tone is that of the concepts that keep something of the photo; the first kind of `shares` is nothing. */
function amongThoseThatKeep(shares, concepts) {
  const keeping = shares.map((share, i) => share * (1 - concepts[i].get("shares").values[0]));
  const total = keeping.reduce((a, b) => a + b);
  return total ? keeping.map((share) => share / total) : shares;
}

/** How often each prompt's tokens appear: the shares as the smallest whole numbers. */
function repeats(shares) {
  const counts = shares.map((share) => Math.max(1, Math.round(HUNDRED * share)));
  const divisor = counts.reduce((a, b) => {
    while (b) [a, b] = [b, a % b];
    return a;
  });
  return counts.map((count) => count / divisor);
}

// Tensors: {dims, values}

function times({ dims, values }, factor) {
  return { dims, values: values.map((value) => value * factor) };
}

function sum(tensors, weights) {
  const values = new Float32Array(tensors[0].values.length);
  tensors.forEach((tensor, i) => tensor.values.forEach((value, at) => (values[at] += weights[i] * value)));
  return { dims: tensors[0].dims, values };
}

/** Tensors that differ in one axis alone, joined along it. */
function joined(tensors, axis) {
  const before = product(tensors[0].dims.slice(0, axis));
  const widths = tensors.map(({ dims }) => product(dims.slice(axis)));
  const whole = widths.reduce((a, b) => a + b);
  const values = new Float32Array(before * whole);
  let start = 0;
  tensors.forEach((tensor, i) => {
    for (let row = 0; row < before; row++) {
      values.set(tensor.values.subarray(row * widths[i], (row + 1) * widths[i]), row * whole + start);
    }
    start += widths[i];
  });
  const dims = [...tensors[0].dims];
  dims[axis] = tensors.reduce((total, tensor) => total + tensor.dims[axis], 0);
  return { dims, values };
}

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

// Protobuf: only what a part consists of

function tensorsOf(part) {
  const tensors = new Map();
  for (const [graph] of fields(part, MODEL_GRAPH)) {
    for (const [initializer] of fields(graph, GRAPH_INITIALIZER)) {
      const [[name]] = fields(initializer, NAME);
      const [[type]] = fields(initializer, DATA_TYPE);
      if (type !== FLOAT) throw new Error("A concept's part holds other numbers than float32.");
      const [[raw]] = fields(initializer, RAW_DATA);
      const values = new Float32Array(raw.slice().buffer); // a copy begins at a multiple of four
      tensors.set(new TextDecoder().decode(name), { dims: fields(initializer, DIMS).flatMap(numbers), values });
    }
  }
  return tensors;
}

/** A repeated number: one to a field, or packed. */
function numbers([value]) {
  if (typeof value === "number") return [value];
  const found = [];
  for (let at = 0; at < value.length; ) {
    const [number, next] = varint(value, at);
    found.push(number);
    at = next;
  }
  return found;
}

/** The values of one field of a message, each as [value]: a number, or bytes. */
function fields(message, wanted) {
  const found = [];
  for (let at = 0; at < message.length; ) {
    const [key, from] = varint(message, at);
    const kind = key & 7;
    let value;
    if (kind === 0) [value, at] = varint(message, from);
    else if (kind === 1) at = from + 8;
    else if (kind === 5) at = from + 4;
    else if (kind === 2) {
      const [length, start] = varint(message, from);
      at = start + length;
      value = message.subarray(start, at);
    } else throw new Error("A concept's part is damaged.");
    if (key >>> 3 === wanted) found.push([value]);
  }
  return found;
}

function varint(bytes, at) {
  let number = 0;
  for (let shift = 1; ; shift *= 128) {
    const byte = bytes[at++];
    if (byte === undefined) throw new Error("A concept's part is damaged.");
    number += (byte & 127) * shift;
    if (byte < 128) return [number, at];
  }
}

function written(tensors) {
  const initializers = [...tensors].map(([name, { dims, values }]) =>
    field(GRAPH_INITIALIZER, [
      ...dims.flatMap((dim) => [key(DIMS, 0), asVarint(dim)]),
      key(DATA_TYPE, 0),
      asVarint(FLOAT),
      ...field(NAME, [new TextEncoder().encode(name)]),
      ...field(RAW_DATA, [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]),
    ]),
  );
  return chained(field(MODEL_GRAPH, initializers.flat()));
}

const key = (number, kind) => asVarint(number * 8 + kind);

function field(number, pieces) {
  return [key(number, 2), asVarint(pieces.reduce((total, piece) => total + piece.length, 0)), ...pieces];
}

function asVarint(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) | 128);
  return Uint8Array.from([...bytes, number]);
}

function chained(pieces) {
  const whole = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
