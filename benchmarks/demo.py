"""The web demo: the server's overhead for an edit and a clip, live frames, the time to start; forty visitors at once.

Some of the visitors disconnect while they wait, and some have slow or interrupted uploads.
"""

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image

from benchmarks.measuring import SAMPLES, Figure, parser, report, script
from benchmarks.startup import CORES, PROGRAM
from benchmarks.switching import shipped
from e2gan.editor import Editor
from e2gan.errors import E2GANError

SIDE = 256
"""Side of the photo, in pixels."""


def picture(seed: int) -> Image.Image:
    """A square piece of a sample photograph, another for each seed."""
    files = sorted(SAMPLES.glob("*.jpg"))
    chance = random.Random(seed)
    with Image.open(files[seed % len(files)]) as photo:
        photo.thumbnail((700, 700))
        left, top = (chance.randrange(side - SIDE) for side in photo.size)
        return photo.crop((left, top, left + SIDE, top + SIDE))


class Visitor:
    """A browser's part in the page's protocol, Gradio's: upload, join the queue, wait for the answer.

    As long as its body runs, the page is open: a browser keeps one connection for that, whose end tells the server to
    let go of the visitor's photos.
    """

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
        self._page = self._session.get(f"{url}gradio_api/heartbeat/{self._hash}", stream=True, timeout=60)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._page.close()
        self._session.close()

    def ask(self, what: str, request: Mapping[str, Any], patience: float = 120) -> dict[str, Any]:
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
        done: dict[str, Any] | None = None
        with self._session.get(data, params={"session_hash": self._hash}, stream=True, timeout=patience) as lines:
            # To the end, as browsers do: the server takes an earlier one for a visitor who leaves, and drops what that
            # visitor asks for next.
            for line in lines.iter_lines(chunk_size=None):  # type: ignore[call-overload]  # as they come
                message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                if message.get("msg") == "process_completed" and message.get("event_id") == event:
                    done = message
        if done is None:
            raise E2GANError("the server hung up")
        if not done["success"]:
            raise E2GANError(f"the server failed: {done['output']}")
        return dict(done["output"]["data"][0])

    def open(self, photo: Image.Image) -> str:
        """Upload a photo; its name on the server."""
        buffer = io.BytesIO()
        photo.save(buffer, "PNG")
        return self.open_file("photo.png", buffer.getvalue())

    def open_file(self, name: str, data: bytes) -> str:
        """Upload a photo's or a clip's file; its name on the server."""
        sent = self._session.post(f"{self._url}gradio_api/upload", files={"files": (name, data)}, timeout=60)
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
    """Every eighth pixel of every eighth row: enough to distinguish edits, and cheap."""
    return np.asarray(picture)[::8, ::8].astype(np.int16)


@dataclass
class Running:
    """The demo in a process of its own."""

    url: str
    seconds: float
    """Seconds from its start until it served the page."""
    process: subprocess.Popen[bytes]
    folder: Path
    """The folder of visitors' files."""
    left: int | None = None
    """Files left there after SIGTERM; None while it runs."""

    def disk(self) -> float:
        """MB on disk now."""
        sizes = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # deleted in the meantime
                sizes.append(path.stat().st_size if path.is_file() else 0)
        return sum(sizes) / 1e6

    def memory(self) -> float:
        """MB of memory now."""
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
            [sys.executable, "-c", PROGRAM, "demo", "--port", str(port), "--threads", str(cores), "--public"],
            env={**os.environ, "GRADIO_TEMP_DIR": folder, "TMPDIR": folder},
            stdout=subprocess.DEVNULL,
        )
        try:
            while not _answers(url):
                if process.poll() is not None or time.perf_counter() - start > 120:
                    raise E2GANError("the demo does not start", hint="pip install -e hub -e spaces/demo")
                time.sleep(0.05)
            demo = Running(url, time.perf_counter() - start, process, Path(folder))
            yield demo
            process.terminate()
            process.wait(30)
            demo.left = sum(1 for _ in demo.folder.rglob("*"))
        finally:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).ok
    except requests.ConnectionError:
        return False


class Timed(Editor):
    """An editor that records the time of each call."""

    def __init__(self) -> None:
        super().__init__(device="cpu", threads=CORES)
        self.seconds: list[float] = []

    def apply_batch(self, *arguments: Any, **more: Any) -> list[Image.Image]:
        start = time.perf_counter()
        edits = super().apply_batch(*arguments, **more)
        self.seconds.append(time.perf_counter() - start)
        return edits


@contextmanager
def serving(editor: Editor) -> Iterator[str]:
    """The page in this process, which so knows the editor's part of each request; its address."""
    from e2gan_demo import page
    from e2gan_demo.guard import Access

    with tempfile.TemporaryDirectory() as folder:
        served, access = Path(folder), Access()
        studio = page.make_studio(editor, served)
        blocks = page.build(studio, served, access)
        _, url, _ = blocks.launch(
            server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **page.launching(studio, served, access)
        )
        yield url
        blocks.close(verbose=False)


