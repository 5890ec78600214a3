"""The table of docs/formats.md: which depths, colours and transparency of each format are read, found out by trying.

python -m tests.images.table --write
"""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from PIL import Image

from e2gan.errors import ImageError
from e2gan.images import FORMATS, open_image
from e2gan.images.colour import SRGB_PRIMARIES

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"
BEGIN, END = "<!-- table: python -m tests.images.table --write -->", "<!-- end of the table -->"

WIDTH, HEIGHT = 64, 32
OPACITY = 0.6
DEPTHS = ("1", "2", "4", "8", "10", "12", "16", "32", "float")
Encode = Callable[[], bytes]


def _colours() -> dict[str, np.ndarray]:
    x = np.linspace(0.03, 0.97, WIDTH)[None].repeat(HEIGHT, 0)
    rgb = np.stack([x, x[:, ::-1], np.full_like(x, 0.45)], -1)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ SRGB_PRIMARIES.to_xyz().T / np.array([0.9642, 1, 0.8249])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)
    cmyk = np.concatenate([1 - rgb, np.zeros((HEIGHT, WIDTH, 1))], -1)
    return {"grey": x[..., None], "RGB": rgb, "palette": rgb, "CMYK": cmyk, "Lab": lab}


COLOURS = _colours()


def _whole(samples: np.ndarray, bits: int) -> np.ndarray:
    kind = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32
    return np.rint(samples * (2**bits - 1)).astype(kind)


def _with_alpha(samples: np.ndarray) -> np.ndarray:
    return np.concatenate([samples, np.full((HEIGHT, WIDTH, 1), OPACITY)], -1)


def _pillow(format: str, colour: str, depth: str, alpha: bool, **options: Any) -> bytes:
    samples = COLOURS[colour]
    if colour == "palette":
        image: Image.Image = Image.fromarray(_whole(samples, 8)).quantize(2 ** int(depth))
        if alpha:
            # Of a palette one colour is transparent.
            image.info["transparency"] = image.getpixel((0, 0))
        if format == "PNG":
            options["bits"] = int(depth)
    elif colour == "grey" and depth == "1":
        image = Image.fromarray(samples[..., 0] > 0.5)
    elif colour == "grey" and depth == "16":
        image = Image.fromarray(_whole(samples, 16)[..., 0])
    else:
        pixels = _whole(_with_alpha(samples) if alpha else samples, int(depth))
        image = Image.fromarray(pixels[..., 0], "L") if pixels.shape[-1] == 1 else Image.fromarray(pixels)
        if colour == "grey" and alpha:
            image = Image.fromarray(pixels, "LA")
        if colour == "CMYK":
            image = Image.fromarray(pixels, "CMYK")
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _tiff(colour: str, depth: str, alpha: bool) -> bytes:
    samples = COLOURS[colour]
    options: dict[str, Any] = {
        "photometric": {"grey": "minisblack", "CMYK": "separated", "Lab": "cielab"}.get(colour, "rgb")
    }
    if alpha:
        samples = _with_alpha(samples)
        options["extrasamples"] = ["unassalpha"]
    if colour == "Lab":
        if depth == "float":
            pixels = samples.astype(np.float32)
        else:
            unit, kind = (1, np.uint8) if depth == "8" else (256, np.uint16)
            lightness = np.rint(samples[..., :1] * ((2 ** int(depth) - 1) / 100))
            pixels = np.concatenate([lightness, np.rint(samples[..., 1:] * unit) % 2 ** int(depth)], -1).astype(kind)
    elif depth == "float":
        pixels = samples.astype(np.float32)
    elif depth == "1":
        pixels = samples > 0.5
    else:
        pixels = _whole(samples, int(depth))
        options["bitspersample"] = int(depth)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels[..., 0] if pixels.shape[-1] == 1 else pixels, **options)
    return buffer.getvalue()


def _jpeg2000(colour: str, depth: str, alpha: bool) -> bytes:
    pixels = _whole(_with_alpha(COLOURS[colour]) if alpha else COLOURS[colour], int(depth))
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="jp2", bitspersample=int(depth), reversible=True)


def _avif(colour: str, depth: str, alpha: bool) -> bytes:
    if depth == "8":
        return _pillow("AVIF", colour, depth, alpha, quality=100, subsampling="4:4:4", speed=10)
    pixels = _whole(_with_alpha(COLOURS[colour]) if alpha else COLOURS[colour], int(depth))
    return imagecodecs.avif_encode(pixels, level=95, bitspersample=int(depth), pixelformat="444", speed=10)


def _heif(colour: str, depth: str, alpha: bool) -> bytes:
    pixels = _whole(_with_alpha(COLOURS[colour]) if alpha else COLOURS[colour], 16 if depth != "8" else 8)
    channels = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[-1]]
    mode = channels if depth == "8" else "I;16" if channels == "L" else f"{channels};16"
    pillow_heif.options.SAVE_HDR_TO_12_BIT = depth == "12"
    try:
        image = pillow_heif.from_bytes(mode, (WIDTH, HEIGHT), pixels.tobytes())
        buffer = io.BytesIO()
        image.save(buffer, quality=95, chroma=444)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    return buffer.getvalue()


def _ppm(colour: str, depth: str) -> bytes:
    pixels = _whole(COLOURS[colour], int(depth))
    kind, most = (5 if colour == "grey" else 6), 2 ** int(depth) - 1
    return f"P{kind} {WIDTH} {HEIGHT} {most}\n".encode() + pixels.astype(">u2" if most > 255 else "u1").tobytes()


