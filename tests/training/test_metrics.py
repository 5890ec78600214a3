"""What is kept of a training run."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest
import torch

from e2gan.training.metrics import device_name


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
