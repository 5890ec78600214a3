"""How much memory opening a picture may take, decided by what its file declares, before any of it is taken."""

from __future__ import annotations

from dataclasses import dataclass

from e2gan.errors import ImageError

__all__ = ["LARGE", "PHOTO", "PREVIEW", "UPLOAD", "Limits"]

DECODED = 12
"""Bytes a pixel of 8-bit channels takes at most while it is opened: decoded (4), turned upright (4), converted (4)."""

CLEAR = 20
"""Those where it can be transparent, and what is hidden is filled."""

HDR = 26
"""Those where light is computed with."""

PER_PIXEL = {"GIF": CLEAR, "WEBP": 26, "AVIF": 24, "JPEG2000": 24, "HEIF": CLEAR}
"""Those of formats whose decoders take more themselves; measured, and rounded up."""

FEWEST = 1 / 50_000
"""Least bytes a pixel of formats that put any number of like pixels into nothing: what has less is no photo."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one picture."""

    memory: int
    """Most bytes that opening it may take."""
    side: int = 300_000
    """Most pixels in a row or a column: scaling a longer one takes gigabytes for its weights alone."""
    hint: str = "make it smaller first"

    def check(self, name: str, width: int, height: int, per_pixel: int = DECODED) -> None:
        """Refuse a picture by its size.

        Args:
            per_pixel: bytes that a pixel takes at most while the picture is opened.

        Raises:
            ImageError: it has no pixels, or more than these limits allow.
        """
        if width < 1 or height < 1:
            raise ImageError(f"{name}: has no pixels ({width}×{height})")
        if max(width, height) > self.side:
            raise ImageError(f"{name}: {width}×{height}, a side longer than the {self.side:,} pixels allowed")
        if width * height * per_pixel > self.memory:
            most = self.memory // per_pixel / 1e6
            raise ImageError(
                f"{name}: larger than the {most:.3g} megapixels allowed ({width}×{height})", hint=self.hint
            )

    def check_bytes(self, name: str, size: int) -> None:
        """Refuse a file by its length; raises ImageError."""
        if size > self.memory // 2:
            raise ImageError(f"{name}: larger than the {self.memory / 2e6:,.4g} MB allowed", hint=self.hint)


PHOTO = Limits(1_500_000_000, hint="make it smaller first, or edit it with e2gan apply --large if you trust it")
"""A photo to edit: 125 megapixels of a JPEG."""

LARGE = Limits(16_000_000_000, side=1_000_000)
"""A photo that its owner says is large."""

UPLOAD = Limits(480_000_000, side=65_535, hint="make it smaller first, or edit it with e2gan apply")
"""A photo that a stranger sends: 40 megapixels of a JPEG."""

PREVIEW = Limits(100_000_000, side=16_384)
"""The preview of a concept."""
