// Models that `e2gan export onnx --swap` wrote, on onnxruntime-web: the base, with the part of a concept appended.

const MOST_THREADS = 8;

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

  /** Put a concept behind the base; only its part is loaded, and that once. */
  async use(id) {
    const concept = this.index.concepts.find((each) => each.id === id);
    if (!this.#parts.has(id)) this.#parts.set(id, await read(`${this.#models}${concept.file}`, concept.bytes));
    const part = this.#parts.get(id);
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

  #create(bytes) {
    return this.#ort.InferenceSession.create(bytes, { executionProviders: this.#providers, graphOptimizationLevel: "all" });
  }

  /** An ImageData to its edit, of the same opacity, and the milliseconds that it took. */
  async edit({ data, width, height }) {
    const start = performance.now();
    const size = width * height;
    const planes = new Float32Array(3 * size);
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) planes[c * size + i] = data[4 * i + c] / 255;
    }
    const photo = new this.#ort.Tensor("float32", planes, [1, 3, height, width]);
    const { edit } = await this.#session.run({ photo });
    const made = await edit.getData();
    edit.dispose();
    const picture = new ImageData(width, height);
    for (let i = 0; i < size; i++) {
      picture.data[4 * i + 3] = data[4 * i + 3];
      for (let c = 0; c < 3; c++) picture.data[4 * i + c] = 255 * made[c * size + i]; // rounds, and stays in range
    }
    return { picture, milliseconds: performance.now() - start };
  }
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
