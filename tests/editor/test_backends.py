"""Which runtime an editor takes, and what happens if it cannot start."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from e2gan import editor as module
from e2gan import gpu
from e2gan import pytorch as module_of_torch
from e2gan.backends import fastest
from e2gan.base import Base
from e2gan.cli import cli
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import BaseModelError, E2GANError, E2GANWarning, PluginError
from e2gan.gpu import has_no_gpu
from e2gan.models.lora import CrucialWeights
from e2gan.plugins import Registry, use_registry
from tests.editor.tiny import photo
from tests.throwaway import plugin


class Runtime:
    """PyTorch again, as a plugin would offer it."""

    def __init__(
        self, base: Base, *, device: str | None = None, precision: str | None = None, threads: int | None = None
    ) -> None:
        self.precision = precision or "float32"
        self.asked = (device, precision, threads)
        self._generator = base.generator()
        self._weights = CrucialWeights(self._generator)

    def fold(self, parts: Any) -> None:
        self._weights.fold(
            (weight, {name: torch.from_numpy(delta) for name, delta in deltas.items()}) for weight, deltas in parts
        )

    def __call__(self, *inputs: np.ndarray | None) -> np.ndarray:
        with torch.inference_mode():
            edit: np.ndarray = self._generator(*(x if x is None else torch.from_numpy(x) for x in inputs)).numpy()
        return edit


def broken(base: Base, **wishes: Any) -> Any:
    raise OSError("no such library\nin any place")


def offer(*backends: tuple[Any, ...]) -> Registry:
    """Only these backends: (id, factory, speed)."""

    def register_backends(register: Callable[..., None]) -> None:
        for id, factory, speed in backends:
            register(id, factory, summary=f"the {id} one", speed=speed)

    registry = Registry.load([plugin("throwaway", register_backends=register_backends)])
    use_registry(lambda: registry)
    return registry


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_the_fastest_one_edits(base: Base, editor: Editor, dusk: Concept) -> None:
    offer(("slow", broken, 0.5), ("quick", Runtime, 2), ("quicker", Runtime, 3.5), ("unknown", broken, None))
    assert [entry.id for entry in fastest()] == ["quicker", "quick"]
    quickest = Editor(base)
    assert (quickest.backend, quickest.precision) == ("quicker", "float32")
    picture = Image.fromarray(photo())
    difference = np.asarray(quickest.apply(picture, dusk)).astype(int) - np.asarray(editor.apply(picture, dusk))
    assert np.abs(difference).max() <= 1


def test_pytorchs_own_words_and_its_gpus_mean_pytorch(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(("quick", Runtime, 2))
    for wishes in ({"device": "cpu"}, {"dtype": torch.float32}, {"backend": "torch"}):
        assert Editor(base, **wishes).backend == "torch"  # type: ignore[arg-type]
    assert Editor(base, dtype="float32").backend == "quick"
    monkeypatch.setattr("e2gan.pytorch.choose_device", lambda wish: torch.device("meta"))
    monkeypatch.setattr(Base, "generator", lambda self: pytest.fail("PyTorch"))
    with pytest.raises(pytest.fail.Exception, match="PyTorch"):
        Editor(base)


def test_without_a_sign_of_a_gpu_pytorch_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("e2gan.pytorch.choose_device", lambda wish: pytest.fail("PyTorch"))
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(gpu, "version", lambda name: "2.13.0+cpu")
    monkeypatch.setattr(gpu, "GPU_DRIVERS", (str(tmp_path),))
    assert has_no_gpu()
    monkeypatch.setattr(gpu, "version", lambda name: "2.13.0")
    with pytest.raises(pytest.fail.Exception, match="PyTorch"):
        has_no_gpu()
    monkeypatch.setattr(gpu, "GPU_DRIVERS", (str(tmp_path / "none"),))
    monkeypatch.setattr(sys, "platform", "linux")
    assert has_no_gpu()
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(pytest.fail.Exception, match="PyTorch"):
        has_no_gpu()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_pytorch_edits_in_tiles_for_every_backend(
    base: Base, dusk: Concept, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    offer(("quick", Runtime, 2))
    opened, torch_edits = [], module_of_torch.TorchEdits
    monkeypatch.setattr(
        module_of_torch, "TorchEdits", lambda *wishes: opened.append(wishes[1:]) or torch_edits(*wishes)
    )
    quick, picture = Editor(base, dtype=precision), Image.fromarray(photo(203, 150))
    expected = quick.apply(picture, dusk, stroke="fine")
    assert opened == []  # it takes no tiles
    monkeypatch.setattr(module, "MAX_PIXELS", 64 * 64)
    for _ in range(2):
        edited = quick.apply(picture, dusk, stroke="fine")
        difference = np.abs(np.asarray(edited).astype(int) - np.asarray(expected))
        assert difference.max() <= (1 if precision == "float32" else 12)
    assert opened == [(torch.device("cpu"), "float32" if precision == "float32" else None)]
    assert quick.backend == "quick"


def test_wishes_reach_the_backend(base: Base) -> None:
    offer(("quick", Runtime, 2))
    chosen: Any = Editor(base, "npu", torch.bfloat16, 1, "quick")
    assert chosen._runtime.edits.backend.asked == ("npu", "bf16", 1)
    assert (chosen.device, chosen.dtype) == (torch.device("cpu"), torch.float32)


def test_one_that_cannot_start_is_a_note_and_the_next_takes_its_place(base: Base) -> None:
    offer(("quicker", broken, 3), ("quick", Runtime, 2))
    with pytest.warns(E2GANWarning) as caught:
        assert Editor(base).backend == "quick"
    texts = [str(warning.message) for warning in caught]
    assert texts == ["the backend 'quicker' cannot be used: OSError: no such library in any place"]
    offer(("quicker", broken, 3))
    with pytest.warns(E2GANWarning):
        assert Editor(base).backend == "torch"


def test_a_damaged_base_is_no_fault_of_the_backend(base: Base) -> None:
    def damaged(base: Base, **wishes: Any) -> Any:
        raise BaseModelError("it is damaged")

    offer(("quick", damaged, 2))
    with pytest.raises(BaseModelError, match="it is damaged"):
        Editor(base)


@pytest.mark.parametrize("backend", [None, "torch", "quick"])
def test_an_unknown_precision_is_one_error(base: Base, backend: str | None) -> None:
    offer(("quick", Runtime, 2))
    with pytest.raises(E2GANError, match="the editor does not compute in 'int4'") as caught:
        Editor(base, dtype="int4", backend=backend)
    assert caught.value.hint == "one of: float32, bf16, float16, int8"


def test_pytorch_computes_in_float32_where_bf16_is_emulated(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2gan.pytorch.computes_bfloat16", lambda device: False)
    with pytest.warns(E2GANWarning, match="does not compute in bf16"):
        assert Editor(base, dtype="bf16").precision == "float32"
    assert Editor(base, dtype=torch.bfloat16).precision == "bf16", "a type of torch is taken as it is"


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), "fast"])
def test_a_speed_is_a_number_above_0(speed: object) -> None:
    registry = offer(("quick", Runtime, speed))
    assert registry.all("backend") == {}
    assert "the speed of the backend 'quick' must be a number above 0" in registry.problems[0].message


def test_an_unknown_backend_is_one_error(base: Base) -> None:
    offer(("quick", Runtime, 2))
    with pytest.raises(PluginError, match="no backend 'quik'") as caught:
        Editor(base, backend="quik")
    assert caught.value.hint is not None and "quick" in caught.value.hint
    with pytest.raises(PluginError, match="no backend 'directml'") as caught:
        Editor(base, backend="directml")
    assert caught.value.hint == "known: torch, quick"


def test_they_are_listed_with_the_default_first() -> None:
    offer(("slow", broken, 0.5), ("quick", Runtime, 2), ("on-request", Runtime, None))
    result = CliRunner().invoke(cli, ["plugins", "--json"])
    assert json.loads(result.stdout)["backends"] == ["quick", "torch", "on-request", "slow"]
    assert "quick       throwaway  the quick one" in CliRunner().invoke(cli, ["plugins"]).stdout
