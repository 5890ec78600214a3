// Threads need a page that is isolated from other origins. Hosts that cannot send the headers for that get them from a
// service worker of ours; the page is then loaded again.

/** Whether the page is about to be loaded again. */
export async function isolate() {
  if (self.crossOriginIsolated || !("serviceWorker" in navigator) || sessionStorage.getItem("isolated")) return false;
  sessionStorage.setItem("isolated", "tried"); // so that it is loaded again only once
  try {
    await navigator.serviceWorker.register("isolation-worker.js");
    await navigator.serviceWorker.ready;
  } catch {
    return false; // one thread will do
  }
  location.reload();
  return true;
}
