"""Damaged and hostile bundles: read, listed, shown, described, put on the demo's page and applied.

    python -m benchmarks.bundles --count 100000

For every bundle, the program must answer with one of its own errors or with an edit, within five seconds and a
gigabyte, print no terminal control sequences, and still list the bundle's sound neighbour.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter, process_time
from types import ModuleType
from typing import Any

import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image

from benchmarks.measuring import Figure, parser, report, script
from e2gan import hookimpl, plugins
from e2gan.base import Base, find_base
from e2gan.cli import cli
from e2gan.concept import FILES, MANIFEST, Concept, render_card
from e2gan.editor import Editor
from e2gan.errors import E2GANError
from e2gan.files import atomic_write
from e2gan.terminal import printable

__all__ = ["measure", "mutations"]

SECONDS, MEMORY = 5.0, 1e9

PATIENCE = 600.0
"""Seconds after which a waiting bundle is abandoned; the machine may be busy otherwise."""

NEIGHBOUR = "sound-neighbour"

HUGE = ("0x" + "f" * 4000, "9" * 400, "-" + "9" * 400, "9" * 5000, "0o" + "7" * 4000, "0b" + "1" * 4080)
VALUES = (
    *HUGE,
    *("nan", "inf", "-inf", "1e400", "1e308", "5e-324", "-0.0", "16.0000001", "9223372036854775808", "-1", "0", "1"),
    *('""', '" "', '"\\n"', f'"{"a" * 5000}"', '"\\u001b[2J"', '"\\u001b]0;x\\u0007"', '"\\u202eevil"', '"\\u0000"'),
    *('"../../etc/passwd"', '"vangogh"', '"<img src=x onerror=alert(1)>"', '"given"', '"A OR B"', '"é😀"', "true"),
    *("[]", "[[]]", "[1, 4, 8, 8]", "[1, 4, 8, 1000000]", "[nan, 1, 1, 1]", "[1e308, 1e308, 1e308, 1e308]", "{}"),
    *("{a = {b = {}}}", '{"\\u001b[31m" = 1}', "1979-05-27", "07:32:00", "[" * 40 + "]" * 40, '[{id = "a"}]'),
)
KEYS = (
    *("id", "title", "version", "prompt", "license", "keeps", "authors", "description", "base", "recipe", "quality"),
    *("training", "tone", "teacher", "teachers", "teacher_options", "source", "selection", "method", "clusters"),
    *("seed", "ranks", "transformer_rank", "epochs", "steps", "schema", "sha256", "headline", "l1_ratio", "fid_ratio"),
    *('"\\u001b[31m"', '""', '"a b"', f'"{"a" * 300}"', "a.b.c.d", "a." * 900 + "b"),
)
JSON: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**31, 2**63, 10**30, 10**400, 1.0, 1e308, "F32", "F16", "I64", "", "\x1b[2J", "\ud800"),
    *([], [0, 0], [0, -1], [2**63, 2**64], [10**12, 10**12], [[1]], ["a"], {}, {"dtype": "F32"}, [1] * 40),
)
PIECES = (
    *(b"\0", b"\xff\xfe", b"[[", b'"""', b"{", b"\x1b[2J", b"a." * 900, b"[" * 500, b'{"a":' * 200, b"9" * 5000),
    *(b"\xed\xa0\x80", "\u202e".encode(), "\u2028".encode(), b"1e999", b"NaN", b"\r"),
)


def _bytes(random: random.Random, data: bytes) -> bytes:
    """The data with some bytes changed, removed, repeated or inserted."""
    damaged = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(len(damaged) + 1)
        change = random.randrange(5)
        if change == 0 and at < len(damaged):
            damaged[at] ^= 1 << random.randrange(8)
        elif change == 1:
            del damaged[at : at + random.choice((1, 8, 64, 4096))]
        elif change == 2:
            damaged[at:at] = random.choice(PIECES)
        elif change == 3:
            damaged[at:at] = damaged[at : at + random.choice((4, 32, 512))]
        else:
            del damaged[at:]
    return bytes(damaged)


