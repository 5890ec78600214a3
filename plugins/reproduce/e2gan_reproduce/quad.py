"""One graph whose LoRA are inputs, or a graph for each concept: the question of QUAD (arXiv 2603.29535).

QUAD quantizes a diffusion model once and gives LoRA to it as inputs, where others compile a binary for each task.  Here
both are done with E²GAN's generator on OpenVINO and on onnxruntime.  Each way runs in a process of its own.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from e2gan.base import Base, find_base
from e2gan.concept import Adapter, Concept
from e2gan.errors import E2GANError
from e2gan.evaluation.psnr import psnr
from e2gan.installing import install_command
from e2gan.memory import taken
from e2gan.models.deltas import delta_weights, folded
from e2gan.models.layout import crucial_layers
from e2gan.processes import in_workers
from e2gan_reproduce.compare import Findings
from e2gan_reproduce.lab import Lab
from e2gan_reproduce.table import Row

__all__ = ["quad"]

COUNTS = (1, 10, 50)
"""Numbers of concepts."""

ROUNDS = 5
"""Further edits with the last concept; an edit's time is the median of all."""

MEMORY, DISK, EDIT, SWITCH, LIKENESS = "memory (MB)", "disk (MB)", "edit (ms)", "switch (ms)", "likeness (dB)"

COMPARED = {"memory (× one graph)": f"10: {MEMORY}", "edit (× one graph)": f"10: {EDIT}"}
"""The columns that have a counterpart in the paper, and ours behind them."""

QUAD = dict(zip(COMPARED, (6.0, 4.0), strict=True))
"""How much more QUAD's separate binaries need at most, according to its abstract."""


