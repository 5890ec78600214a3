// Work that takes its time: one piece after another, and always what is wanted now.

export class Work {
  #next;
  #done;
  #busy = false;

  /** `next` gives the piece that is wanted most, a function, or null; `done` is called when nothing is left. */
  constructor(next, done = () => {}) {
    this.#next = next;
    this.#done = done;
  }

  /** Go on, if nothing is under way: something may be wanted now. */
  async wake() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let piece = this.#next(); piece; piece = this.#next()) await piece();
    } finally {
      this.#busy = false;
    }
    this.#done();
  }
}
