// Off the page's thread: the model, and enlarging its edits.

import { enlarge } from "./enlarge.js";
import { Model } from "./model.js";

let model;

const jobs = {
  async open({ models, runtime }) {
    model = await Model.open(models, runtime, (progress) => self.postMessage({ progress }));
    return { index: model.index, runtime: model.runtime };
  },
  async use({ shares }) {
    await model.use(shares);
    return { runtime: model.runtime };
  },
  edit: ({ pixels }) => model.edit(pixels),
  enlarge({ photo, small, edit, strength }) {
    enlarge(photo, small, edit, strength);
    return photo;
  },
  async frame({ photo, small, strength }) {
    const edit = await model.edit(small);
    enlarge(photo, small, edit, strength);
    return { photo, edit };
  },
};

let turn = Promise.resolve();

// One job after another: no picture is edited while the concept changes.
self.onmessage = ({ data }) => {
  turn = turn.then(() => run(data));
};

async function run({ id, job, ...details }) {
  try {
    self.postMessage({ id, result: await jobs[job](details) });
  } catch (error) {
    self.postMessage({ id, error: error.message || String(error) });
  }
}
