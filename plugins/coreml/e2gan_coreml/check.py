"""Check a package: compare its edits of real photos with those of E²GAN's editor."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError
from e2gan.evaluation.psnr import psnr
from e2gan.files import temporary_folder
from e2gan.images import PREVIEW, open_image
from e2gan_coreml.convert import INPUT, OUTPUT, Compression, Size, function_names
from e2gan_coreml.program import Program
from e2gan_coreml.tools import quiet_coremltools

__all__ = ["LEAST", "Likeness", "check", "photos_for"]

LEAST: dict[Compression | None, float] = {None: 45.0, "int8": 35.0, "palette8": 40.0, "palette6": 35.0}
"""Least peak signal-to-noise ratio to the editor's picture, in decibels, by compression of the weights."""


@dataclass(frozen=True)
class Likeness:
    """How closely the edits of one concept match the editor's, over all photos and sizes."""

    concept: str
    runtime: str
    """What executed the package: the check's own ``interpreter``, or ``Core ML``."""
    psnr: float
    """PSNR of the worst photo, in decibels; infinite if all are equal."""
    worst: int
    """Largest difference of any channel of any pixel, in steps of 1/255."""


def photos_for(concepts: Sequence[Concept], files: Sequence[Path]) -> list[Image.Image]:
    """The photos to check with: the given files, or else the unedited photo in each concept's preview.

    Raises:
        ImageError: a file cannot be read.
        E2GANError: there is no photo.
    """
    if files:
        return [open_image(file, opaque=True) for file in files]
    previews = [open_image(concept.preview, opaque=True, limits=PREVIEW) for concept in concepts if concept.preview]
    if not previews:
        raise E2GANError("nothing to check with: the concept has no preview", hint="name a photo with --photo")
    photos = {
        half.tobytes(): half
        for half in (preview.crop((0, 0, preview.width // 2, preview.height)) for preview in previews)
    }
    return list(photos.values())


def check(
    program: Program,
    base: Base,
    concepts: Sequence[Concept],
    photos: Sequence[Image.Image],
    sizes: Sequence[Size],
) -> list[Likeness]:
    """Run every function of a package on every photo in every size, and compare with the editor in float32."""
    editor = Editor(base, device="cpu", dtype=torch.float32)
    inputs = [ImageOps.fit(photo, size, Image.Resampling.LANCZOS) for size in sizes for photo in photos]
    likenesses = []
    for concept, function in zip(concepts, function_names(concepts)):
        expected = [np.asarray(editor.apply(photo, concept)) for photo in inputs]
        edits = {"interpreter": [program.run(function, np.asarray(photo)) for photo in inputs]}
        if sys.platform == "darwin":
            edits["Core ML"] = _predictions(program.path, function, inputs)
        for runtime, results in edits.items():
            differences = [abs(a.astype(int) - b) for a, b in zip(results, expected)]
            likenesses.append(
                Likeness(concept.id, runtime, min(map(psnr, differences)), max(int(d.max()) for d in differences))
            )
    return likenesses


def _predictions(package: Path, function: str, photos: Sequence[Image.Image]) -> list[np.ndarray]:
    """Core ML's edits of the photos, on a Mac."""
    with quiet_coremltools() as ct, temporary_folder(for_libraries=True) as folder:
        copy = shutil.copytree(
            package, Path(folder, "package.mlpackage")
        )  # Core ML recognises packages by their suffix
        several: dict[str, Any] = {} if function == "main" else {"function_name": function}
        model = ct.models.MLModel(str(copy), **several)
        return [np.asarray(model.predict({INPUT: photo})[OUTPUT].convert("RGB")) for photo in photos]