def measure_overhead(rounds: int = 30) -> list[Figure]:
    """Milliseconds from the click to the picture's pixels, minus the editor's own time, for one visitor."""
    editor, concepts = Timed(), [concept.id for concept in shipped()[:2]]
    with serving(editor) as url:
        clicks = []
        with Visitor(url) as visitor:
            photo = visitor.open(picture(0))
            for number in range(rounds + 2):
                start = time.perf_counter()
                visitor.edit(photo, concepts[number % 2])
                clicks.append(time.perf_counter() - start)
    added = [1000 * (click - edit) for click, edit in zip(clicks[2:], editor.seconds[2:], strict=True)]
    dtype = str(editor.dtype).removeprefix("torch.")
    return [
        Figure(f"click to picture, {SIDE}², {dtype}", 1000 * median(clicks[2:]), "ms"),
        Figure("what the server adds to the editor's time", median(added), "ms", at_most=50),
        Figure("the same, at worst", max(added), "ms"),
    ]


def measure_clip(frames: int = 24) -> list[Figure]:
    """The time from the button until a clip is made, against `edit_clip` in the same process."""
    from e2gan.moving.clips import edit_clip

    editor, concept = Editor(device="cpu", threads=CORES), shipped()[0]
    with tempfile.TemporaryDirectory() as folder, serving(editor) as url, Visitor(url) as visitor:
        path = Path(folder, "clip.mp4")
        write_pan(path, frames, 320, 180)
        request = {"photo": visitor.open_file(path.name, path.read_bytes()), "concepts": {concept.id: 1}}
        visitor.ask("edit", {**request, "size": 512})  # the concept is loaded
        start = time.perf_counter()
        edit_clip(path, Path(folder, "edit.mp4"), lambda frame: editor.apply(frame, concept))
        alone = time.perf_counter() - start
        start = time.perf_counter()
        answer = visitor.ask("make", request, patience=3600)
        paged = time.perf_counter() - start
        if "error" in answer:
            raise E2GANError(answer["error"])
    return [
        Figure(f"a clip of {frames} frames, 320 × 180", paged, "s"),
        Figure("its time by that of edit_clip in the same process", paged / alone, "times", at_most=1.1),
    ]


def write_pan(path: Path, frames: int, width: int, height: int) -> None:
    """A clip that moves over a sample photograph."""
    import av

    with Image.open(sorted(SAMPLES.glob("*.jpg"))[0]) as photo, av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=24, width=width, height=height)
        for number in range(frames):
            crop = photo.convert("RGB").crop((2 * number, 0, 2 * number + width, height))
            out.mux(stream.encode(av.VideoFrame.from_image(crop)))
        out.mux(stream.encode(None))


def measure_live(url: str, seconds: float = 15) -> list[Figure]:
    """Frames a second of one visitor's camera, 256 × 192, each sent when the previous one has returned."""
    frames = []
    for seed in range(8):
        buffer = io.BytesIO()
        picture(seed).crop((0, 0, 256, 192)).save(buffer, "JPEG", quality=85)
        frames.append(f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    request = {"concepts": {shipped()[0].id: 1}}
    with Visitor(url) as visitor:
        visitor.ask("edit", {**request, "frame": frames[0]})
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            visitor.ask("edit", {**request, "frame": frames[count % len(frames)]})
            count += 1
        took = time.perf_counter() - start
    return [Figure("live, frames of 256 × 192 a second", count / took, "1/s")]


WARMING_UP = 3
"""The edits of each visitor before the memory counts: by then, every concept is loaded."""


@contextmanager
def sampled(measure: Callable[[], float]) -> Iterator[list[float]]:
    """A list that gains a value a second during the body."""
    values, ended = [measure()], threading.Event()

    def go_on() -> None:
        while not ended.wait(1):
            values.append(measure())

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield values
    finally:
        ended.set()
        thread.join()


@dataclass
class Tally:
    """The visitors' results."""

    errors: int = 0
    mixed: int = 0
    waits: list[float] = field(default_factory=list)


def hang_up(url: str, photo: bytes, ended: threading.Event) -> None:
    """Request an edit, and disconnect before it arrives."""
    with Visitor(url) as visitor:
        name = visitor.open(Image.open(io.BytesIO(photo)))
        visitor.ask("edit", {"photo": name, "concepts": {shipped()[0].id: 1}, "size": 512}, patience=0.05)


@contextmanager
def uploading(url: str) -> Iterator[socket.socket]:
    """A started upload of 9 MB."""
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=60) as connection:
        connection.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9000000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="files"; filename="s.png"\r\n\r\n'.encode()
        )
        yield connection


def break_off(url: str, photo: bytes, ended: threading.Event) -> None:
    """Send two of its megabytes, and disconnect."""
    with uploading(url) as connection:
        connection.sendall(b"x" * 2_000_000)


def dawdle(url: str, photo: bytes, ended: threading.Event) -> None:
    """Send a kilobyte a second, and give up after twenty."""
    with uploading(url) as connection:
        for _ in range(20):
            connection.sendall(b"x" * 1000)
            if ended.wait(1):
                return


