"""The web demo: what the server adds to an edit, twenty visitors at once, live frames, and how soon it is there."""

from __future__ import annotations

import base64
import io
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import requests
from PIL import Image

from benchmarks.measuring import SAMPLES, Figure, parser, report, script
from benchmarks.startup import CORES, PROGRAM
from benchmarks.switching import shipped
from e2gan.editor import Editor
from e2gan.errors import E2GANError

SIDE = 256
"""Of the photo, in pixels."""


def picture(seed: int) -> Image.Image:
    """A square piece of a sample photograph, another for each seed."""
    files = sorted(SAMPLES.glob("*.jpg"))
    chance = random.Random(seed)
    with Image.open(files[seed % len(files)]) as photo:
        photo.thumbnail((700, 700))
        left, top = (chance.randrange(side - SIDE) for side in photo.size)
        return photo.crop((left, top, left + SIDE, top + SIDE))


class Visitor:
    """A browser's part in the page's protocol, Gradio's: upload, join the queue, wait for the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._hash = uuid.uuid4().hex[:11]
        config = self._session.get(f"{url}config", timeout=60).json()
        self._functions = {
            event: dependency["id"]
            for dependency in config["dependencies"]
            for _, event in dependency["targets"]
            if dependency["backend_fn"]
        }

    def ask(self, what: str, request: Mapping[str, Any]) -> dict[str, Any]:
        body = {
            "data": [request],
            "fn_index": self._functions[f"ask_{what}"],
            "session_hash": self._hash,
            "trigger_id": 0,
            "event_data": None,
        }
        joined = self._session.post(f"{self._url}gradio_api/queue/join", json=body, timeout=60)
        joined.raise_for_status()
        event = joined.json()["event_id"]
        data = f"{self._url}gradio_api/queue/data"
        with self._session.get(data, params={"session_hash": self._hash}, stream=True, timeout=120) as lines:
            for line in lines.iter_lines(chunk_size=None):  # type: ignore[call-overload]  # as they come
                message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if message.get("msg") == "process_completed" and message.get("event_id") == event:
                    if not message["success"]:
                        raise E2GANError(f"the server failed: {message['output']}")
                    return dict(message["output"]["data"][0])
        raise E2GANError("the server hung up")

    def open(self, photo: Image.Image) -> str:
        """Upload a photo; its name on the server."""
        buffer = io.BytesIO()
        photo.save(buffer, "PNG")
        sent = self._session.post(
            f"{self._url}gradio_api/upload", files={"files": ("photo.png", buffer.getvalue())}, timeout=60
        )
        sent.raise_for_status()
        return str(self.ask("photo", {"path": sent.json()[0]})["photo"])

    def edit(self, photo: str, concept: str) -> Image.Image:
        answer = self.ask("edit", {"photo": photo, "concepts": {concept: 1}, "size": 512})
        if "error" in answer:
            raise E2GANError(answer["error"])
        return pixels(answer["picture"])


def pixels(url: str) -> Image.Image:
    """The picture of a data URL, decoded."""
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    picture.load()
    return picture


def sketch(picture: Image.Image) -> np.ndarray:
    """Every eighth pixel of every eighth row: enough to tell one edit from another, and cheap."""
    return np.asarray(picture)[::8, ::8].astype(np.int16)


@dataclass
class Running:
    """The demo in a process of its own."""

    url: str
    seconds: float
    """From its start until the page could be got."""
    process: subprocess.Popen[bytes]

    def memory(self) -> float:
        """MB that it holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000


