"""What HEIF and AVIF files say about their picture besides its pixels, which decoders do not pass on.

Both consist of nested boxes (ISO/IEC 14496-12, 23008-12): the primary item's properties give its colours, and other
items show that there is a gain map.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["AVIF", "About", "Jp2", "is_iso_media", "read_about", "read_jp2"]

AVIF = frozenset({b"avif", b"avis"})
"""The brands of AVIF: a picture, and a sequence of them."""

META_LIMIT = 16 << 20
"""Maximum bytes of the box that describes the items."""

_GAIN_MAPS = (b"urn:com:apple:photo:2020:aux:hdrgainmap",)


@dataclass(frozen=True)
class About:
    """What the boxes say."""

    brands: frozenset[bytes]
    nclx: tuple[int, int] | None = None
    """Colour primaries and transfer characteristics of the primary item (ITU-T H.273)."""
    gain_map: bool = False


def is_iso_media(head: bytes) -> bool:
    """Whether a file that begins with ``head`` consists of such boxes."""
    return head[4:8] == b"ftyp"


def read_about(data: bytes) -> About:
    """Read a file's boxes; damaged ones are ignored."""
    brands: frozenset[bytes] = frozenset()
    try:
        for kind, body in _boxes(memoryview(data)):
            if kind == b"ftyp":
                brands = frozenset(bytes(body[at : at + 4]) for at in (0, *range(8, min(len(body), 256), 4)))
            elif kind == b"meta" and len(body) <= META_LIMIT:
                return _read_meta(body[4:], brands)
    except (struct.error, IndexError, ValueError):
        pass
    return About(brands)


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            header = 16
        elif size == 0:
            size = len(data) - at
        if size < header:
            return
        yield kind, data[at + header : at + size]
        at += size


def _read_meta(meta: memoryview, brands: frozenset[bytes]) -> About:
    primary, properties, owners, tone_mapped = -1, [], b"", False
    for kind, body in _boxes(meta):
        if kind == b"pitm":
            (primary,) = struct.unpack_from(">H" if body[0] == 0 else ">I", body, 4)
        elif kind == b"iprp":
            for inner, content in _boxes(body):
                if inner == b"ipco":
                    properties = list(_boxes(content))
                elif inner == b"ipma":
                    owners = bytes(content)
        elif kind == b"iinf":
            entries = body[6:] if body[0] == 0 else body[8:]
            # From version 3 on, an item's number takes four bytes.
            tone_mapped = any(
                bytes(entry[8 : 12 + 2 * (entry[0] > 2)]).endswith(b"tmap")
                for name, entry in _boxes(entries)
                if name == b"infe"
            )
    auxiliary = any(
        kind == b"auxC" and bytes(body[4:]).startswith(name) for kind, body in properties for name in _GAIN_MAPS
    )
    nclx = None
    for index in _properties_of(primary, owners):
        if not 0 < index <= len(properties):
            continue
        kind, body = properties[index - 1]
        if kind == b"colr" and bytes(body[:4]) == b"nclx" and nclx is None:
            nclx = struct.unpack_from(">HH", body, 4)
    return About(brands, nclx, tone_mapped or auxiliary)


def _properties_of(item: int, owners: bytes) -> Iterator[int]:
    """The numbers, from 1, of an item's properties, as the box ``ipma`` lists them."""
    if not owners:
        return
    version, wide = owners[0], owners[3] & 1
    (count,) = struct.unpack_from(">I", owners, 4)
    at = 8
    for _ in range(min(count, len(owners))):
        number, some = struct.unpack_from(">HB" if version < 1 else ">IB", owners, at)
        at += 3 if version < 1 else 5
        step = 2 if wide else 1
        for place in range(at, at + some * step, step):
            if number == item:
                yield struct.unpack_from(">H", owners, place)[0] & 0x7FFF if wide else owners[place] & 0x7F
        at += some * step


@dataclass
class Jp2:
    """What a JPEG 2000's boxes say (ISO/IEC 15444-1, annex I), which Pillow ignores."""

    profile: bytes = b""
    """The ICC profile (I.5.3.3)."""
    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""


_JP2_METADATA = {
    b"JpgTiffExif->JP2": "exif",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
}
"""Boxes of metadata, by their UUID."""


def read_jp2(data: bytes) -> Jp2:
    """Read a JPEG 2000's boxes; damaged ones are ignored."""
    told = Jp2()
    with suppress(struct.error, IndexError, ValueError):
        for kind, body in _boxes(memoryview(data)):
            if kind == b"jp2h":
                for inner, content in _boxes(body):
                    if inner == b"colr" and content[0] in (2, 3) and not told.profile:
                        told.profile = bytes(content[3:])
            elif kind == b"uuid" and (name := _JP2_METADATA.get(bytes(body[:16]))) and not getattr(told, name):
                setattr(told, name, bytes(body[16:]))
    return told