NUISANCES = (hang_up, hang_up, hang_up, break_off, break_off, *[dawdle] * 10)
"""The disturbances by some visitors while the others edit."""


@contextmanager
def nuisances(url: str) -> Iterator[None]:
    """Run these disturbances during the body."""
    ended = threading.Event()
    buffer = io.BytesIO()
    picture(99).save(buffer, "PNG")

    def go_on(nuisance: Callable[[str, bytes, threading.Event], None]) -> None:
        while not ended.wait(0.5):
            with suppress(OSError, E2GANError, requests.RequestException):  # being refused is not an error for them
                nuisance(url, buffer.getvalue(), ended)

    threads = [threading.Thread(target=go_on, args=(nuisance,), daemon=True) for nuisance in NUISANCES]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(30)


def measure_load(demo: Running, visitors: int = 40, seconds: float = 300) -> list[Figure]:
    """Visitors who each click through the concepts without a pause; every picture is compared with the editor's own."""
    installed = shipped()
    concepts = [concept.id for concept in installed]
    editor = Editor(device="cpu")
    photos = [picture(seed) for seed in range(visitors)]
    expected = {
        (number, concept): sketch(edit)
        for number, photo in enumerate(photos)
        for concept, edit in zip(concepts, editor.apply_batch([photo] * len(installed), installed), strict=True)
    }
    tally, lock = Tally(), threading.Lock()

    def visit(number: int, until: float, at_least: int) -> None:
        chance = random.Random(number)
        order, done = chance.sample(concepts, len(concepts)), 0
        try:
            with Visitor(demo.url) as visitor:
                name = visitor.open(photos[number])
                while done < at_least or time.perf_counter() < until:
                    concept = order[done % len(order)]
                    done += 1
                    start = time.perf_counter()
                    drawn = sketch(visitor.edit(name, concept))
                    waited = time.perf_counter() - start
                    distances = {key: float(np.abs(reference - drawn).mean()) for key, reference in expected.items()}
                    with lock:
                        tally.mixed += min(distances, key=distances.__getitem__) != (number, concept)
                        tally.waits.append(waited)
        except (E2GANError, requests.RequestException) as fault:
            print(f"a request failed: {type(fault).__name__}: {fault}", file=sys.stderr, flush=True)
            with lock:
                tally.errors += 1

    def together(until: float, at_least: int = 0) -> None:
        threads = [threading.Thread(target=visit, args=(number, until, at_least)) for number in range(visitors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with nuisances(demo.url):
        together(time.perf_counter() + seconds / 4, WARMING_UP)
        tally, disk, start = Tally(), demo.disk(), time.perf_counter()
        with sampled(demo.memory) as memory:
            together(start + seconds)
        took = time.perf_counter() - start
        before, after = (median(part) for part in (memory[: len(memory) // 5 + 1], memory[-len(memory) // 5 - 1 :]))
    time.sleep(2)  # until the server has noticed that the last of them disconnected
    if not tally.waits:
        raise E2GANError(f"not one edit was done in {seconds:.0f} s, and {tally.errors} failed")
    of = f"{visitors} visitors, {seconds:.0f} s"
    return [
        Figure(f"{of}: edits a second", len(tally.waits) / took, "1/s"),
        Figure(f"{of}: median wait", median(tally.waits), "s"),
        Figure(f"{of}: errors", tally.errors, at_most=0),
        Figure(f"{of}: pictures of another or another concept", tally.mixed, at_most=0),
        Figure(f"{of}: memory in the first fifth of the time, median", before, "MB"),
        Figure(f"{of}: memory gained until the last fifth", after - before, "MB", at_most=100),
        Figure(f"{of}: most memory", max(memory), "MB"),
        Figure(f"{of}: on disk before", disk, "MB"),
        Figure(f"{of}: on disk gained", demo.disk() - disk, "MB", at_most=10),
    ]


def measure(seconds: float = 300, visitors: int = 40) -> list[Figure]:
    with running():
        pass  # for what Python compiles and the system reads from disk only once
    overhead = [*measure_overhead(), *measure_clip()]
    with running() as demo:
        figures = [
            *overhead,
            Figure("start until the page is there", demo.seconds, "s", at_most=30),
            *measure_live(demo.url),
        ]
    return [*figures, *measure_siege(seconds, visitors)]


def measure_siege(seconds: float = 300, visitors: int = 40) -> list[Figure]:
    """Measure only the load, and the files left afterwards."""
    with running() as demo:
        figures = measure_load(demo, visitors, seconds)
    return [*figures, Figure("files left after SIGTERM", float(demo.left or 0), at_most=0)]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--seconds", type=float, default=300, help="how long the visitors stay")
    command.add_argument("--visitors", type=int, default=40, help="how many of them edit at once")
    command.add_argument("--load", action="store_true", help="measure only the load")
    options = command.parse_args(arguments)
    measured = measure_siege if options.load else measure
    report({"demo": measured(options.seconds, options.visitors)}, options.output)


if __name__ == "__main__":
    script(main)
