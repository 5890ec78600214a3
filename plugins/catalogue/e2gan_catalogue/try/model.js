// Models that `e2gan export onnx --swap` wrote, on onnxruntime-web: the base, with the part of a concept appended.

import { blended } from "./blend.js";

const MOST_THREADS = 8;
const LEAST_SIDE = 32; // of a picture, in pixels

export class Model {
  #ort;
  #providers;
  #models;
  #base;
  #parts = new Map();
  #session;

  /** Load the runtime from one folder, and from another what concepts.json names. */
  static async open(models, runtime, progress) {
    const model = new Model();
    model.#models = models;
    model.index = await (await found(`${models}concepts.json`)).json();
    const { file, bytes } = model.index.base;
    [model.#base] = await Promise.all([read(`${models}${file}`, bytes, progress), model.#load(runtime)]);
    return model;
  }

  async #load(folder) {
    const gpu = await navigator.gpu?.requestAdapter().catch(() => null);
    this.#ort = await import(`${folder}${gpu ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs"}`);
    const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
    Object.assign(this.#ort.env.wasm, { wasmPaths: folder, numThreads: threads });
    this.#ort.env.logLevel = "error";
    this.#providers = gpu ? ["webgpu", "wasm"] : ["wasm"];
    this.wasm = `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  }

  get runtime() {
    return this.#providers[0] === "webgpu" ? "WebGPU" : this.wasm;
  }

  /** Put a concept, or a blend, behind the base: {id: share}; only parts are loaded, and each once. */
  async use(shares) {
    const ids = Object.keys(shares);
    const parts = await Promise.all(ids.map((id) => this.#part(id)));
    const part = parts.length > 1 ? blended(parts, Object.values(shares)) : parts[0];
    const whole = new Uint8Array(this.#base.length + part.length);
    whole.set(this.#base);
    whole.set(part, this.#base.length);
    await this.#session?.release();
    this.#session = undefined;
    try {
      this.#session = await this.#create(whole);
    } catch (error) {
      if (this.#providers.length === 1) throw error;
      this.#providers = ["wasm"]; // there is a GPU, but not for this
      this.#session = await this.#create(whole);
    }
  }

  async #part(id) {
    const { file, bytes } = this.index.concepts.find((each) => each.id === id);
    if (!this.#parts.has(id)) this.#parts.set(id, await read(`${this.#models}${file}`, bytes));
    return this.#parts.get(id);
  }

  #create(bytes) {
    return this.#ort.InferenceSession.create(bytes, { executionProviders: this.#providers, graphOptimizationLevel: "all" });
  }

  /** An ImageData to its edit, of the same size and opacity. */
  async edit({ data, width, height }) {
    const columns = places(width, this.index.stride), rows = places(height, this.index.stride);
    const size = columns.length * rows.length;
    const planes = new Float32Array(3 * size);
    let to = 0;
    for (const y of rows) {
      for (const x of columns) {
        const from = 4 * (y * width + x);
        for (let c = 0; c < 3; c++) planes[c * size + to] = data[from + c] / 255;
        to++;
      }
    }
    const photo = new this.#ort.Tensor("float32", planes, [1, 3, rows.length, columns.length]);
    const { edit } = await this.#session.run({ photo });
    const made = await edit.getData();
    edit.dispose();
    const picture = new ImageData(width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = 4 * (y * width + x), from = y * columns.length + x;
        picture.data[at + 3] = data[at + 3];
        for (let c = 0; c < 3; c++) picture.data[at + c] = 255 * made[c * size + from]; // rounds, and stays in range
      }
    }
    return picture;
  }
}

/** The places of a row's pixels, with as many mirrored ones behind them as the model needs. */
function places(count, stride) {
  const padded = Math.max(LEAST_SIDE, Math.ceil(count / stride) * stride), period = Math.max(1, 2 * (count - 1));
  return Array.from({ length: padded }, (_, i) => Math.min(i % period, period - (i % period)));
}

async function found(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.split("/").pop()} cannot be loaded (${response.status}).`);
  return response;
}

/** The bytes at an address, of which there are `size`. */
async function read(url, size, progress = () => {}) {
  const bytes = new Uint8Array(size);
  let done = 0;
  for await (const chunk of chunks((await found(url)).body)) {
    if (done + chunk.length > size) break;
    bytes.set(chunk, done);
    done += chunk.length;
    progress(done / size);
  }
  if (done !== size) throw new Error(`${url.split("/").pop()} is not what concepts.json promises.`);
  return bytes;
}

async function* chunks(stream) {
  const reader = stream.getReader(); // not every browser iterates over a stream
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