def _manifest(random: random.Random, data: bytes) -> bytes:
    """The text with values replaced and keys added, removed or renamed, line by line, beyond what writers produce."""
    if random.random() < 0.2:
        return _bytes(random, data)
    lines = data.decode().split("\n")
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(lines))
        key, equals, _ = lines[at].partition(" = ")
        change = random.random()
        if change < 0.55 and equals:
            lines[at] = f"{key} = {random.choice(VALUES)}"
        elif change < 0.65:
            lines[at] = ""
        elif change < 0.9:
            lines.insert(at, f"{random.choice(KEYS)} = {random.choice(VALUES)}")
        else:
            lines.insert(
                at, random.choice(("[quality]", "[recipe]", "[training]", "[x]", "[[recipe.teachers]]", "[base]"))
            )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _pack(header: Any, body: bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8", "surrogatepass")
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def _tensors(random: random.Random, data: bytes) -> bytes:
    """A safetensors file with a changed header or changed values."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    names = [name for name in header if name != "__metadata__"]
    name = random.choice(names)
    change = random.randrange(9)
    if change == 0:
        return _bytes(random, data)
    if change == 1:
        header.pop(name)
    elif change == 2:
        header[random.choice(("x", "\x1b[2J", f"{name}.", "\ud800"))] = header[name]
    elif change == 3:
        header[name][random.choice(("dtype", "shape", "data_offsets", "x"))] = copy.deepcopy(random.choice(JSON))
    elif change == 4:
        header["__metadata__"] = copy.deepcopy(random.choice(JSON))
    elif change == 5:
        header["__metadata__"][random.choice(("id", "base_sha256", "recipe_sha256", "\x1b"))] = random.choice(JSON)
    elif change == 6:
        text = json.dumps(header).encode()
        more = random.choice(
            (b"[" * 60_000 + b"]" * 60_000, b"9" * 5000, b"NaN", b"1e999", b'1, "x": 2', b"{" * 50_000)
        )
        return _pack(text[:-1] + b', "x": ' + more + b"}", body)
    elif change == 7:
        return _pack(header, body, random.choice((0, 1, 2**63, 2**64 - 1, len(data), 262_145)))
    else:
        low, high = header[name]["data_offsets"]
        kind = np.dtype(np.float32 if header[name]["dtype"] == "F32" else np.float16)
        values = np.frombuffer(body[low:high], kind).copy()
        worst = float(np.finfo(kind).max)
        if random.random() < 0.5:
            values[:] = random.choice((worst, -worst, 0.0, 1e4, -1e4, 1e-8))
        else:
            values[random.randrange(len(values))] = random.choice((np.nan, np.inf, -np.inf, worst))
        body = body[:low] + values.tobytes() + body[high:]
    return _pack(header, body)


def _config(random: random.Random, data: bytes) -> bytes:
    if random.random() < 0.4:
        return _bytes(random, data)
    table = json.loads(data)
    for _ in range(random.choice((1, 2))):
        table[random.choice((*table, "auto_mapping", "\x1b"))] = copy.deepcopy(random.choice(JSON))
    return json.dumps(table).encode("utf-8", "surrogatepass")


def _odd_file(random: random.Random, folder: Path) -> None:
    """Add to the folder something other than an ordinary file, or a file that may not be there."""
    file = folder / random.choice(list(FILES))
    change = random.randrange(8)
    if change != 7:
        file.unlink(missing_ok=True)
    if change == 1:
        file.symlink_to(random.choice(("/etc/passwd", "nowhere", file.name)))
    elif change == 2:
        os.mkfifo(file)
    elif change == 3:
        file.mkdir()
    elif change == 4:
        with open(file, "wb") as sparse:
            sparse.truncate(random.choice((FILES[file.name], FILES[file.name] + 1, 2**33)))
    elif change == 5:
        file.touch()
    elif change == 6:
        name = random.choice((file.name.upper(), f"{file.name} ", "code.py", "\x1b[2J", "a\nb", "\u202ex", "x\u200b"))
        (folder / name).write_bytes(b"x")
    elif change == 7:
        (folder / os.fsdecode(b"\xff\xfe.bin")).write_bytes(b"x")


def mutations(seeds: Sequence[Path], folder: Path, seed: int = 0) -> Iterator[str]:
    """Fill ``folder`` with one bundle after another, made from the sound ones in ``seeds``; yields each change."""
    chance = random.Random(seed)
    sound = [{file.name: file.read_bytes() for file in path.iterdir()} for path in seeds]
    changes: dict[str, Callable[[random.Random, bytes], bytes]] = {
        "concept.toml": _manifest,
        "adapter_model.safetensors": _tensors,
        "prompt.safetensors": _tensors,
        "adapter_config.json": _config,
        "preview.webp": _bytes,
        "README.md": _bytes,
    }
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        files = dict(chance.choice(sound))
        change = chance.choices((*changes, "files", "mixed"), (8, 4, 2, 1, 1, 1, 2, 1))[0]
        if change == "mixed":
            name = chance.choice(list(files))
            files[name] = chance.choice(sound).get(name, b"")
        elif change in files:
            files[change] = changes[change](chance, files[change])
        for name, data in files.items():
            (folder / name).write_bytes(data)
        if change != "preview.webp" and "preview.webp" in files:
            # The demo recognises by it a sound preview whose card it has made.
            os.utime(folder / "preview.webp", (0, zlib.crc32(files["preview.webp"])))
        if change == "files":
            _odd_file(chance, folder)
        yield change


class Slow(BaseException):
    """A case took too long; not an `Exception`, so that no handler on the way catches it."""


@contextmanager
def _patiently() -> Iterator[None]:
    """Raise Slow in the body after four times the allowed processor time, or after far more wall-clock time."""

    def end(*_: Any) -> None:
        raise Slow

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, 4 * SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE))
    before = [signal.signal(number, end) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


class _Trial:
    """The trial of each bundle; faults are counted by their place."""

    def __init__(self, base: Base, seed: Path, work: Path, keep: Path | None) -> None:
        from e2gan_demo.catalogue import Catalogue

        manifest = (seed / MANIFEST).read_text("utf-8")
        self.neighbour = work / "neighbour"
        atomic_write(self.neighbour / MANIFEST, re.sub(r'(?m)^id = ".*"$', f'id = "{NEIGHBOUR}"', manifest, count=1))
        self.keep = keep
        self.editor = Editor(base, device="cpu", dtype=torch.float32)
        self.catalogue = Catalogue(base, work / "previews")
        (work / "previews").mkdir(exist_ok=True)
        self.photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 40, 3), np.uint8))
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def run(self, folder: Path, what: str) -> float:
        """Try one bundle; returns its seconds of processor time, because the machine may be busy otherwise."""
        start = process_time()
        try:
            with _patiently():
                self._all(folder)
        except Slow:
            self._fault(folder, what, "it took too long")
        except Exception as error:
            self._fault(folder, what, f"{type(error).__name__} at {_place(error)}: {str(error)[:200]}")
        return process_time() - start

    def _all(self, folder: Path) -> None:
        self._command(folder, "show", f"{folder}/")
        self._command(folder, "show", f"{folder}/", "--json")
        listed = self._command(folder, "list")
        if NEIGHBOUR not in listed:
            raise AssertionError("the sound neighbour is not listed")
        try:
            concept = Concept.read(folder)
        except E2GANError as error:
            self.counts["refused when read"] += 1
            return self._text(f"{error}\n{error.hint}")
        self._text(render_card(concept))
        for check in (concept.check, lambda: self.catalogue.card("case", concept)):
            try:
                check()
            except E2GANError as error:
                self._text(f"{error}\n{error.hint}")
        try:
            self.editor._runtime._loaded.clear()
            edit = self.editor.apply(self.photo, concept)
        except E2GANError as error:
            self.counts["refused when applied"] += 1
            return self._text(f"{error}\n{error.hint}")
        self.counts["applied"] += 1
        if edit.size != self.photo.size:
            raise AssertionError(f"an edit of {edit.size}")

    def _command(self, folder: Path, *arguments: str) -> str:
        plugin: Any = ModuleType("case")
        plugin.register_concepts = hookimpl(lambda register: (register(self.neighbour), register(folder)))
        offered = plugins.Registry()
        offered._add(plugins.PluginInfo("case", "case", ""), lambda: plugin)
        plugins.use_registry(lambda: offered)
        result = CliRunner().invoke(cli, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self._text(result.output)
        return result.output

    def _text(self, text: str) -> None:
        if printable(text) != text:
            raise AssertionError(f"not printable: {ascii(text)[:200]}")

    def _fault(self, folder: Path, what: str, where: str) -> None:
        if where not in self.faults and self.keep is not None:
            copy = self.keep / f"{len(self.faults)}-{what}"
            with suppress(OSError, shutil.Error):
                shutil.copytree(folder, copy, symlinks=True)
        self.faults[where] += 1


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "e2gan" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "elsewhere"


def measure(
    seeds: Sequence[Path],
    base: Base,
    count: int,
    *,
    seconds: float = float("inf"),
    seed: int = 0,
    keep: Path | None = None,
) -> list[Figure]:
    """Try ``count`` bundles, or as many as ``seconds`` allow; bundles with new faults are copied to ``keep``."""
    begun, slowest, tried = perf_counter(), 0.0, 0
    with tempfile.TemporaryDirectory() as work, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        trial = _Trial(base, seeds[0], Path(work), keep)
        for change in mutations(seeds, Path(work, "case"), seed):
            slowest = max(slowest, trial.run(Path(work, "case"), change))
            tried += 1
            if tried >= count or perf_counter() - begun > seconds:
                break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    for where, times in trial.faults.most_common():
        print(f"FAULT {times} × {printable(where)}", file=sys.stderr)
    return [
        Figure("bundles tried", tried),
        *(Figure(change, trial.counts[change]) for change in ("refused when read", "refused when applied", "applied")),
        Figure("faults", trial.faults.total(), at_most=0),
        Figure("slowest, of processor time", slowest, "s", at_most=SECONDS),
        Figure("peak memory", peak / 1e6, "MB", at_most=MEMORY / 1e6),
    ]


def main() -> None:
    command = parser(__doc__)
    command.add_argument("--count", type=int, default=100_000, help="bundles to try")
    command.add_argument("--seconds", type=float, default=float("inf"), help="stop after this many")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--keep", type=Path, help="a folder for the bundles that show a new fault")
    options = command.parse_args()
    torch.set_num_threads(1)
    concepts = sorted(Path(__file__).parent.parent.glob("concepts/*/*/bundle"))
    base = find_base(Concept.read(concepts[0]).base_id)
    figures = measure(concepts, base, options.count, seconds=options.seconds, seed=options.seed, keep=options.keep)
    report({"bundles": figures}, options.output)


if __name__ == "__main__":
    script(main)
