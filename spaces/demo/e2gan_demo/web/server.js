// Asking the server.  Gradio takes a request from window.e2gan when it is told that there is one.

const ASKED = ["photo", "edit", "save", "make", "add", "left", "cancel"];
const UNREACHABLE = { error: "The server is busy or out of reach.", hint: "Try again in a moment." };

/** A function (what, request) → answer; what went wrong is in the answer's `error` and `hint`. */
export function server(trigger) {
  const queues = () => Object.fromEntries(ASKED.map((what) => [what, []]));
  const asked = queues(), waiting = queues();
  window.e2gan = {
    take: (what) => asked[what].shift(),
    receive: (what, answer) => waiting[what].shift()?.(answer),
    fail: (what) => waiting[what].shift()?.(UNREACHABLE),
  };
  return (what, request) =>
    new Promise((resolve) => {
      asked[what].push(request);
      waiting[what].push(resolve);
      trigger(`ask_${what}`);
    });
}