@contextmanager
def running(cores: int = CORES) -> Iterator[Running]:
    """``e2gan demo`` on so many cores."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        url = f"http://127.0.0.1:{port}/"
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "demo", "--port", str(port), "--threads", str(cores)],
            env={**os.environ, "GRADIO_TEMP_DIR": folder},
            stdout=subprocess.DEVNULL,
        )
        try:
            while not _answers(url):
                if process.poll() is not None or time.perf_counter() - start > 120:
                    raise E2GANError("the demo does not start", hint="pip install -e hub -e spaces/demo")
                time.sleep(0.05)
            yield Running(url, time.perf_counter() - start, process)
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).ok
    except requests.ConnectionError:
        return False


class Timed(Editor):
    """An editor that knows how long each of its calls took."""

    def __init__(self) -> None:
        super().__init__(device="cpu", threads=CORES)
        self.seconds: list[float] = []

    def apply_batch(self, *arguments: Any, **more: Any) -> list[Image.Image]:
        start = time.perf_counter()
        edits = super().apply_batch(*arguments, **more)
        self.seconds.append(time.perf_counter() - start)
        return edits


def measure_overhead(rounds: int = 30) -> list[Figure]:
    """Milliseconds from the click to the picture's pixels, less those that the editor took for it: one visitor.

    Server and visitor share this process, so that the editor's part of each request is known.
    """
    from e2gan_demo import page

    editor, concepts = Timed(), [concept.id for concept in shipped()[:2]]
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder)
        blocks = page.build(page.make_studio(editor, served), served)
        _, url, _ = blocks.launch(
            server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **page.launching(served)
        )
        visitor = Visitor(url)
        photo = visitor.open(picture(0))
        clicks = []
        for number in range(rounds + 2):
            start = time.perf_counter()
            visitor.edit(photo, concepts[number % 2])
            clicks.append(time.perf_counter() - start)
        blocks.close(verbose=False)
    added = [1000 * (click - edit) for click, edit in zip(clicks[2:], editor.seconds[2:], strict=True)]
    dtype = str(editor.dtype).removeprefix("torch.")
    return [
        Figure(f"click to picture, {SIDE}², {dtype}", 1000 * median(clicks[2:]), "ms"),
        Figure("what the server adds to the editor's time", median(added), "ms", at_most=50),
        Figure("the same, at worst", max(added), "ms"),
    ]


def measure_live(url: str, seconds: float = 15) -> list[Figure]:
    """Frames a second of one visitor's camera, 256 × 192, each sent when the one before is back."""
    visitor = Visitor(url)
    frames = []
    for seed in range(8):
        buffer = io.BytesIO()
        picture(seed).crop((0, 0, 256, 192)).save(buffer, "JPEG", quality=85)
        frames.append(f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    request = {"concepts": {shipped()[0].id: 1}}
    visitor.ask("edit", {**request, "frame": frames[0]})
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        visitor.ask("edit", {**request, "frame": frames[count % len(frames)]})
        count += 1
    return [Figure("live, frames of 256 × 192 a second", count / (time.perf_counter() - start), "1/s")]


@dataclass
class Tally:
    """What happened to the visitors."""

    errors: int = 0
    mixed: int = 0
    waits: list[float] = field(default_factory=list)


def measure_load(demo: Running, visitors: int = 20, seconds: float = 120) -> list[Figure]:
    """Visitors who each click through the concepts without a pause; every picture is held against the editor's own."""
    concepts = [concept.id for concept in shipped()]
    editor = Editor(device="cpu")
    photos = [picture(seed) for seed in range(visitors)]
    expected = {
        (number, concept): sketch(edit)
        for number, photo in enumerate(photos)
        for concept, edit in zip(concepts, editor.apply_batch([photo] * len(concepts), concepts), strict=True)
    }
    tally, lock = Tally(), threading.Lock()

    def visit(number: int, until: float) -> None:
        chance = random.Random(number)
        try:
            visitor = Visitor(demo.url)
            name = visitor.open(photos[number])
            while time.perf_counter() < until:
                concept = chance.choice(concepts)
                start = time.perf_counter()
                found = sketch(visitor.edit(name, concept))
                waited = time.perf_counter() - start
                distances = {key: float(np.abs(other - found).mean()) for key, other in expected.items()}
                with lock:
                    tally.mixed += min(distances, key=distances.__getitem__) != (number, concept)
                    tally.waits.append(waited)
        except (E2GANError, requests.RequestException):
            with lock:
                tally.errors += 1

    def together(until: float) -> None:
        threads = [threading.Thread(target=visit, args=(number, until)) for number in range(visitors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    together(time.perf_counter() + seconds / 4)  # until all is loaded
    tally, before, start = Tally(), demo.memory(), time.perf_counter()
    together(start + seconds)
    took = time.perf_counter() - start
    of = f"{visitors} visitors, {seconds:.0f} s"
    return [
        Figure(f"{of}: edits a second", len(tally.waits) / took, "1/s"),
        Figure(f"{of}: median wait", median(tally.waits), "s"),
        Figure(f"{of}: errors", tally.errors, at_most=0),
        Figure(f"{of}: pictures of another or another concept", tally.mixed, at_most=0),
        Figure(f"{of}: memory before", before, "MB"),
        Figure(f"{of}: memory gained", demo.memory() - before, "MB", at_most=100),
    ]


def measure(seconds: float = 120) -> list[Figure]:
    with running():
        pass  # what Python compiles and the system reads from disk, once
    overhead = measure_overhead()
    with running() as demo:
        return [
            *overhead,
            Figure("start until the page is there", demo.seconds, "s", at_most=30),
            *measure_live(demo.url),
            *measure_load(demo, seconds=seconds),
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--seconds", type=float, default=120, help="how long the visitors stay")
    options = command.parse_args(arguments)
    report({"demo": measure(options.seconds)}, options.output)


if __name__ == "__main__":
    script(main)
