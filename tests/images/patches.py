"""Six patches of colour, written in every way that files tell colours, and what they look like."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from e2gan.images import open_image

SEEN = np.array([(200, 60, 50), (60, 150, 70), (50, 80, 180), (220, 190, 60), (128, 128, 128), (230, 230, 230)], float)
"""The patches as they look, in sRGB."""

WIDTH, HEIGHT = 96, 64

D65 = (0.3127, 0.3290)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65)
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65)
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)


def light(colours: np.ndarray = SEEN) -> np.ndarray:
    """Linear sRGB, 0 to 1."""
    a = colours / 255
    return np.where(a <= 0.04045, a / 12.92, ((a + 0.055) / 1.055) ** 2.4)


def matrix(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Linear RGB to XYZ."""
    x, y = np.array(primaries).T
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])


def in_primaries(linear: np.ndarray, primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    return linear @ (np.linalg.inv(matrix(primaries)) @ matrix(SRGB)).T


def gamma(linear: np.ndarray, exponent: float) -> np.ndarray:
    return linear.clip(0, 1) ** (1 / exponent)


def srgb(linear: np.ndarray) -> np.ndarray:
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def pq(nits: np.ndarray) -> np.ndarray:
    power = (nits.clip(0) / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(nits: np.ndarray) -> np.ndarray:
    """Of BT.2020 light on a display of 1000 cd/m²."""
    display = nits.clip(0) / 1000
    y = (display @ np.array([0.2627, 0.6780, 0.0593]))[..., None]
    scene = display * np.maximum(y, 1e-9) ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(12 * scene.clip(1 / 12) - 0.28466892) + 0.55991073
    )


def laid_out(samples: np.ndarray, dtype: Any = np.uint8) -> np.ndarray:
    """(6, C) in 0 to 1 as (HEIGHT, WIDTH, C) of a type, all of its range used."""
    most = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1
    values = samples * most
    values = (np.rint(values) if most > 1 else values).astype(dtype)
    return values.reshape(2, 3, -1).repeat(HEIGHT // 2, 0).repeat(WIDTH // 3, 1)


def looks(data: bytes, **options: Any) -> np.ndarray:
    """The colours at the middles of the patches, (6, C)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = np.asarray(open_image(data, **options)).astype(int)
    assert opened.shape[:2] == (HEIGHT, WIDTH)
    return opened[16::32, 16::32].reshape(6, -1)


def off(data: bytes, expected: np.ndarray = SEEN, **options: Any) -> int:
    """By how much the patches look other than they should, of 255."""
    return int(np.abs(looks(data, **options)[:, :3] - expected).max())


def saved(pixels: np.ndarray | Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, format, **options)
    return buffer.getvalue()


def tiff(samples: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(png: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    at = png.index(before) - 4 if before == b"IDAT" else len(png) - 12
    return png[:at] + b"".join(chunks) + png[at:]


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chrm(primaries: tuple[tuple[float, float], ...]) -> bytes:
    corners = (primaries[3], *primaries[:3])
    return chunk(b"cHRM", b"".join(struct.pack(">I", round(value * 100_000)) for corner in corners for value in corner))


def profile(name: str, exponent: float, primaries: tuple[tuple[float, float], ...] = SRGB, extra: int = 0) -> bytes:
    """An ICC profile (version 2) of a matrix and one exponent."""
    white = np.array([D65[0] / D65[1], 1, (1 - sum(D65)) / D65[1]])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1, 0.8249])
    adapted = np.linalg.inv(bradford) @ np.diag(bradford @ d50 / (bradford @ white)) @ bradford @ matrix(primaries)

    def numbers(values: Any) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65_536)) for value in values)

    words = name.encode() + b"\0"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + b"\0\0"
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(78)), (b"wtpt", numbers(d50))]
    tags += [(tag, numbers(adapted[:, i])) for i, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    body, table, start = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags:
        table += struct.pack(">4sII", tag, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    body += bytes(extra)
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return (head.ljust(68, b"\0") + numbers(d50)[8:]).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
