"""A PNG's chunks: its colours, its metadata, and a file without these for the decoder.

The decoder sees only what pixels need, so that no text or profile, however large or damaged, prevents a picture from
being opened.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass, field

from e2gan.images.colour import Colour, Primaries, from_cicp, named_by_gamma

__all__ = ["SIGNATURE", "Png", "read_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

PROFILE_LIMIT = 32 << 20
"""Maximum bytes of a colour profile: those of printers and scanners take several megabytes."""

TEXT_LIMIT = 1 << 20
"""Maximum bytes of a text; metadata (XMP, EXIF) may have eight times as many."""

TEXTS = 100
"""Maximum number of texts that are read."""

_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_METADATA = frozenset(
    (
        *("XML:com.adobe.xmp", "e2gan", "Copyright", "Author", "Title", "Description"),
        *(f"Raw profile type {kind}" for kind in ("xmp", "iptc", "8bim", "exif", "APP1")),
    )
)


@dataclass
class Png:
    """The content of a PNG."""

    width: int = 0
    height: int = 0
    depth: int = 0
    """Bits a sample."""
    kind: int = 0
    """Colour type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha."""
    colour: Colour | None = None
    narrow: bool = False
    """Whether its samples have video range: 16 to 235 of 255."""
    transparent: bytes = b""
    """The chunk tRNS."""
    exif: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)
    """Metadata by keyword."""
    dpi: tuple[float, float] | None = None
    animated: bool = False
    compressed: int = 0
    """Bytes of compressed pixels."""
    notes: list[str] = field(default_factory=list)
    file: bytes = b""
    """A PNG with the same pixels and nothing else."""

    def raw_profile(self, *kinds: str) -> bytes:
        """The metadata in the first text "Raw profile type …" of these kinds, as ImageMagick and exiftool write it."""
        for text in filter(None, (self.texts.get(f"Raw profile type {kind}") for kind in kinds)):
            with suppress(ValueError):
                return bytes.fromhex("".join(text.split("\n")[3:]))
        return b""

    @property
    def row(self) -> int:
        """Bytes in a row of pixels."""
        return 1 + (self.width * self.depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(self.kind, 4) + 7) // 8


def read_png(data: bytes) -> Png:
    """Read the chunks of a PNG; a damaged chunk that pixels do not need is left out, and a note says so."""
    png = Png()
    told: dict[bytes, bytes] = {}
    chunks = [SIGNATURE]
    at, texts = len(SIGNATURE), 0
    view = memoryview(data)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body, end = view[at + 8 : at + 8 + size], at + 12 + size
        if kind in _PIXELS:
            chunks.append(bytes(view[at:end]))
            if kind == b"IHDR" and size == 13 and not png.width:
                png.width, png.height, png.depth, png.kind = struct.unpack_from(">IIBB", body)
            elif kind == b"tRNS":
                png.transparent = bytes(body)
            elif kind == b"IDAT":
                png.compressed += len(body)
            elif kind == b"IEND":
                break
        elif end > len(data) or struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(view[at + 4 : end - 4]):
            pass  # damaged
        elif kind in (b"tEXt", b"zTXt", b"iTXt") and texts < TEXTS:
            texts += 1
            _read_text(png, kind, bytes(body))
        elif kind == b"pHYs" and size == 9:
            across, down, unit = struct.unpack(">IIB", body)
            png.dpi = (across * 0.0254, down * 0.0254) if unit == 1 else None
        elif kind == b"eXIf" and size <= 8 * TEXT_LIMIT:
            png.exif = bytes(body)
        elif kind == b"acTL" and size == 8:
            png.animated = struct.unpack_from(">I", body)[0] > 1
        elif kind in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM") and not png.compressed:
            told.setdefault(kind, bytes(body))
        at = end
    png.file = b"".join(chunks)
    _tell_colour(png, told)
    return png


def _tell_colour(png: Png, told: dict[bytes, bytes]) -> None:
    """Set the colours by the PNG specification's precedence (third edition, 4.3): cICP, iCCP, sRGB, gAMA with cHRM."""
    cicp = told.get(b"cICP", b"")
    # The matrix must be 0: a PNG holds RGB.
    if len(cicp) == 4 and cicp[2] == 0 and (colour := from_cicp(cicp[0], cicp[1])):
        png.colour, png.narrow = colour, cicp[3] == 0
        return
    if b"iCCP" in told:
        _, _, packed = told[b"iCCP"].partition(b"\0")
        profile = _inflate(packed[1:], PROFILE_LIMIT)
        if profile:
            png.colour = Colour(profile=profile)
            return
        png.notes.append("its colour profile is damaged or too large, and left out")
    if b"sRGB" in told or len(told.get(b"gAMA", b"")) != 4:
        return
    gamma = struct.unpack(">I", told[b"gAMA"])[0] / 100_000
    primaries = None
    if len(told.get(b"cHRM", b"")) == 32:
        numbers = [value / 100_000 for value in struct.unpack(">8I", told[b"cHRM"])]
        white, red, green, blue = zip(numbers[::2], numbers[1::2])
        primaries = Primaries(red, green, blue, white)
    png.colour = named_by_gamma(gamma, primaries)


def _read_text(png: Png, kind: bytes, body: bytes) -> None:
    keyword, _, rest = body.partition(b"\0")
    name = keyword[:79].decode("latin-1")
    limit = 8 * TEXT_LIMIT if name in _METADATA else TEXT_LIMIT
    encoding = "latin-1"
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed, encoding = rest[:1] == b"\1", "utf-8"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    text: bytes | None = rest
    if packed:
        text = _inflate(rest, limit)
    if text is None or len(text) > limit:
        png.notes.append(f"its text '{name}' is damaged or larger than {limit >> 20} MB, and left out")
    elif name in _METADATA:
        png.texts.setdefault(name, text.decode(encoding, "replace"))


def _inflate(data: bytes, limit: int) -> bytes | None:
    """The decompressed bytes, if they are sound and at most ``limit``; otherwise None."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, limit)
    except zlib.error:
        return None
    return plain if stream.eof else None
