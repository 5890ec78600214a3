#!/usr/bin/env bash
# Mediabunny: a Conversion that encodes pictures leaves out the last frame of a browser's own recording.
#
# Guess:    a Conversion of a WebM from MediaRecorder to another codec has as many frames as the WebM.
# Happens:  it has one less. MediaRecorder writes no durations, so the last frame's is 0; Conversion passes over frames
#           whose end is not after their beginning. A recording of one frame becomes a clip of none. VideoSampleSink, which
#           Conversion reads from, gives all frames.
# Versions: mediabunny 1.61.0 (npm), playwright 1.65.2, Chromium 156, Python 3.11, Linux x86-64
# Date:     2026-11-30
# Source:   src/conversion.ts of the package: "Wholly out of the trim region"
# Output:
#   frames in the recording: 8, the last one's duration 0
#   frames after Conversion: 7
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q playwright==1.65.2
(cd "$work" && npm pack --silent mediabunny@1.61.0 >/dev/null && tar -xzf mediabunny-1.61.0.tgz)
cat > "$work/convert.py" <<'PY'
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import sync_playwright

CONVERT = """async () => {
    const media = await import("/dist/bundles/mediabunny.min.mjs");
    const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 64 });
    const context = canvas.getContext("2d"), parts = [];
    const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: "video/webm;codecs=vp8" });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((resolve) => (recorder.onstop = resolve));
    recorder.start();
    for (let frame = 0; frame < 8; frame++) {
        context.fillStyle = `hsl(${40 * frame} 80% 50%)`;
        context.fillRect(0, 0, 96, 64);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    recorder.stop();
    await stopped;
    const open = (source) => new media.Input({ source, formats: media.ALL_FORMATS });
    const durations = async (input) => {
        const found = [];
        const sink = new media.VideoSampleSink(await input.getPrimaryVideoTrack());
        for await (const sample of sink.samples()) {
            found.push(sample.duration);
            sample.close();
        }
        return found;
    };
    const recording = new Blob(parts), target = new media.BufferTarget();
    const before = await durations(open(new media.BlobSource(recording)));
    const output = new media.Output({ format: new media.WebMOutputFormat(), target });
    const conversion = await media.Conversion.init({
        input: open(new media.BlobSource(recording)), output, video: { codec: "vp9", forceTranscode: true },
    });
    await conversion.execute();
    return { before, after: (await durations(open(new media.BufferSource(target.buffer)))).length };
}"""

handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=sys.argv[1]))
threading.Thread(target=server.serve_forever, daemon=True).start()
with sync_playwright() as playwright:
    program = shutil.which("chromium") or shutil.which("google-chrome") or playwright.chromium.executable_path
    browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/README.md")
    told = page.evaluate(CONVERT)
    browser.close()
before, after = told["before"], told["after"]
print(f"frames in the recording: {len(before)}, the last one's duration {before[-1]:g}")
print(f"frames after Conversion: {after}")
assert before[-1] == 0, "the last frame has a duration now"
assert after == len(before) - 1, "Conversion keeps the last frame now"
PY
"$work/venv/bin/python" "$work/convert.py" "$work/package"
