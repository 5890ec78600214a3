"""Metadata of a photo, as far as it is still true of the edit: its rights, when, where
and how it was taken, and its print resolution.

It comes from EXIF, XMP and IPTC, without what describes the old file (its size, colour space, focus area, previews).
The place where a photo was taken is read, but written only on request.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

from PIL import ExifTags, Image

__all__ = [
    "IPTC_TAG",
    "clean_exif",
    "clean_iptc",
    "clean_xmp",
    "exif_for_file",
    "extended_xmp",
    "iptc_for_jpeg",
    "iptc_for_png",
    "iptc_for_tiff",
    "iptc_of_png",
    "iptc_of_resources",
    "iptc_of_tiff",
    "load_exif",
    "says_adobe_rgb",
    "xmp_packet",
]

XMP_LIMIT = 8 << 20
"""Maximum bytes of XMP that are parsed: histories of painting programs take several megabytes."""

MARKER_LIMIT = 65_000
"""Maximum bytes of EXIF or XMP that fit into a JPEG marker."""

IPTC_TAG = 33723
"""The TIFF tag of IPTC."""

Base, IFD = ExifTags.Base, ExifTags.IFD

_KEPT = frozenset(
    Base[name]
    for name in (
        "ImageDescription",
        "Make",
        "Model",
        "Software",
        "DateTime",
        "Artist",
        "HostComputer",
        "Copyright",
        "Rating",
        "RatingPercent",
        "XPTitle",
        "XPComment",
        "XPAuthor",
        "XPKeywords",
        "XPSubject",
    )
)
"""EXIF tags of the first directory that are kept: those that describe the photo, not its old file."""

_STALE = frozenset(
    (
        Base.MakerNote,
        IFD.Interop,
        Base.ExifImageWidth,
        Base.ExifImageHeight,
        Base.ColorSpace,
        Base.Gamma,
        0x9214,  # SubjectArea
        Base.SubjectLocation,
        Base.ComponentsConfiguration,
        Base.CompressedBitsPerPixel,
        Base.CFAPattern,
        Base.FocalPlaneXResolution,
        Base.FocalPlaneYResolution,
        Base.FocalPlaneResolutionUnit,
        Base.SpatialFrequencyResponse,
        Base.OECF,
        Base.RelatedSoundFile,
        0xA460,  # CompositeImage and what belongs to it
        0xA461,
        0xA462,
    )
)
"""Tags of the camera's directory that are dropped: they hold the size or colours of the old file, or positions in it.
A maker's note may even hold a preview of the unedited photo."""

_RIGHTS = (Base.Copyright, Base.Artist, Base.XPAuthor)


# EXIF


class _Text(str):
    """Text of EXIF.  Pillow reads its bytes as Latin-1 and would write them as ASCII; these stay as they are."""

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        return super().encode("latin-1", "replace")


def _as_read(value: Any) -> Any:
    return _Text(value) if isinstance(value, str) else value


def load_exif(data: bytes) -> Image.Exif:
    """Parse EXIF, with the directories of the camera and the position; damaged parts are left out."""
    exif = Image.Exif()
    try:
        exif.load(_without_utf8(data))
        for tag, value in list(exif.items()):
            exif[tag] = _as_read(value)
    except Exception:  # as decoders do
        return Image.Exif()
    for number in (IFD.Exif, IFD.GPSInfo):
        directory = _directory(exif, number)
        directory.update({tag: _as_read(value) for tag, value in directory.items()})
    return exif


_ASCII, _UTF8_TEXT = 2, 129
"""Types of EXIF's values."""


