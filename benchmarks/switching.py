"""The cost of changing the concept, and of a folded concept compared with the bare base."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median

import torch

from benchmarks.measuring import Figure, interleaved, parser, ratio, report, script
from e2gan.base import Base, find_base
from e2gan.concept import Concept, concept_in
from e2gan.editor import Editor
from e2gan.errors import DataError
from e2gan.models.edit import Edit
from e2gan.models.look import Look
from e2gan.models.lora import fold_adapter

SHIPPED = Path(__file__).parent.parent / "concepts"


def shipped() -> list[Concept]:
    """The repository's trained concepts, each with its bundles for other bases; raises DataError if there are none."""
    concepts = [concept_in(folder.parent) for folder in sorted(SHIPPED.glob("*/*/")) if (folder / "bundle").is_dir()]
    trained = [concept for concept in concepts if concept.trained]
    if not trained:
        raise DataError(f"{SHIPPED}: holds no trained concepts", hint="train them with: make concepts DATA=PHOTOS")
    return trained


def measure(
    base: Base | None = None, concepts: Sequence[Concept] | None = None, *, size: int = 256, rounds: int = 25
) -> list[Figure]:
    """Milliseconds of a switch between loaded concepts, at most 20, and folded over bare time, at most 1.02."""
    base = base or find_base()
    concepts = concepts or shipped()
    figures = []
    for dtype in (torch.float32, torch.bfloat16):
        seconds = _switches(Editor(base, device="cpu", dtype=dtype), concepts, rounds)
        name = f"{str(dtype).removeprefix('torch.')} switch between {len(concepts)} loaded concepts"
        figures.append(Figure(name, 1000 * median(seconds), "ms", at_most=20))
    over = _folded_over_bare(base, concepts[0], size, rounds)
    return [*figures, Figure("float32 folded over bare base", over, "×", at_most=1.02)]


def _switches(editor: Editor, concepts: Sequence[Concept], rounds: int) -> list[float]:
    """Seconds of each change of concept once all are loaded; with a single concept, to and from the bare base."""
    for concept in concepts:
        editor.use(concept)
    following = cycle(concepts if len(concepts) > 1 else [*concepts, None])
    return interleaved({"switch": lambda: editor.use(next(following))}, rounds)["switch"]


def _folded_over_bare(base: Base, concept: Concept, size: int, rounds: int) -> float:
    """Time of the generator with a concept folded in over its time without."""
    bare, folded = base.generator(), base.generator()
    adapter = concept.load(base)
    fold_adapter(folded, adapter.tensors)
    x, look = torch.rand(1, 3, size, size) * 2 - 1, Look(torch.from_numpy(adapter.prompt)[None])
    edits = {"bare": Edit(bare, at_once=True), "folded": Edit(folded, at_once=True)}
    with torch.inference_mode():
        seconds = interleaved({name: partial(edit, x, look) for name, edit in edits.items()}, rounds)
    return ratio(seconds["folded"], seconds["bare"])


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    report({"switching": measure()}, options.output)


if __name__ == "__main__":
    script(main)