def trials() -> Iterator[tuple[str, str, str, bool, Encode]]:
    """(format, colour, depth, transparent, what encodes it), for everything that there is an encoder of."""

    def pillow(format: str, colour: str, depths: str, alphas: tuple[bool, ...] = (False,), **options: Any) -> Any:
        for depth in depths.split():
            for alpha in alphas:
                yield format, colour, depth, alpha, lambda d=depth, a=alpha: _pillow(format, colour, d, a, **options)

    both = (False, True)
    yield from pillow("JPEG", "grey", "8", quality=95)
    yield from pillow("JPEG", "RGB", "8", quality=95, subsampling=0)
    yield from pillow("JPEG", "CMYK", "8", quality=95)
    yield from pillow("PNG", "grey", "1 16")
    yield from pillow("PNG", "grey", "8", both)
    yield from pillow("PNG", "RGB", "8", both)
    yield from pillow("PNG", "palette", "1 2 4 8", both)
    for colour in ("grey", "RGB"):
        deep = lambda alpha, c=colour: imagecodecs.png_encode(  # noqa: E731
            _whole(_with_alpha(COLOURS[c]) if alpha else COLOURS[c], 16).squeeze()
        )
        yield "PNG", colour, "16", True, lambda f=deep: f(True)
        if colour == "RGB":
            yield "PNG", colour, "16", False, lambda f=deep: f(False)
    yield from pillow("WEBP", "RGB", "8", both, lossless=True)
    for colour, depths in {
        "grey": "1 2 4 8 10 12 16 32 float",
        "RGB": "2 4 8 10 12 16 32 float",
        "CMYK": "8 16",
    }.items():
        for depth in depths.split():
            for alpha in both:
                if alpha and (colour == "CMYK" or depth in ("1", "2", "4", "10", "12")):
                    continue
                yield "TIFF", colour, depth, alpha, lambda c=colour, d=depth, a=alpha: _tiff(c, d, a)
    yield from pillow("TIFF", "palette", "8")
    for depth in ("8", "16", "float"):
        yield "TIFF", "Lab", depth, False, lambda d=depth: _tiff("Lab", d, False)
    for colour in ("grey", "RGB"):
        for alpha in both:
            for depth in ("8", "10", "12"):
                if (colour, alpha) != ("grey", True):
                    yield "HEIF", colour, depth, alpha, lambda c=colour, d=depth, a=alpha: _heif(c, d, a)
                if colour == "RGB":
                    yield "AVIF", colour, depth, alpha, lambda c=colour, d=depth, a=alpha: _avif(c, d, a)
            for depth in ("8", "10", "12", "16"):
                yield "JPEG2000", colour, depth, alpha, lambda c=colour, d=depth, a=alpha: _jpeg2000(c, d, a)
    yield from pillow("GIF", "palette", "8", both)
    yield from pillow("BMP", "grey", "1 8")
    yield from pillow("BMP", "palette", "8")
    yield from pillow("BMP", "RGB", "8")
    yield from pillow("PPM", "grey", "1")
    for colour in ("grey", "RGB"):
        for depth in ("2", "4", "8", "10", "12", "16"):
            yield "PPM", colour, depth, False, lambda c=colour, d=depth: _ppm(c, d)


def fault(colour: str, depth: str, alpha: bool, data: bytes) -> str:
    """What is wrong with how such a picture looks once it is opened; "" if nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = open_image(data)
    except ImageError as error:
        return str(error)
    pixels = np.asarray(opened).astype(float)
    expected = COLOURS["RGB" if colour in ("palette", "CMYK", "Lab") else colour] * 255
    if depth == "1" and colour == "grey":
        expected = (COLOURS["grey"] > 0.5) * 255.0
    levels = 2 ** min(8, int(depth)) if depth.isdigit() else 256
    allowed = 255 / (levels - 1) / 2 + (16 if colour == "Lab" else 6)
    if colour == "palette":
        allowed = 255 if int(depth) < 8 else 24  # the quantizer's own choice of colours is not judged
    seen = pixels[..., :3]
    if alpha and opened.mode != "RGBA":
        return "its transparency is lost"
    if alpha and colour != "palette" and abs(pixels[..., 3].mean() - 255 * OPACITY) > 3:
        return f"its opacity is {pixels[..., 3].mean():.0f}"
    if alpha and colour == "palette":
        seen, expected = seen[pixels[..., 3] > 0], np.broadcast_to(expected, seen.shape)[pixels[..., 3] > 0]
    worst = np.abs(seen - expected).max()
    return "" if worst <= allowed else f"it is off by {worst:.0f}"


def results() -> dict[tuple[str, str, str, bool], str]:
    return {(f, c, d, a): fault(c, d, a, encode()) for f, c, d, a, encode in trials()}


def markdown(found: dict[tuple[str, str, str, bool], str]) -> str:
    """The table."""
    lines = ["| format | colours | " + " | ".join(DEPTHS) + " |", "|---|---|" + ":-:|" * len(DEPTHS)]
    for format in FORMATS:
        for colour in COLOURS:
            cells = []
            for depth in DEPTHS:
                plain, clear = (found.get((format.name, colour, depth, alpha)) for alpha in (False, True))
                cells.append(("✓" if plain == "" or clear == "" else "") + ("α" if clear == "" else ""))
            if any(cells):
                lines.append(f"| {format.title} | {colour} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def written(text: str, table: str) -> str:
    """The document with the table in its place."""
    return re.sub(
        f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", lambda m: f"{m[1]}\n{table}\n\n{m[2]}", text, flags=re.S
    )


if __name__ == "__main__":
    found = results()
    for key, why in found.items():
        if why:
            print(*key, why, file=sys.stderr)
    if "--write" in sys.argv:
        DOCUMENT.write_text(written(DOCUMENT.read_text(), markdown(found)))
    else:
        print(markdown(found))
