"""Concepts as Core ML packages: the time for one, the size of all together, the distance to the editor."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import SAMPLES, Figure, parser, report, script
from benchmarks.startup import CORES, PROGRAM, run
from benchmarks.switching import shipped
from e2gan.base import Base, find_base
from e2gan.concept import Concept
from e2gan.images import open_image
from e2gan_coreml.check import LEAST, check
from e2gan_coreml.convert import COMPRESSIONS, Compression, Size, write_package
from e2gan_coreml.program import Program
from e2gan_coreml.sizes import package_sizes

OWN = 0.5
"""Most megabytes that each concept may add to a package of several."""


def measure_export(concept: str | None = None) -> list[Figure]:
    """Seconds of ``e2gan export coreml`` for one concept with its check, from an empty process to the package.

    concept: id or folder; default: the first that the repository ships.
    """
    name = concept or str(shipped()[0].path)
    with tempfile.TemporaryDirectory() as folder:
        package = str(Path(folder, "one.mlpackage"))
        photo = str(sorted(SAMPLES.glob("*.jpg"))[0])
        ran = run(["-c", PROGRAM, "export", "coreml", name, "-o", package, "--photo", photo])
    return [Figure(f"e2gan export coreml, {CORES} cores", ran.seconds, "s", at_most=60)]


def measure_package(
    compression: Compression | None,
    base: Base | None = None,
    concepts: Sequence[Concept] | None = None,
    photos: Sequence[Path] | None = None,
    size: Size = (256, 256),
) -> list[Figure]:
    """Megabytes of one package with all concepts, and decibels of the edit that is farthest from the editor's."""
    base = base or find_base()
    concepts = concepts or shipped()
    pictures = [open_image(file, opaque=True) for file in photos or sorted(SAMPLES.glob("*.jpg"))]
    with tempfile.TemporaryDirectory() as folder:
        write_package(Path(folder), base, concepts, [size], "iOS18", compression)
        program = Program(folder)
        parts = package_sizes(program)
        likeness = check(program, base, concepts, pictures, [size])
    named = f"{len(concepts)} concepts, {compression or 'float16'}"
    shared, total = parts["shared"] / 1e6, sum(parts.values()) / 1e6
    farthest = min(likeness, key=lambda edit: edit.psnr)
    return [
        Figure(f"{named}: shared weights", shared, "MB", at_most=base.generator_path.stat().st_size / 1e6),
        Figure(f"{named}: package", total, "MB", at_most=shared + OWN * len(concepts)),
        Figure(f"{named}: PSNR to the editor, {farthest.concept}", farthest.psnr, "dB", at_least=LEAST[compression]),
        Figure(f"{named}: worst pixel", max(edit.worst for edit in likeness), "/255"),
    ]


def measure() -> list[Figure]:
    few = shipped()[::5]  # finding palettes takes long
    compressed = [figure for kind in COMPRESSIONS for figure in measure_package(kind, concepts=few)]
    return [*measure_export(), *measure_package(None), *compressed]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__).parse_args(arguments)
    report({"coreml": measure()}, options.output)


if __name__ == "__main__":
    script(main)
