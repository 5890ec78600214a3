// The editor as the page sees it: a worker that loads concepts and edits pictures, one thing after another.

export class Editor {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #count = 0;

  /** What concepts.json says. */
  index;
  /** What it computes with, in words. */
  runtime;

  /** Load the base and the runtime; `progress` is told the share that is loaded. */
  static async open(models, runtime, progress) {
    const editor = new Editor();
    editor.#worker.onmessage = ({ data }) => {
      if ("progress" in data) return progress(data.progress);
      const { resolve, reject } = editor.#waiting.get(data.id);
      editor.#waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.result);
    };
    editor.#worker.onerror = (event) => {
      for (const { reject } of editor.#waiting.values()) reject(new Error(event.message || "The worker failed."));
      editor.#waiting.clear();
    };
    const [at, from] = [models, runtime].map((folder) => new URL(folder, document.baseURI).href);
    Object.assign(editor, await editor.#ask("open", { models: at, runtime: from }));
    return editor;
  }

  /** Append a concept, or a blend, to the base: {id: share}; the shares add up to 1. */
  async use(shares) {
    Object.assign(this, await this.#ask("use", { shares }));
  }

  /** The edit of an ImageData, in the same form. */
  edit(pixels) {
    return this.#ask("edit", { pixels }, [pixels.data.buffer]);
  }

  /** The edit of a photo's smaller copy, brought to the photo's size and mixed with it; all are ImageData. */
  enlarge(photo, small, edit, strength) {
    return this.#ask("enlarge", { photo, small, edit, strength }, [photo.data.buffer]);
  }

  /** Both at once, for a frame of a clip: {photo, edit}. */
  frame(photo, small, strength) {
    return this.#ask("frame", { photo, small, strength }, [photo.data.buffer, small.data.buffer]);
  }

  #ask(job, details, transfer = []) {
    const id = ++this.#count;
    this.#worker.postMessage({ id, job, ...details }, transfer);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}
