// Waiting for a clip, or for something at a large photo's full size: how much time is left, and a way out.

const EVERY = 1000; // milliseconds between two questions

export class Waiting {
  #at;
  #ask;
  #job = null;
  #asked = null; // the request before, until it is answered, even if nobody waits for it: answers come in order

  /** `place` has a text and a button, and is hidden while nothing is waited for. */
  constructor(place, text, button, ask) {
    this.#at = { place, text, button };
    this.#ask = ask;
    button.addEventListener("click", () => this.cancel());
  }

  /** The answer to a request as a long job; null if the visitor has cancelled it. `title` says what is being made,
   *  as text, or as a function of what the server tells: {share, ahead}. */
  async answer(what, request, title) {
    if (this.#job) await this.cancel(); // only one
    const job = (this.#job = { name: crypto.randomUUID?.() ?? String(Math.random()), end: () => {} });
    const cancelled = new Promise((resolve) => (job.end = () => resolve(null)));
    this.#say(title, {});
    const timer = setInterval(() => this.#look(job, title), EVERY);
    const before = this.#asked;
    this.#asked = (async () => {
      await before;
      return this.#job === job ? this.#ask(what, { ...request, job: job.name }) : null;
    })();
    const answer = await Promise.race([this.#asked, cancelled]);
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
    const answer = await this.#ask("left", { job: job.name });
    if (this.#job === job) this.#say(title, answer);
  }

  #say(title, answer) {
    const text = typeof title === "function" ? title(answer) : title;
    this.#at.place.hidden = false;
    this.#at.text.textContent = Number.isFinite(answer.left) ? `${text}: ${told(answer.left)} left` : `${text} …`;
  }
}

/** A time in words. */
export function told(seconds) {
  if (seconds < 2) return "a moment";
  return seconds < 90 ? `about ${Math.ceil(seconds)} seconds` : `about ${Math.ceil(seconds / 60)} minutes`;
}
