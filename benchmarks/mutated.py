"""Damaged pictures of every readable format: each must be opened or refused within its memory limit and five seconds.

    python -m benchmarks.mutated --count 50000

Any exception except ImageError is a fault of the program.  The pictures are opened in this process, so that a decoder's
crash is noticed, too; the last picture is then in --keep.
"""

from __future__ import annotations

import io
import random
import resource
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measuring import Figure, parser, report, script
from e2gan.errors import ImageError
from e2gan.images import PREVIEW, Limits, open_image

__all__ = ["Outcome", "measure", "mutated", "seeds", "try_all"]

SECONDS = 5.0
"""Most seconds for a damaged picture."""

SLACK = 200_000_000
"""Bytes for the libraries themselves, and for memory that the allocator keeps."""


def seeds() -> dict[str, bytes]:
    """Small pictures, one for each way of reading, by name."""
    import imagecodecs
    import pillow_heif
    import tifffile

    x = np.linspace(0, 1, 48)[None, :].repeat(32, 0)
    light = np.stack([x, x[:, ::-1], np.full_like(x, 0.45)], -1)
    eight, deep = np.rint(light * 255).astype(np.uint8), np.rint(light * 65_535).astype(np.uint16)
    rgb, rgba = Image.fromarray(eight), Image.fromarray(np.dstack([eight, np.rint(x * 255).astype(np.uint8)]))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 6, "Camera", {0x829A: 0.01, 0xA001: 65_535, 0x9214: (1, 2, 3)}
    exif[0x8825] = {1: "N", 2: (42.0, 30.0, 0.0)}
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:rights="me"/></rdf:RDF></x:xmpmeta>'
    )

    def saved(image: Image.Image, format: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format, **options)
        return buffer.getvalue()

    def tiff(samples: np.ndarray, **options: Any) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, samples, **options)
        return buffer.getvalue()

    def heif(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        pillow_heif.from_pillow(image).save(buffer, quality=60)
        return buffer.getvalue()

    profile = imagecodecs.cms_profile(
        "rgb", whitepoint=[0.3127, 0.329, 1], primaries=[0.68, 0.32, 1, 0.265, 0.69, 1, 0.15, 0.06, 1], gamma=2.2
    )
    segment = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x74\0\x03you\0"
    files: dict[str, bytes | bytearray] = {
        "jpeg": saved(rgb, "JPEG", exif=exif, xmp=xmp, icc_profile=profile, dpi=(300, 300)),
        "jpeg-iptc": saved(rgb, "JPEG", extra=b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment),
        "jpeg-progressive": saved(rgb.convert("CMYK"), "JPEG", progressive=True),
        "png": saved(rgb, "PNG", icc_profile=profile, exif=exif, dpi=(300, 300)),
        "png-palette": saved(rgb.quantize(16), "PNG", transparency=3),
        "png-alpha": saved(rgba, "PNG"),
        "png-16": imagecodecs.png_encode(deep),
        "png-grey-16": saved(Image.fromarray(deep[..., 0]), "PNG", transparency=0),
        "png-frames": saved(rgb, "PNG", save_all=True, append_images=[rgb.rotate(90)]),
        "png-cicp": with_chunks(saved(rgb, "PNG"), (b"cICP", bytes([9, 16, 0, 1]))),
        "png-gamma": with_chunks(saved(rgb, "PNG"), (b"gAMA", struct.pack(">I", 100_000))),
        "webp": saved(rgba, "WEBP", exif=exif, xmp=xmp),
        "webp-lossless": saved(rgb, "WEBP", lossless=True),
        "gif": saved(rgb.quantize(16), "GIF", save_all=True, append_images=[rgb.rotate(90).quantize(16)]),
        "bmp": saved(rgb, "BMP"),
        "ppm": saved(rgb, "PPM"),
        "avif": saved(rgba, "AVIF", exif=exif.tobytes(), speed=10),
        "heic": heif(rgb),
        "jpeg2000": saved(rgb, "JPEG2000"),
        "jpeg2000-16": saved(Image.fromarray(deep[..., 0]), "JPEG2000"),
        "tiff": saved(rgb, "TIFF", exif=exif.tobytes()),
        "tiff-lzw-8": saved(rgba, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": saved(rgb, "TIFF", compression="jpeg"),
        "tiff-grey-16": tiff(deep[..., 0], photometric="miniswhite"),
        "tiff-planar": tiff(np.moveaxis(deep, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        "tiff-deflate": tiff(deep, photometric="rgb", compression="deflate", predictor=True),
        "tiff-lzw": tiff(deep, photometric="rgb", compression="lzw", tile=(16, 16)),
        "tiff-float": tiff(light.astype(np.float32), photometric="rgb", bigtiff=True),
        "tiff-12": tiff(np.rint(x * 4095).astype(np.uint16), photometric="minisblack", bitspersample=12),
        "tiff-zstd": tiff(deep, photometric="rgb", compression="zstd"),
        "tiff-jpegxl": tiff(eight, photometric="rgb", compression="jpegxl"),
        "tiff-lab": saved(Image.new("LAB", (9, 9), (99, 120, 130)), "TIFF"),
    }
    return {name: bytes(data) for name, data in files.items()}


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with chunks (kind, data) after its first."""
    encoded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return png[:33] + b"".join(encoded) + png[33:]


def mutated(seed: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A damaged copy: bytes changed, numbers made huge, parts lost, doubled or from another file, the end cut off."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        # The decisive bytes are mostly at the beginning.
        reach = len(data) if chance.random() < 0.5 else min(len(data), 400)
        at = chance.randrange(max(1, reach))
        kind = chance.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            huge = chance.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, chance.getrandbits(32)))
            data[at : at + 4] = huge.to_bytes(4, chance.choice(("big", "little")))
        elif kind == 2:
            del data[at : at + chance.randrange(1, 64)]
        elif kind == 3:
            data[at:at] = data[at : at + chance.randrange(1, 64)]
        elif kind == 4:
            donor = chance.choice(others)
            start = chance.randrange(len(donor))
            data[at : at + 32] = donor[start : start + chance.randrange(1, 64)]
        elif chance.random() < 0.3:
            del data[at:]
    if data.startswith(b"\x89PNG") and chance.random() < 0.7:
        return _with_sums(bytes(data))
    return bytes(data)


def _with_sums(png: bytes) -> bytes:
    """A PNG with correct checksums, so that its chunks are read."""
    parts, at = [png[:8]], 8
    while at + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, at)
        body = png[at + 4 : at + 8 + size]
        if at + 12 + size > len(png):
            break
        parts.append(png[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + size
    return b"".join([*parts, png[at:]])


@dataclass
class Outcome:
    """The results for the pictures."""

    opened: int = 0
    refused: int = 0
    slowest: float = 0.0
    """Seconds of the slowest one."""
    slowest_name: str = ""
    memory: int = 0
    """Growth of this process's peak memory, in bytes."""


def try_all(count: int, *, limits: Limits = PREVIEW, seed: int = 0, keep: Path | None = None) -> Outcome:
    """Open ``count`` damaged pictures; any exception but ImageError is raised.

    keep: a folder for the current picture, in case of a crash, and for slow ones.
    """
    outcome, chance, before = Outcome(), random.Random(seed), _most_memory()
    for name, data in _pictures(count, chance):
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / "last").write_bytes(data)
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                open_image(data, name=name, limits=limits)
        except ImageError:
            outcome.refused += 1
        else:
            outcome.opened += 1
        took = time.perf_counter() - start
        if took > outcome.slowest:
            outcome.slowest, outcome.slowest_name = took, name
            if keep is not None and took > 1:
                (keep / f"slow-{name}").write_bytes(data)
    outcome.memory = _most_memory() - before
    return outcome


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _pictures(count: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    inputs = seeds()
    names, others = list(inputs), list(inputs.values())
    for number in range(count):
        name = names[number % len(names)]
        yield name, mutated(inputs[name], others, chance)


def measure(count: int, seed: int = 0, keep: Path | None = None) -> list[Figure]:
    outcome = try_all(count, seed=seed, keep=keep)
    return [
        Figure("pictures", count),
        Figure("opened", outcome.opened),
        Figure("refused", outcome.refused),
        Figure(f"the slowest ({outcome.slowest_name})", outcome.slowest, "s", at_most=SECONDS),
        Figure("memory taken", outcome.memory / 1e6, "MB", at_most=(PREVIEW.memory + SLACK) / 1e6),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--count", type=int, default=50_000)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--keep", type=Path, help="folder for the current picture, and for slow ones")
    options = command.parse_args(arguments)
    report({"damaged pictures": measure(options.count, options.seed, options.keep)}, options.output)


if __name__ == "__main__":
    script(main)
