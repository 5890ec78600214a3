"""The record of a training run: its figures, as lines of JSON and as a plot, and the name of its device."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from e2gan.drawing import chart
from e2gan.files import atomic_write
from e2gan.models.pixels import as_reported

__all__ = ["cut_metrics", "device_name", "draw_metrics", "log_metrics", "read_metrics"]


def device_name(device: torch.device) -> str:
    """The device's name for an artefact's metadata, such as "2 CPU cores (x86_64)"."""
    if device.type == "cpu":
        cores = torch.get_num_threads()
        name = f"{cores} CPU core{'s' if cores > 1 else ''}"
    elif device.type == "mps":
        name = "Apple GPU"
    else:
        own_name = getattr(torch.get_device_module(device), "get_device_name", None)
        name = device.type if own_name is None else own_name(device)
    return f"{name} ({platform.machine()})"


def log_metrics(path: Path, row: Mapping[str, float]) -> None:
    """Append a row, which must have a ``step``."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_metrics(path: Path) -> Iterator[dict[str, float]]:
    """Read the rows; a last line that a kill cut short is left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and "step" in row:
            yield row


def cut_metrics(path: Path, step: int) -> None:
    """Remove rows after ``step``: a killed run logged them after its last checkpoint, and repeats those steps."""
    if path.exists():
        rows = [row for row in read_metrics(path) if row["step"] <= step]
        atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))


def draw_metrics(metrics: Path, out: Path, names: Sequence[str]) -> None:
    """Plot those of ``names`` that were logged against the step; write no file if there are none.

    L1 is plotted as reports give it (`e2gan.models.pixels.as_reported`).
    """
    rows = [as_reported(row) for row in read_metrics(metrics)]
    names = [name for name in names if any(name in row for row in rows)]
    if not names:
        return
    with chart(out, 4 * min(3, len(names)), 2.6 * math.ceil(len(names) / 3)) as figure:
        for place, name in enumerate(names, start=1):
            axes = figure.add_subplot(math.ceil(len(names) / 3), min(3, len(names)), place)
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), linewidth=1)
            axes.set_title(name, fontsize=9)
            axes.set_xlabel("step", fontsize=8)
            axes.tick_params(labelsize=7)
            axes.grid(alpha=0.3)
