"""The page that edits the visitor's photos and clips: the models, the runtime, and the page itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2gan import __version__
from e2gan.base import Base, find_lite
from e2gan.concept import Concept, base_of, made_for
from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan_catalogue.entries import Entry

__all__ = ["Runtime", "write_editor", "write_page"]

PAGE = Path(__file__).parent / "try"

ABOUT = "page.json"
"""What the page's script has to know: the concepts' cards, which of them the smaller base makes, and whether the page
edits clips."""

MADE = "made.json"
"""What the models were made from: unchanged ones are not made again."""

MODELS, LITE_MODELS = "models", "models-lite"
"""Folders of the models on the base, and on the smaller base beside it."""

FILES = (
    *("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    *("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
)
"""Of onnxruntime-web: a build for WebAssembly alone, and one with WebGPU."""

MEDIABUNNY = "mediabunny.min.mjs"
"""Reads and writes clips."""

MEDIABUNNY_NOTICE = f"""\
{MEDIABUNNY} is Mediabunny, copyright Vanilagy and contributors, under the Mozilla Public License 2.0
(https://mozilla.org/MPL/2.0/). Its source code is at https://github.com/Vanilagy/mediabunny
"""


@dataclass(frozen=True)
class Runtime:
    """The files that others have made: those of onnxruntime-web, and of Mediabunny where the page edits clips."""

    folder: Path
    clips: Path | None = None

    @classmethod
    def found_in(cls, folder: Path, clips: Path | None = None) -> Runtime:
        """The runtime in a folder, such as the ``dist`` of its npm package.

        Args:
            clips: the folder of Mediabunny's file, such as ``dist/bundles`` in its npm package; adds the clips.

        Raises:
            E2GANError: a file is missing, or e2gan-onnx is not installed.
        """
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise E2GANError(
                f"{folder}: {missing[0]} of onnxruntime-web is not there",
                hint="npm pack onnxruntime-web, unpack the file, and name its folder package/dist",
            )
        if clips is not None and not (clips / MEDIABUNNY).is_file():
            raise E2GANError(
                f"{clips}: {MEDIABUNNY} is not there",
                hint="npm pack mediabunny, unpack the file, and name its folder package/dist/bundles",
            )
        try:
            import e2gan_onnx  # noqa: F401
        except ImportError:
            raise E2GANError(
                "the page that edits needs the package 'e2gan-onnx'",
                hint=f"{install_command('e2gan-onnx')}, or leave --runtime out",
            ) from None
        return cls(folder, clips)


def write_page(
    place: Path, cards: Sequence[Mapping[str, object]], clips: Path | None, *, lite: Sequence[str] = ()
) -> None:
    """Write the page into ``place``, without what it computes with.

    Args:
        cards: of the concepts that it edits with.
        lite: ids of those that it can also edit with on the smaller base.
        clips: the folder of Mediabunny's file, or None: the page edits no clips.
    """
    shutil.copytree(PAGE, place, ignore=shutil.ignore_patterns("__pycache__"))
    about = {"cards": list(cards), "lite": list(lite), "clips": clips is not None}
    (place / ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
    if clips is not None:
        (place / "clips").mkdir()
        shutil.copy(clips / MEDIABUNNY, place / "clips" / MEDIABUNNY)
        (place / "clips/NOTICE").write_text(MEDIABUNNY_NOTICE, encoding="utf-8")


def write_editor(
    entries: Sequence[Entry], place: Path, runtime: Runtime, *, former: Path, tell: Callable[[str], object]
) -> list[Entry]:
    """Write the page that edits into ``place``, with the concepts of the base that most of them are for.

    Where there is a smaller base beside it (`find_lite`), the page has the concepts that are made for that one, too.

    Args:
        former: the page of an earlier run, whose models are taken if they would be the same.
        tell: is told what is being done, a line at a time.

    Returns:
        The entries that the page edits with: one for each id.

    Raises:
        E2GANError: no concept's base is installed, or a model differs too much from the editor.
    """
    chosen = _chosen(entries)
    base = base_of(chosen[0].concept)
    assert base is not None
    wanted = {MODELS: (base, [entry.concept for entry in chosen])}
    lite: list[Concept] = []
    if small := find_lite(base):
        lite = [concept for entry in chosen if (concept := made_for(entry.concept, small))]
        if lite:
            wanted[LITE_MODELS] = small, lite
    write_page(
        place,
        [entry.card("../") for entry in chosen],
        runtime.clips,
        lite=[concept.id for concept in lite],
    )
    (place / "ort").mkdir()
    for name in FILES:
        shutil.copy(runtime.folder / name, place / "ort" / name)
    made_from = {name: _made_from(concepts) for name, (_, concepts) in wanted.items()}
    for name, (its_base, concepts) in wanted.items():
        if _kept(former, name, made_from[name]):
            shutil.copytree(former / name, place / name)
        else:
            _export(concepts, its_base, place / name, tell)
    (place / MADE).write_text(json.dumps(made_from), encoding="utf-8")
    return chosen


def _export(concepts: Sequence[Concept], base: Base, models: Path, tell: Callable[[str], object]) -> None:
    import torch

    from e2gan.editor import Editor
    from e2gan_onnx.options import OPSETS
    from e2gan_onnx.swap import export_swappable

    editor = Editor(base, device="cpu", dtype=torch.float32)
    export_swappable(concepts, base, models, opset=OPSETS[0], editor=editor, tell=tell)
    for preview in models.glob("*.webp"):
        preview.unlink()  # the catalogue has them in better sizes


def _chosen(entries: Sequence[Entry]) -> list[Entry]:
    """The entries for the installed base that most are for, one for each id."""
    bases = Counter(entry.concept.base_sha256 for entry in entries if base_of(entry.concept))
    if not bases:
        concept = entries[0].concept
        raise E2GANError(
            f"the base of the concepts, '{concept.base_id}' {concept.base_sha256[:12]}…, is not installed",
            hint="leave --runtime out, or install the base",
        )
    (most, _), *_ = bases.most_common(1)
    by_id: dict[str, Entry] = {}
    for entry in entries:
        if entry.concept.base_sha256 == most:
            by_id.setdefault(entry.concept.id, entry)
    return list(by_id.values())


def _made_from(concepts: Sequence[Concept]) -> dict[str, object]:
    """What the models depend on."""
    digests = []
    for concept in concepts:
        digest = hashlib.sha256()
        for file in sorted(concept.path.iterdir()):
            if file.is_file():
                digest.update(f"{file.name}\0".encode() + file.read_bytes())
        digests.append([concept.id, digest.hexdigest()])
    return {"program": __version__, "concepts": sorted(digests)}


def _kept(former: Path, models: str, made_from: dict[str, object]) -> bool:
    """Whether an earlier run left the same models in that folder, and all of them."""
    try:
        if json.loads((former / MADE).read_text(encoding="utf-8"))[models] != made_from:
            return False
        index = json.loads((former / models / "concepts.json").read_text(encoding="utf-8"))
        parts = [index["base"], *index["concepts"]]
        return all(os.path.getsize(former / models / part["file"]) == part["bytes"] for part in parts)
    except (OSError, ValueError, KeyError, TypeError):
        return False
