// Waiting for something at a large photo's full size: how much time is left, and a way out.

const EVERY = 1000; // milliseconds between two questions

export class Waiting {
  #at;
  #ask;
  #job = null;

  /** `place` has a text and a button, and is hidden while nothing is waited for. */
  constructor(place, text, button, ask) {
    this.#at = { place, text, button };
    this.#ask = ask;
    button.addEventListener("click", () => this.cancel());
  }

  /** The answer to a request as a long job; null if the visitor has cancelled it. `title` says what is being made. */
  async answer(what, request, title) {
    await this.cancel(); // only one
    const job = (this.#job = { name: crypto.randomUUID?.() ?? String(Math.random()), end: () => {} });
    const cancelled = new Promise((resolve) => (job.end = () => resolve(null)));
    this.#say(title, null);
    const timer = setInterval(() => this.#look(job, title), EVERY);
    const answer = await Promise.race([this.#ask(what, { ...request, job: job.name }), cancelled]);
    clearInterval(timer);
    if (this.#job === job) {
      this.#job = null;
      this.#at.place.hidden = true;
    }
    return answer;
  }

  /** Stop what is being made, if anything is. */
  async cancel() {
    const job = this.#job;
    if (!job) return;
    this.#job = null;
    this.#at.place.hidden = true;
    job.end();
    await this.#ask("cancel", { job: job.name });
  }

  async #look(job, title) {
    const { left } = await this.#ask("left", { job: job.name });
    if (this.#job === job) this.#say(title, left ?? null);
  }

  #say(title, left) {
    this.#at.place.hidden = false;
    this.#at.text.textContent = left === null ? `${title} …` : `${title}: ${told(left)} left`;
  }
}

function told(seconds) {
  if (seconds < 2) return "a moment";
  return seconds < 90 ? `about ${Math.ceil(seconds)} seconds` : `about ${Math.ceil(seconds / 60)} minutes`;
}