def _without_utf8(data: bytes) -> bytes:
    """EXIF whose texts of the type UTF-8 (EXIF 3.0, 4.6.2), which Pillow leaves out, are declared as ASCII."""
    start = 6 if data.startswith(b"Exif\0\0") else 0
    order = {b"II": "<", b"MM": ">"}.get(data[start : start + 2])
    if order is None:
        return data
    changed = bytearray(data)
    with suppress(struct.error):
        pointers = [struct.unpack_from(f"{order}I", data, start + 4)[0]]
        for pointer in pointers:
            (count,) = struct.unpack_from(f"{order}H", data, start + pointer)
            for at in range(start + pointer + 2, start + pointer + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(f"{order}HH", data, at)
                if kind == _UTF8_TEXT:
                    struct.pack_into(f"{order}H", changed, at + 2, _ASCII)
                elif tag == IFD.Exif and len(pointers) == 1:
                    pointers += struct.unpack_from(f"{order}I", data, at + 8)
    return bytes(changed)


def _directory(exif: Image.Exif, directory: int) -> dict[int, Any]:
    try:
        return exif.get_ifd(directory)
    except Exception:  # as decoders do
        return {}


def says_adobe_rgb(exif: Image.Exif) -> bool:
    """Whether a camera declares Adobe RGB, by the colour space 2 or the interoperability index R03."""
    camera = _directory(exif, IFD.Exif)
    space = camera.get(Base.ColorSpace)
    if space == 2:
        return True
    try:
        index = exif.get_ifd(IFD.Interop).get(1, "")
    except Exception:  # as decoders do
        index = ""
    if isinstance(index, bytes):
        index = index.decode("latin-1")
    return space != 1 and str(index).strip("\0 ") == "R03"


def clean_exif(exif: Image.Exif) -> bytes:
    """The part of a photo's EXIF that is worth keeping; empty if there is none.

    Only the values that cannot be written, such as those of a wrong type, are left out.
    """
    values: dict[tuple[int, int], Any] = {(0, int(tag)): exif[tag] for tag in sorted(_KEPT & set(exif))}
    values |= {(int(IFD.Exif), tag): entry for tag, entry in _directory(exif, IFD.Exif).items() if tag not in _STALE}
    values |= {(int(IFD.GPSInfo), tag): entry for tag, entry in _directory(exif, IFD.GPSInfo).items()}
    worth_keeping = {key: value for key, value in values.items() if _writable(key, value)}
    if Base.ColorSpace in _directory(exif, IFD.Exif):
        worth_keeping[int(IFD.Exif), int(Base.ColorSpace)] = 1  # sRGB, the edit's colour space
    return _built(worth_keeping).tobytes() if worth_keeping else b""


def _writable(key: tuple[int, int], value: Any) -> bool:
    directory, tag = key
    try:
        again = Image.Exif()
        again.load(_built({key: value}).tobytes())
        return tag in (again if directory == 0 else again.get_ifd(directory))
    except Exception:  # values of a wrong type raise several kinds
        return False


def exif_for_file(
    data: bytes, *, position: bool, dpi: tuple[float, float] | None, limit: int | None
) -> tuple[Image.Exif, list[str]]:
    """The EXIF to write, and the names of the tags that are left out because they are too long.

    Args:
        data: the result of :func:`clean_exif`.
        position: whether it may say where the photo was taken.
        dpi: pixels per inch, horizontally and vertically.
        limit: maximum bytes.
    """
    read = load_exif(data)
    values = {(0, tag): value for tag, value in read.items() if tag not in (IFD.Exif, IFD.GPSInfo)}
    for directory in (IFD.Exif, IFD.GPSInfo) if position else (IFD.Exif,):
        values |= {(int(directory), tag): value for tag, value in _directory(read, directory).items()}
    if dpi:
        told = {Base.XResolution: dpi[0], Base.YResolution: dpi[1], Base.ResolutionUnit: 2}
        values |= {(0, int(tag)): value for tag, value in told.items()}
    dropped: list[str] = []
    exif = _built(values)
    while limit and values and len(exif.tobytes()) > limit:
        lengths = {key: len(str(value)) for key, value in values.items() if key[1] not in _RIGHTS} or {
            key: len(str(value)) for key, value in values.items()
        }
        longest = max(lengths, key=lengths.__getitem__)
        dropped.append(ExifTags.TAGS.get(longest[1], f"0x{longest[1]:04X}"))
        del values[longest]
        exif = _built(values)
    return exif, dropped


def _built(values: Mapping[tuple[int, int], Any]) -> Image.Exif:
    """EXIF from values by directory (0 for the first) and tag."""
    exif = Image.Exif()
    for directory in (IFD.Exif, IFD.GPSInfo):
        if inside := {tag: _as_read(value) for (where, tag), value in values.items() if where == directory}:
            exif[directory] = inside
    for (where, tag), value in values.items():
        if where == 0:
            exif[tag] = _as_read(value)
    return exif


# IPTC

_IPTC_KEPT = {5, 25, 40, 55, 60, 80, 85, 105, 110, 115, 116, 118, 120, 122}
_IPTC_POSITION = {26, 27, 90, 92, 95, 100, 101}
_UTF8 = b"\x1b%G"

_IPTC_TO_XMP = {
    116: ("dc", "rights", "Alt"),
    80: ("dc", "creator", "Seq"),
    5: ("dc", "title", "Alt"),
    120: ("dc", "description", "Alt"),
    25: ("dc", "subject", "Bag"),
    110: ("photoshop", "Credit", ""),
    115: ("photoshop", "Source", ""),
    105: ("photoshop", "Headline", ""),
    40: ("photoshop", "Instructions", ""),
    85: ("photoshop", "AuthorsPosition", ""),
}
"""IPTC's data sets of record 2 and the XMP properties that correspond to them (IPTC Photo Metadata Standard)."""


def _datasets(iptc: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(record, number, value) of IPTC-IIM; stops at the first damaged data set."""
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", iptc, at + 1)
        if size > 0x7FFF or at + 5 + size > len(iptc):
            return
        yield record, number, iptc[at + 5 : at + 5 + size]
        at += 5 + size


def clean_iptc(iptc: bytes) -> bytes:
    """The part of IPTC-IIM that is worth keeping: rights, names, words, and the place."""
    worth_keeping = [
        dataset for dataset in _datasets(iptc) if dataset[0] == 2 and dataset[1] in _IPTC_KEPT | _IPTC_POSITION
    ]
    if not worth_keeping:
        return b""
    charset = [dataset for dataset in _datasets(iptc) if dataset[:2] == (1, 90)][:1]
    return _joined([*charset, *worth_keeping])


def _joined(datasets: list[tuple[int, int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BBBH", 0x1C, r, number, len(value)) + value for r, number, value in datasets)


def _without_position(iptc: bytes) -> bytes:
    return _joined([dataset for dataset in _datasets(iptc) if dataset[0] != 2 or dataset[1] not in _IPTC_POSITION])


def iptc_of_resources(resources: bytes) -> bytes:
    """The IPTC in Photoshop's image resources ("8BIM" blocks); empty if there is none."""
    at = 0
    while at + 12 <= len(resources) and resources[at : at + 4] == b"8BIM":
        (number,) = struct.unpack_from(">H", resources, at + 4)
        at += 6 + (resources[at + 6] // 2 + 1) * 2
        if at + 4 > len(resources):
            break
        (size,) = struct.unpack_from(">I", resources, at)
        if number == 0x0404:
            return resources[at + 4 : at + 4 + size]
        at += 4 + size + size % 2
    return b""


def iptc_of_tiff(value: bytes) -> bytes:
    """A TIFF's IPTC, whose bytes libraries may have reversed by four, because it is often declared as numbers."""
    if value and value[0] != 0x1C and len(value) % 4 == 0:
        return b"".join(value[at : at + 4][::-1] for at in range(0, len(value), 4))
    return value


_PNG_WORDS = {"Copyright": 116, "Author": 80, "Title": 5, "Description": 120}
"""A PNG's own keywords, and the data sets of IPTC that correspond to them."""


def iptc_of_png(profile: bytes, texts: Mapping[str, str]) -> bytes:
    """A PNG's IPTC: that of its "Raw profile", which may be Photoshop's, and what its texts say besides."""
    iptc = iptc_of_resources(profile) if profile.startswith(b"8BIM") else profile
    known = {number for _, number, _ in _datasets(iptc)}
    words = [
        (2, number, texts[keyword].encode()[:0x7FFF])
        for keyword, number in _PNG_WORDS.items()
        if texts.get(keyword) and number not in known
    ]
    charset = [(1, 90, _UTF8)] if words and not iptc else []
    return _joined([*charset, *_datasets(iptc), *words])


def iptc_for_png(iptc: bytes, *, position: bool) -> str:
    """The text "Raw profile type iptc" of a PNG."""
    data = iptc if position else _without_position(iptc)
    digits = data.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return "\niptc\n" + f"{len(data):8}\n" + "\n".join(lines) + "\n"


def iptc_for_tiff(iptc: bytes, *, position: bool) -> bytes:
    """The value of a TIFF's tag :data:`IPTC_TAG`."""
    return iptc if position else _without_position(iptc)


def iptc_for_jpeg(iptc: bytes, *, position: bool) -> bytes:
    """A JPEG's APP13 segment with this IPTC; empty if there is no IPTC or it does not fit."""
    iptc = iptc if position else _without_position(iptc)
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    body = b"Photoshop 3.0\0" + block
    if not iptc or len(body) > MARKER_LIMIT:
        return b""
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


# XMP

_SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "cc": "http://creativecommons.org/ns#",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "e2gan": "urn:e2gan:provenance:1",
}
_ALL = re.compile("")
_XMP_KEPT = {
    "dc": re.compile("rights|creator|title|description|subject|publisher|contributor|source|language"),
    "xmp": re.compile("Rating|Label|CreateDate"),
    "xmpRights": _ALL,
    "photoshop": re.compile("Credit|Source|Headline|Instructions|AuthorsPosition|CaptionWriter|DateCreated"),
    "Iptc4xmpCore": re.compile("CreatorContactInfo|IntellectualGenre|AltTextAccessibility|ExtDescrAccessibility"),
    "Iptc4xmpExt": re.compile("Contributor|PersonInImage|ArtworkOrObject|RegistryId"),
    "plus": _ALL,
    "cc": _ALL,
}
_XMP_POSITION = {
    "photoshop": re.compile("City|State|Country"),
    "Iptc4xmpCore": re.compile("Location|CountryCode"),
    "Iptc4xmpExt": re.compile("LocationCreated|LocationShown"),
    "exif": re.compile("GPS.*"),
}
_XMP_RIGHTS = {
    "dc": re.compile("rights|creator"),
    "xmpRights": _ALL,
    "photoshop": re.compile("Credit"),
    "Iptc4xmpCore": re.compile("CreatorContactInfo"),
    "plus": _ALL,
    "cc": _ALL,
    "e2gan": _ALL,
}
"""Properties that are dropped last if there is little room."""

for _prefix, _space in _SPACES.items():
    ElementTree.register_namespace(_prefix, _space)


def extended_xmp(main: bytes, segments: Iterable[bytes]) -> bytes:
    """The rest of a JPEG's XMP (XMP specification, part 3, 1.1.3.1), which other APP1 segments hold; may be empty."""
    parts: dict[int, bytes] = {}
    for segment in segments:
        # Its kind, a digest that the main packet names, the whole length, and where this part belongs.
        if segment.startswith(_EXTENSION) and segment[len(_EXTENSION) :][:32] in main:
            at = len(_EXTENSION) + 32
            if len(segment) > at + 8:
                parts[int.from_bytes(segment[at + 4 : at + 8], "big")] = segment[at + 8 :]
    return b"".join(parts[place] for place in sorted(parts))


_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


def clean_xmp(*packets: bytes | str) -> bytes | None:
    """What is worth keeping of XMP, as one ``rdf:Description``; empty if that is nothing, None if XMP is damaged."""
    roots = [root for root in map(_parsed, packets) if root is not None]
    if not roots:
        return None
    cleaned = ElementTree.Element(_name("rdf", "Description"), {_name("rdf", "about"): ""})
    path = f".//{_name('rdf', 'RDF')}/{_name('rdf', 'Description')}"
    for description in (found for root in roots for found in root.findall(path)):
        for name, value in description.attrib.items():
            if _wanted(name, _XMP_KEPT) or _wanted(name, _XMP_POSITION):
                cleaned.attrib.setdefault(name, value)
        for child in description:
            if (_wanted(child.tag, _XMP_KEPT) or _wanted(child.tag, _XMP_POSITION)) and cleaned.find(child.tag) is None:
                child.tail = None
                cleaned.append(child)
    if len(cleaned) == 0 and len(cleaned.attrib) == 1:
        return b""
    try:
        return ElementTree.tostring(cleaned, "utf-8")
    except (ValueError, TypeError):
        return None


def _parsed(packet: bytes | str) -> ElementTree.Element | None:
    text = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
    text = text.strip(b"\0 \r\n\t")
    # Entities could expand without limit, and XMP needs none.
    if not text or len(text) > XMP_LIMIT or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None


def _name(prefix: str, name: str) -> str:
    return f"{{{_SPACES[prefix]}}}{name}"


def _wanted(name: str, table: Mapping[str, re.Pattern[str]]) -> bool:
    space, _, local = name[1:].partition("}")
    pattern = next((pattern for prefix, pattern in table.items() if _SPACES[prefix] == space), None)
    return pattern is not None and (pattern is _ALL or pattern.fullmatch(local) is not None)


def xmp_packet(
    kept: bytes, iptc: bytes, provenance: str | None, *, position: bool, limit: int | None, alone: bool = False
) -> bytes:
    """A packet of XMP: the result of :func:`clean_xmp`, words of IPTC that it lacks, and the provenance; may be empty.

    A packet longer than ``limit`` loses its longest words other than rights.  ``alone``: the file cannot hold IPTC
    itself, so that differing rights in IPTC are added.
    """
    try:
        description = ElementTree.fromstring(kept) if kept else None
    except ElementTree.ParseError:
        description = None
    if description is None:
        description = ElementTree.Element(_name("rdf", "Description"), {_name("rdf", "about"): ""})
    if not position:
        for name in [name for name in description.attrib if _wanted(name, _XMP_POSITION)]:
            del description.attrib[name]
        for child in [child for child in description if _wanted(child.tag, _XMP_POSITION)]:
            description.remove(child)
    _add_iptc(description, iptc, alone)
    if provenance is not None:
        ElementTree.SubElement(description, _name("e2gan", "provenance")).text = provenance
    if len(description) == 0 and len(description.attrib) == 1:
        return b""
    packet = _packed(description)
    while limit and len(packet) > limit:
        others = [child for child in description if not _wanted(child.tag, _XMP_RIGHTS)]
        if not others:
            return b""
        description.remove(max(others, key=lambda child: len(ElementTree.tostring(child))))
        packet = _packed(description)
    return packet


def _packed(description: ElementTree.Element) -> bytes:
    rdf = ElementTree.Element(_name("rdf", "RDF"))
    rdf.append(description)
    body = ElementTree.tostring(rdf, "utf-8")
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        + body
        + b'</x:xmpmeta>\n<?xpacket end="w"?>'
    )


def _add_iptc(description: ElementTree.Element, iptc: bytes, alone: bool) -> None:
    utf8 = any(dataset == (1, 90, _UTF8) for dataset in _datasets(iptc))
    words: dict[int, list[str]] = {}
    for record, number, value in _datasets(iptc):
        if record == 2 and number in _IPTC_TO_XMP:
            try:
                word = value.decode("utf-8")
            except UnicodeDecodeError:
                word = value.decode("utf-8" if utf8 else "latin-1", "replace")
            words.setdefault(number, []).append(
                re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", word)
            )
    for number, texts in words.items():
        prefix, local, container = _IPTC_TO_XMP[number]
        name = _name(prefix, local)
        if name in description.attrib or description.find(name) is not None:
            if alone and local == "rights":
                _add_words(description, name, texts[0])
            continue
        element = ElementTree.SubElement(description, name)
        if not container:
            element.text = texts[0]
            continue
        items = ElementTree.SubElement(element, _name("rdf", container))
        for text in texts[:1] if container == "Alt" else texts:
            item = ElementTree.SubElement(items, _name("rdf", "li"))
            item.text = text
            if container == "Alt":
                item.set("{http://www.w3.org/XML/1998/namespace}lang", "x-default")


def _add_words(description: ElementTree.Element, name: str, words: str) -> None:
    """Append words to those of a property, unless it contains them."""
    if name in description.attrib:
        if words not in description.attrib[name]:
            description.attrib[name] += f"; {words}"
        return
    items = [item for item in description.iterfind(f"{name}//*") if item.text and item.text.strip()]
    if items and not any(words in (item.text or "") for item in items):
        items[0].text = f"{items[0].text}; {words}"
