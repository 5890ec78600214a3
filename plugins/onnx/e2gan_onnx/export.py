"""Export a concept to an ONNX file: trace it, describe it, check it, and only then write the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from e2gan import __version__
from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import MIN_SIDE, Editor
from e2gan.errors import E2GANError
from e2gan.files import atomic_path
from e2gan_onnx.check import Likeness, compare, run
from e2gan_onnx.edit import folded
from e2gan_onnx.graph import PHOTO, picture_dimensions, to_onnx
from e2gan_onnx.options import IO, LEAST_PSNR, OPSETS
from e2gan_onnx.photos import CALIBRATE, as_input, calibration_photos, check_photos
from e2gan_onnx.pixels import take_pixels
from e2gan_onnx.quantize import quantized

if TYPE_CHECKING:
    import onnx

__all__ = [
    "Exported",
    "describe",
    "example",
    "export",
    "facts_of_base",
    "facts_of_concept",
    "require",
]


@dataclass(frozen=True)
class Exported:
    """A written model."""

    id: str
    """Id of its concept, or of its base."""
    path: Path
    size: int
    """In bytes."""
    likeness: Likeness | None
    """Compared with the PyTorch editor; None if that was not checked."""


def export(
    concept: Concept,
    base: Base,
    path: Path,
    *,
    precision: str = "fp32",
    io: str = IO[0],
    opset: int = OPSETS[0],
    calibrate: Path = CALIBRATE,
    editor: Editor | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Exported:
    """Write a concept's whole edit as one model, its LoRA folded in.

    Args:
        path: the file; replaced in one step, and only with a model that passed the check.
        precision: ``fp32``, ``fp16`` or ``int8``.
        io: ``uint8`` for pictures (N, H, W, 3) of any size, or ``float32`` for (N, 3, H, W) from 0 to 1.
        calibrate: for ``int8``, the folder of photos that the ranges are measured on.
        editor: in float32, of ``base``, to compare with.  Without an editor nothing is checked.
        tell: called with a line for each step.

    Raises:
        ConceptError: the concept is untrained, damaged or made for another base.
        DataError: there are no photos to calibrate with.
        E2GANError: the file cannot be written, the edit cannot be expressed at that opset, or the model's
            pictures differ too much from the editor's.
    """
    with atomic_path(path) as temporary:
        temporary.touch()  # so that a path that cannot be written is found before the work
        tell(f"{concept.id}: tracing")
        edit = folded(base, concept, torch.float16 if precision == "fp16" else torch.float32)
        model = to_onnx(
            edit,
            {PHOTO: example(base)},
            {PHOTO: picture_dimensions(base.config.stride)},
            opset=opset,
            name=concept.id,
        )
        if precision == "int8":
            tell(f"{concept.id}: calibrating")
            model = quantized(model, ({PHOTO: as_input(photo)} for photo in calibration_photos(calibrate)))
        photos = check_photos()
        if io == "uint8":
            take_pixels(model, base.config.stride)
            photos.append(photos[0].crop((0, 0, photos[0].width - 5, photos[0].height - 3)))
        describe(model, facts_of_base(base, precision, io) | facts_of_concept(concept))
        data = model.SerializeToString()
        likeness = None
        if editor is not None:
            tell(f"{concept.id}: checking")
            likeness = compare(run(data), concept, editor, photos)
            require(likeness, precision, concept.id)
        temporary.write_bytes(data)
    return Exported(concept.id, path, len(data), likeness)


def require(likeness: Likeness, precision: str, name: str) -> None:
    """Raise E2GANError for a model whose pictures differ too much from the editor's."""
    if not likeness.psnr >= LEAST_PSNR[precision]:
        raise E2GANError(
            f"{name}: the {precision} model reaches {likeness.psnr:.1f} dB against the PyTorch editor's pictures, "
            f"and must reach {LEAST_PSNR[precision]:g}; nothing was written",
            hint="choose a higher precision, or write it anyway with --no-check",
        )


def example(base: Base) -> torch.Tensor:
    """A picture to trace with: its batch, height and width all differ, so that tracing does not confuse them."""
    stride = base.config.stride
    return torch.zeros(2, 3, 8 * stride, 9 * stride)


def describe(model: onnx.ModelProto, facts: Mapping[str, str]) -> None:
    """Write a model's description and its use into the model."""
    model.producer_name, model.producer_version = "e2gan", __version__
    del model.metadata_props[:]
    for key, value in facts.items():
        model.metadata_props.add(key=f"e2gan.{key}", value=value)


def facts_of_base(base: Base, precision: str, io: str) -> dict[str, str]:
    stride = base.config.stride
    if io == "uint8":
        layout, sizes = "N, height, width, 3 (red, green, blue); uint8, sRGB; in and out", "any"
    else:
        layout = "N, 3 (red, green, blue), height, width; float32, sRGB from 0 to 1; in and out"
        sizes = f"height and width are multiples of {stride}, {MIN_SIDE} or more"
    return {
        "base": base.id,
        "base_sha256": base.sha256,
        "precision": precision,
        "layout": layout,
        "stride": str(stride),
        "sizes": sizes,
    }


def facts_of_concept(concept: Concept) -> dict[str, str]:
    return {
        "id": concept.id,
        "title": concept.title,
        "version": concept.version,
        "license": concept.license,
        "authors": ", ".join(concept.authors),
        "prompt": concept.prompt,
    }
