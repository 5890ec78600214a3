"""Making a table: the lab, its trainings, and the files."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch

from e2gan import __version__
from e2gan.base import find_base
from e2gan.blend import find_concept
from e2gan.data.folders import Data, find_photos, folders_of
from e2gan.progress import Progress
from e2gan.training.metrics import device_name
from e2gan.training.trainer import all_processes
from e2gan_reproduce.catalogue import Entry
from e2gan_reproduce.compare import Findings, draw_examples
from e2gan_reproduce.lab import Lab
from e2gan_reproduce.outcome import Subject
from e2gan_reproduce.scale import SCALES
from e2gan_reproduce.table import Table, over_seeds, write

__all__ = ["run"]


def run(
    entry: Entry,
    data: Data,
    output: Path,
    *,
    scale: str = "small",
    concepts: Sequence[str] = (),
    base: str | None = None,
    seed: int = 0,
    seeds: int | None = None,
    work: Path = Path("runs"),
    device: str | None = None,
    progress: Progress | None = None,
) -> tuple[Table, Path]:
    """Make a table and write it, its plot and, if pictures were edited, a sheet of them.

    Args:
        entry: the table.
        data: the folder of photographs, or several; for concepts that are trained on given pairs, folders of pairs.
        output: the folder for ``ID-SCALE.json``, ``.png`` and ``.webp``.
        concepts: ids or folders instead of the entry's own.
        work: the folder for pairs and trainings.
        seeds: how many seeds, beginning with ``seed``, whose means are the table's figures; if None, the entry's own
            number at the small scale, and one at others.

    Raises:
        E2GANError: a concept is unknown, or a training fails.
    """
    names = tuple(concepts) or entry.subjects
    module = import_module(f"e2gan_reproduce.{entry.run.partition(':')[0]}")
    make = getattr(module, entry.run.partition(":")[2])
    photos = find_photos(data)
    folders = " and ".join(folder.resolve().name for folder in folders_of(data))
    count = seeds or (entry.seeds if scale == "small" else 1)
    found_concepts = [find_concept(name) for name in names]
    lab = Lab(
        data,
        work,
        SCALES[scale],
        find_base(base),
        [Subject.of(concept) for concept in found_concepts],
        concepts=found_concepts,
        device=device,
        progress=progress,
    )
    started = time.monotonic()
    numbers = range(seed, seed + count)
    found: list[Findings] = []
    for number in numbers:
        lab.seed = number  # what does not depend on it is read and embedded once
        found.append(make(lab))
    findings = found[0]
    facts = {
        "scale": scale,
        "data": f"{folders}, {len(photos):,} photographs",
        "concepts": list(names or findings.examples),
        "base": lab.base.id,
        "seeds": [*numbers],
        "hardware": device_name(all_processes(device).device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "e2gan": __version__,
        "training_minutes": round(lab.seconds / 60, 1),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "at": _settings(lab),
    }
    table = Table(
        entry.id,
        findings.title or entry.title,
        " ".join(filter(None, (entry.said, findings.said))),
        findings.figures or f"FID, {lab.features}",
        tuple(over_seeds([findings.rows for findings in found])),
        tuple(findings.stated),
        facts,
    )
    path = write(table, output)
    draw_examples(findings.examples, path.with_suffix(".webp"))
    return table, path


def _settings(lab: Lab) -> str:
    """The scale's numbers, in words; empty at the paper's own."""
    scale = lab.scale
    if replace(scale, name="") == replace(SCALES["full"], name=""):
        return ""
    return (
        f"squares of {scale.crop} pixels; {scale.adapter_steps} steps of one picture for an adapter, "
        f"{scale.generator_steps} for a generator from scratch, {scale.base_steps} for a base of {scale.base_concepts} "
        f"concepts and {scale.base_photos} photographs"
    )
