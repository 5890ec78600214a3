"""Check a model: run it with LiteRT's interpreter and compare its edits with those of E²GAN's editor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError
from e2gan.evaluation.psnr import psnr
from e2gan.images import PREVIEW, open_image
from e2gan_litert.network import PHOTO

__all__ = ["Likeness", "compare", "photo_of", "run"]


@dataclass(frozen=True)
class Likeness:
    """How closely a model's pictures match the editor's, both in 8 bits."""

    psnr: float
    """PSNR of the worst photo, in dB; infinite if all are equal."""
    worst: int
    """Largest difference of any channel of any pixel, in steps of 1/255."""


def photo_of(concept: Concept) -> Image.Image:
    """The unedited photo in the concept's preview.

    Raises:
        E2GANError: the concept has none.
        ImageError: the preview cannot be read.
    """
    if concept.preview is None:
        raise E2GANError(
            f"{concept.id}: nothing to check with: the concept has no preview", hint="name a photo with --photo"
        )
    preview = open_image(concept.preview, opaque=True, limits=PREVIEW)
    return preview.crop((0, 0, preview.width // 2, preview.height))


def compare(
    edit: Callable[[np.ndarray], np.ndarray],
    concept: Concept,
    editor: Editor,
    photos: Sequence[Image.Image],
    size: tuple[int, int],
) -> Likeness:
    """Edit photos, cut to ``size``, with a model and with the editor."""
    differences = []
    for photo in photos:
        fitted = ImageOps.fit(photo, size, Image.Resampling.LANCZOS)
        edited = edit(np.asarray(fitted)[None])[0]
        differences.append(np.abs(edited.astype(int) - np.asarray(editor.apply(fitted, concept))))
    return Likeness(min(map(psnr, differences)), max(int(difference.max()) for difference in differences))


def run(model: bytes | Path, threads: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """A model on LiteRT's interpreter, as a function of (1, H, W, 3) uint8.

    Raises:
        E2GANError: LiteRT cannot load it.
    """
    from ai_edge_litert.interpreter import Interpreter

    content = model if isinstance(model, bytes) else model.read_bytes()
    try:
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
        (signature,) = interpreter.get_signature_list()
        runner = interpreter.get_signature_runner(signature)
    except (RuntimeError, ValueError) as fault:
        raise E2GANError(f"LiteRT cannot load the model: {' '.join(str(fault).split())[:200]}") from fault

    def edit(photo: np.ndarray) -> np.ndarray:
        (result,) = runner(**{PHOTO: photo}).values()
        return np.asarray(result)

    return edit