class Way(ABC):
    """A way to have several concepts ready: each is added once, then one after another is used."""

    def __init__(self, base: Base) -> None:
        self.base, self.weights = base, base.weights()
        layers = [layer.name for layer in crucial_layers(base.config)]
        self.pristine = {name: self.weights[f"{name}.weight"] for name in layers}

    @abstractmethod
    def add(self, adapter: Adapter) -> None: ...

    @abstractmethod
    def use(self, number: int) -> None: ...

    @abstractmethod
    def edit(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray: ...

    @abstractmethod
    def on_disk(self) -> int:
        """Bytes of all files that an app needs."""

    def folded(self, adapter: Adapter) -> dict[str, np.ndarray]:
        """All weights, with the concept's changes in them."""
        parts = [(1.0, delta_weights(self.base.config, adapter.tensors))]
        return {**self.weights, **{f"{name}.weight": weight for name, weight in folded(self.pristine, parts)}}


class OneGraph(Way):
    """An editor's backend, which multiplies the LoRA out at each switch and keeps them as they are."""

    def __init__(self, base: Base, backend: Any) -> None:
        super().__init__(base)
        self.backend, self.adapters = backend, list[Adapter]()

    def add(self, adapter: Adapter) -> None:
        self.adapters.append(adapter)

    def use(self, number: int) -> None:
        self.backend.fold([(1.0, delta_weights(self.base.config, self.adapters[number].tensors))])

    def edit(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(self.backend(inputs["photo"], inputs["prompt"], inputs["prompt_bias"], inputs.get("skips")))

    def on_disk(self) -> int:
        factors = sum(2 * value.size for one in self.adapters for value in one.tensors.values())
        return self.base.generator_path.stat().st_size + factors


class Each(Way):
    """Something for each concept that is ready to compute its edits."""

    def __init__(self, base: Base) -> None:
        super().__init__(base)
        self.ready: list[Any] = []
        self.size = 0

    def use(self, number: int) -> None:
        self.used = self.ready[number]

    def on_disk(self) -> int:
        return self.size


class GraphEach(Each):
    """A compiled 8-bit network of OpenVINO for each concept."""

    def __init__(self, base: Base) -> None:
        import openvino

        from e2gan_openvino.eight_bit import calibration_photos, measured_ranges

        super().__init__(base)
        self.core = openvino.Core()
        self.ranges = measured_ranges(self.core, base.config, self.weights, calibration_photos())

    def add(self, adapter: Adapter) -> None:
        from e2gan_openvino.eight_bit import EightBitNetwork, steps_here

        network = EightBitNetwork(self.base.config, self.folded(adapter), self.ranges, rank=0, steps=steps_here())
        compiled = self.core.compile_model(network.model(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.size += len(compiled.export_model().getvalue())
        self.ready.append(compiled.create_infer_request())

    def edit(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.array(self.used.infer(dict(inputs))["edit"])


class FileEach(Each):
    """An 8-bit model for onnxruntime for each concept."""

    def __init__(self, base: Base) -> None:
        super().__init__(base)
        self.models: dict[int, bytes] = {}

    def add(self, adapter: Adapter) -> None:
        import onnxruntime

        if id(adapter) not in self.models:
            self.models[id(adapter)] = self._model(adapter)
        self.size += len(self.models[id(adapter)])
        self.ready.append(onnxruntime.InferenceSession(self.models[id(adapter)], providers=["CPUExecutionProvider"]))

    def _model(self, adapter: Adapter) -> bytes:
        import onnx

        from e2gan_onnx.network import initializers, network
        from e2gan_onnx.quantize import quantized

        config, weights = self.base.config, self.folded(adapter)
        model = onnx.load_from_string(network(config, weights) + initializers(config, weights))
        data: bytes = quantized(model, [_inputs(self.base, photo, adapter) for photo in _photos()]).SerializeToString()
        return data

    def edit(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(self.used.run(None, dict(inputs))[0])


def openvino_one(base: Base) -> Way:
    from e2gan_openvino.backend import OpenVinoGenerator

    return OneGraph(base, OpenVinoGenerator(base, precision="int8"))


def onnx_one(base: Base) -> Way:
    from e2gan_onnx.backend import OnnxGenerator

    return OneGraph(base, OnnxGenerator(base))


WAYS = {
    "OpenVINO, int8: one graph": openvino_one,
    "OpenVINO, int8: a graph for each": GraphEach,
    "onnxruntime, float32: one graph": onnx_one,
    "onnxruntime, int8: a model for each": FileEach,
}


def quad(lab: Lab) -> Findings:
    """The table; its concepts repeat until there are enough of them."""
    _require()
    paths = [str(concept.path) for concept in lab.concepts]
    measured: dict[str, dict[str, float]] = {}
    for name in WAYS:
        lab.progress.stage(name)
        figures: dict[str, float] = {}
        for count in COUNTS:
            # Each in a new process, so that nothing of another counts.
            (found,) = in_workers(_measured, [(name, str(lab.base.path), paths, count)], 1, _begin)
            figures |= {f"{count}: {figure}": value for figure, value in found.items()}
        measured[name] = figures
    rows = []
    for name, ours in measured.items():
        one = measured[name.partition(":")[0] + ": one graph"] if name.startswith("OpenVINO") else None
        ratios = {} if one is None else {column: ours[key] / one[key] for column, key in COMPARED.items()}
        paper = dict.fromkeys(COMPARED, 1.0) if "one graph" in name else QUAD
        rows.append(Row(name, paper if one else {}, {**ours, **ratios}))
    return Findings(rows, figures="megabytes, milliseconds and decibels for 1, 10 and 50 concepts")


def _require() -> None:
    try:
        import e2gan_onnx  # noqa: F401
        import e2gan_openvino  # noqa: F401
    except ImportError as missing:
        raise E2GANError(
            f"this table needs {missing.name}", hint=f"install it: {install_command('e2gan-reproduce[quad]')}"
        ) from missing


def _begin() -> None:
    pass


def _measured(task: tuple[str, str, Sequence[str], int]) -> dict[str, float]:
    """The figures of one way with ``count`` concepts."""
    name, base_path, paths, count = task
    base = find_base(base_path)
    adapters = [Concept.read(Path(path)).load(base) for path in paths]
    photo = _photos()[0]
    before = taken()
    way = WAYS[name](base)
    for adapter in islice(cycle(adapters), count):
        way.add(adapter)
    used = adapters[:count]
    way.use(0)
    way.edit(_inputs(base, photo, used[0]))  # the first edit also sets the runtime up
    edits, edited, switched = [], [], []
    for number, adapter in enumerate(used):
        start = time.perf_counter()
        way.use(number)
        ready = time.perf_counter()
        edits.append(way.edit(_inputs(base, photo, adapter)))
        switched.append(ready - start)
        edited.append(time.perf_counter() - ready)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        way.edit(_inputs(base, photo, used[-1]))
        edited.append(time.perf_counter() - start)
    memory = taken() - before
    reference = onnx_one(base)
    likeness = []
    for number, (adapter, edit) in enumerate(zip(used, edits)):
        reference.add(adapter)
        reference.use(number)
        likeness.append(_decibels(edit, reference.edit(_inputs(base, photo, adapter))))
    return {
        MEMORY: memory / 1e6,
        DISK: way.on_disk() / 1e6,
        EDIT: 1000 * median(edited),
        SWITCH: 1000 * median(switched),
        LIKENESS: min(likeness),
    }


def _photos() -> list[np.ndarray]:
    """Squares of 256 pixels, (1, 3, 256, 256) in [-1, 1]."""
    from e2gan_onnx.photos import CALIBRATE, as_input, calibration_photos

    return [2 * as_input(photo) - 1 for photo in calibration_photos(CALIBRATE)]


def _inputs(base: Base, photo: np.ndarray, adapter: Adapter) -> dict[str, np.ndarray]:
    """What the generator of a base takes, with no skips."""
    prompt = adapter.prompt[None]
    inputs = {"photo": photo, "prompt": prompt, "prompt_bias": np.zeros(prompt.shape[:2], np.float32)}
    return {**inputs, "skips": np.zeros((1, 3), np.float32)} if base.config.skips else inputs


def _decibels(edit: np.ndarray, wanted: np.ndarray) -> float:
    """PSNR of generators' pictures; at most 100, where 8 bits do not tell them apart."""
    return min(100.0, psnr(127.5 * (edit.astype(np.float64) - wanted)))
