"""Check an exported model: run it in onnxruntime and compare it with the PyTorch editor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError
from e2gan.evaluation.psnr import psnr
from e2gan_onnx.graph import PHOTO
from e2gan_onnx.photos import as_input

__all__ = ["Likeness", "compare", "run"]


@dataclass(frozen=True)
class Likeness:
    """How closely a model's pictures match the editor's, both in 8 bits."""

    psnr: float
    """PSNR in dB over all photos' pixels; infinite if all are equal."""
    worst: int
    """Largest difference of one channel of one pixel, in steps of 1/255."""


def compare(
    edit: Callable[[np.ndarray], np.ndarray], concept: Concept, editor: Editor, photos: Sequence[Image.Image]
) -> Likeness:
    """Edit photos with a model and with the editor.

    ``edit`` takes and returns (N, 3, H, W) float32 in [0, 1].  Photos of one size are edited together.
    """
    groups: dict[tuple[int, int], list[Image.Image]] = {}
    for photo in photos:
        groups.setdefault(photo.size, []).append(photo)
    differences = []
    for some in groups.values():
        edits = np.rint(edit(as_input(*some)).transpose(0, 2, 3, 1) * 255)
        wanted = np.stack([np.asarray(picture) for picture in editor.apply_batch(some, concept)])
        differences.append(np.abs(edits - wanted).ravel())
    all_of_them = np.concatenate(differences)
    return Likeness(psnr(all_of_them), int(np.nan_to_num(all_of_them, nan=255).max()))


def run(model: bytes | Path, threads: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A model on onnxruntime's CPU as a function of (N, 3, H, W) float32 in [0, 1], whatever it takes itself.

    Raises:
        E2GANError: onnxruntime cannot load it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if threads is not None:
        options.intra_op_num_threads = threads
    source = model if isinstance(model, bytes) else str(model)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    # Exception is the only common class of its exceptions.
    except Exception as fault:
        reason = " ".join(str(fault).split())[:200]
        raise E2GANError(f"onnxruntime {onnxruntime.__version__} cannot load the model: {reason}") from fault

    def edit(photo: np.ndarray) -> np.ndarray:
        (edits,) = session.run(None, {PHOTO: photo})
        return np.asarray(edits)

    def edit_pixels(photo: np.ndarray) -> np.ndarray:
        pixels = np.rint(photo.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        return edit(pixels).transpose(0, 3, 1, 2).astype(np.float32) / 255

    return edit_pixels if session.get_inputs()[0].type == "tensor(uint8)" else edit
