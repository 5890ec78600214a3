"""Limits of the memory that opening a picture may take, checked on what its file declares before any is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from e2gan.errors import ImageError

__all__ = ["DECODED", "LARGE", "PHOTO", "PREVIEW", "UPLOAD", "Limits"]

DECODED = 12
"""Maximum bytes for each pixel of 8-bit channels while opening: decoded (4), turned upright (4), converted (4)."""

CLEAR = 20
"""The same for pictures with transparency, whose hidden pixels are filled."""

HDR = 26
"""The same for HDR pictures, which are converted through linear light."""

PER_PIXEL = {"GIF": CLEAR, "WEBP": 26, "AVIF": 24, "JPEG2000": 24, "HEIF": CLEAR}
"""The same for formats whose decoders take more themselves; measured and rounded up."""

FEWEST = 1 / 50_000
"""Minimum bytes for each pixel in formats that compress equal pixels without limit: a file with less is not a photo."""


@dataclass(frozen=True)
class Limits:
    """Limits for one picture."""

    memory: int
    """Maximum bytes that opening it may take."""
    side: int = 300_000
    """Maximum pixels in a row or column: scaling a longer one takes gigabytes for its weights alone."""
    hint: str = "make it smaller first"

    def check(self, name: str, width: int, height: int, per_pixel: int = DECODED) -> None:
        """Refuse a picture that is too large.

        Args:
            per_pixel: maximum bytes that a pixel takes while the picture is opened.

        Raises:
            ImageError: it has no pixels, or exceeds these limits.
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
        """Refuse a file that is too long; raises ImageError."""
        if size > self.memory // 2:
            raise ImageError(f"{name}: larger than the {self.memory / 2e6:,.4g} MB allowed", hint=self.hint)


PHOTO = Limits(1_500_000_000, hint="make it smaller first, or edit it with e2gan apply --large if you trust it")
"""A photo to edit: 125 megapixels of a JPEG."""

LARGE = Limits(16_000_000_000, side=1_000_000)
"""A photo that its owner has declared large."""

UPLOAD = Limits(480_000_000, side=65_535, hint="make it smaller first, or edit it with e2gan apply")
"""A photo from an unknown sender: 40 megapixels of a JPEG."""

PREVIEW = Limits(100_000_000, side=16_384)
"""The preview of a concept."""
