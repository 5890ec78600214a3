"""What is kept of a training run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from e2gan.evaluation.page import _curves
from e2gan.models.pixels import as_reported
from e2gan.training import metrics
from e2gan.training.metrics import device_name, draw_metrics, log_metrics, read_metrics


@pytest.mark.parametrize(("threads", "words"), [(1, "1 CPU core"), (2, "2 CPU cores")])
def test_a_processor_is_named_by_its_cores(monkeypatch: pytest.MonkeyPatch, threads: int, words: str) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert device_name(torch.device("cpu")) == f"{words} ({platform.machine()})"


@pytest.mark.parametrize(
    ("kind", "own_name", "words"),
    [
        ("cuda", lambda device: "NVIDIA T4", "NVIDIA T4"),
        ("xpu", lambda device: "Intel Arc A770", "Intel Arc A770"),
        ("mps", None, "Apple GPU"),
        ("npu", None, "npu"),
    ],
)
def test_another_device_is_not_called_a_processor(
    monkeypatch: pytest.MonkeyPatch, kind: str, own_name: Callable[[torch.device], str] | None, words: str
) -> None:
    class Module:
        pass

    if own_name is not None:
        Module.get_device_name = staticmethod(own_name)  # type: ignore[attr-defined]

    class Device:
        type = kind

    monkeypatch.setattr(torch, "get_device_module", lambda device: Module)
    assert device_name(Device()) == f"{words} ({platform.machine()})"  # type: ignore[arg-type]


def test_l1_has_one_scale_in_the_plot_and_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a report's figures: pixels from 0 to 1. The log has the loss, of pixels from -1 to 1."""
    for step in (10, 20):
        log_metrics(tmp_path / "metrics.jsonl", {"step": step, "l1": 4.0 / step, "val_l1": 8.0 / step, "gan": 2.0})
    plotted: dict[str, list[float]] = {}

    class Figure:
        def add_subplot(self, *_: int) -> Any:
            axes = type(
                "Axes", (), {name: lambda self, *_, **__: None for name in ("set_xlabel", "tick_params", "grid")}
            )()
            values: list[float] = []
            axes.plot = lambda x, y, **_: values.extend(y)
            axes.set_title = lambda name, **_: plotted.update({name: values})
            return axes

    @contextmanager
    def chart(*_: Any) -> Iterator[Figure]:
        yield Figure()

    monkeypatch.setattr(metrics, "chart", chart)
    draw_metrics(tmp_path / "metrics.jsonl", tmp_path / "losses.png", ("l1", "val_l1", "gan"))
    assert plotted == {"l1": [0.2, 0.1], "val_l1": [0.4, 0.2], "gan": [2.0, 2.0]}
    rows = [as_reported(row) for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert [curve.last for curve in _curves(rows)] == [0.1, 0.2, 2.0]
