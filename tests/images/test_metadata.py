"""What of a photo's metadata goes along, what does not, and that none of it keeps a picture from being opened."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, IptcImagePlugin

from e2gan.images import ImageWarning, metadata, open_image, save_image
from tests.images.patches import chunk, profile, saved, tiff, with_chunks

Base, IFD = ExifTags.Base, ExifTags.IFD
SUFFIXES = ["jpg", "png", "webp", "tif"]
SMALL = Image.new("RGB", (16, 8), (90, 120, 60))

XMP = (
    '<?xpacket begin="\ufeff"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    ' xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
    ' tiff:Orientation="6" xmpRights:Marked="True" photoshop:Credit="An agency" photoshop:City="Bilbao"'
    ' exif:GPSLatitude="43,15N">'
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">XMP owner</rdf:li></rdf:Alt></dc:rights>'
    "<dc:creator><rdf:Seq><rdf:li>XMP creator</rdf:li></rdf:Seq></dc:creator>"
    "<xmpMM:History><rdf:Seq><rdf:li>saved</rdf:li></rdf:Seq></xmpMM:History>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def iptc(**words: bytes) -> bytes:
    numbers = {"owner": 116, "author": 80, "city": 90, "keyword": 25}
    sets = [(numbers[name], value) for name, value in words.items()]
    return b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in sets)


def app13(data: bytes) -> bytes:
    block = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"\xff\xed" + struct.pack(">H", len(block) + 2) + block


def camera(**more: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Copyright], exif[Base.Artist], exif[Base.Orientation] = "EXIF owner", "EXIF author", 1
    exif[IFD.Exif] = {Base.ExposureTime: 0.01, Base.ColorSpace: 65_535, Base.Gamma: 2.2, 0x9214: (1, 2, 3, 4), **more}
    exif[IFD.GPSInfo] = {1: "N", 2: (43.0, 15.0, 0.0)}
    return exif


def photo() -> bytes:
    return saved(
        SMALL, "JPEG", exif=camera(), xmp=XMP, dpi=(300, 300), extra=app13(iptc(owner=b"IPTC owner", city=b"Bilbao"))
    )


def rewritten(suffix: str, data: bytes | None = None, **options: Any) -> bytes:
    """A photo opened and saved in the format of a suffix."""
    buffer = io.BytesIO()
    formats = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF"}
    save_image(open_image(data or photo()), buffer, format=formats[suffix], provenance={"by": "us"}, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rights_and_resolution_are_kept(suffix: str) -> None:
    data = rewritten(suffix)
    for owner in (b"EXIF owner", b"EXIF author", b"XMP owner", b"XMP creator", b"An agency", b"xmpRights:Marked"):
        assert owner in data
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        assert exif[Base.XResolution] == exif[Base.YResolution] == 300 and exif[Base.ResolutionUnit] == 2
        if suffix != "webp":
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if suffix in ("jpg", "tif"):
            found = IptcImagePlugin.getiptcinfo(image)
            assert found is not None and found[2, 116] == b"IPTC owner"
        elif suffix == "png":
            text = image.info["Raw profile type iptc"]
            assert b"IPTC owner" in bytes.fromhex("".join(text.split("\n")[3:]))
        else:
            assert b"XMP owner; IPTC owner" in data
    again = open_image(data)
    assert again.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    twice = open_image(rewritten(suffix, data))
    assert {k: v for k, v in again.info.items() if k != "dpi"} == {k: v for k, v in twice.info.items() if k != "dpi"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_place_is_kept_only_where_that_is_asked_for(suffix: str) -> None:
    for keep in (False, True):
        data = rewritten(suffix, keep_location=keep)
        with Image.open(io.BytesIO(data)) as image:
            assert bool(image.getexif().get_ifd(IFD.GPSInfo)) is keep
        assert (b"GPSLatitude" in data) is keep
        assert (b"photoshop:City" in data) is keep
        if suffix in ("jpg", "tif"):
            assert (b"Bilbao" in data) is keep


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_describes_the_old_file_is_not_kept(suffix: str) -> None:
    data = rewritten(suffix)
    with Image.open(io.BytesIO(data)) as image:
        kept = image.getexif().get_ifd(IFD.Exif)
        assert kept[Base.ColorSpace] == 1, "sRGB, which the pixels are in"
        assert not {Base.Gamma, 0x9214, IFD.Interop} & set(kept)
        assert Base.Orientation not in image.getexif() or suffix == "tif"
    assert b"Orientation" not in data and b"History" not in data


def test_words_of_iptc_alone_go_into_xmp() -> None:
    data = saved(SMALL, "JPEG", extra=app13(iptc(owner="Ñandú".encode("latin-1"), author=b"A", keyword=b"sea")))
    packet = re.search(rb"<x:xmpmeta.*</x:xmpmeta>", rewritten("webp", data), re.S)
    assert packet
    words = "".join(ElementTree.fromstring(packet[0]).itertext())
    assert "Ñandú" in words and "sea" in words


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        (0x8827, 2, b"100\0"),  # ISO as text
        (0x829D, 10, struct.pack(">ii", -1, 1)),
        (0x9202, 10, struct.pack(">ii", -3, 0)),
        (0xA432, 5, struct.pack(">IIIIIIII", 24, 1, 70, 1, 0, 0, 0, 0)),  # a lens without known apertures
        (0x9209, 2, b"no\0"),
        (0xA405, 12, struct.pack(">d", 26.0)),
        (0xA999, 11, struct.pack(">f", 1.5)),
        (0x9004, 7, b"2020:01:02"),
    ],
)
def test_a_value_of_an_odd_type_goes_alone(tag: int, kind: int, value: bytes) -> None:
    size = {2: 1, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8}[kind]

    def directory(entries: list[tuple[int, int, int, bytes]], at: int) -> bytes:
        listed, behind = struct.pack(">H", len(entries)), b""
        for number, form, count, data in sorted(entries):
            place = at + 2 + 12 * len(entries) + 4 + len(behind)
            inline = len(data) <= 4
            listed += struct.pack(">HHI", number, form, count) + (
                data.ljust(4, b"\0") if inline else struct.pack(">I", place)
            )
            behind += b"" if inline else data + b"\0" * (len(data) % 2)
        return listed + bytes(4) + behind

    def first(pointer: int) -> bytes:
        owner = b"A Photographer\0"
        return directory([(0x8298, 2, len(owner), owner), (0x8769, 4, 1, struct.pack(">I", pointer))], 8)

    where = 8 + len(first(0))
    inside = [(0x9003, 2, 20, b"2020:01:02 03:04:05\0"), (tag, kind, len(value) // size, value)]
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + first(where) + directory(inside, where)
    kept = open_image(saved(SMALL, "JPEG", exif=exif)).getexif()
    assert kept[Base.Copyright] == "A Photographer"
    assert kept.get_ifd(IFD.Exif)[0x9003] == "2020:01:02 03:04:05"


TEXTS = ["© José Ñandú".encode(), "© José".encode("latin-1"), "日本の写真家".encode()]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", [2, 129])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exifs_text_is_written_as_it_was(suffix: str, kind: int, text: bytes) -> None:
    """ASCII, in which everybody writes other alphabets, and the UTF-8 of EXIF 3.0."""
    owner, lens = text + b"\0", text + b" lens\0"
    first = struct.pack(">H", 2)
    first += struct.pack(">HHII", 0x8298, kind, len(owner), 8 + 2 + 24 + 4)
    first += struct.pack(">HHII", 0x8769, 4, 1, 8 + 2 + 24 + 4 + len(owner))
    camera = struct.pack(">H", 1) + struct.pack(">HHII", 0xA434, kind, len(lens), 8 + 2 + 24 + 4 + len(owner) + 18)
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + first + bytes(4) + owner + camera + bytes(4) + lens
    data = rewritten(suffix, saved(SMALL, "JPEG", exif=exif))
    assert text + b"\0" in data and text + b" lens" in data
    assert text + b"\0" in rewritten(suffix, data), "and again"


def test_a_tiffs_iptc_may_be_declared_as_numbers() -> None:
    words = iptc(owner=b"IPTC owner", author=b"IPTC author")
    words += bytes(-len(words) % 4)
    for order in "<>":
        swapped = struct.pack(f"{order}{len(words) // 4}I", *struct.unpack(f"<{len(words) // 4}I", words))
        for value, count, kind in ((words, len(words), "B"), (swapped, len(words) // 4, "I")):
            data = tiff(
                np.asarray(SMALL), photometric="rgb", byteorder=order, extratags=[(33723, kind, count, value, True)]
            )
            kept = rewritten("jpg", data)
            assert b"IPTC owner" in kept and b"IPTC author" in kept


def test_a_pngs_own_words_are_kept() -> None:
    told = [chunk(b"tEXt", b"Copyright\0\xa9 PNG owner"), chunk(b"iTXt", "Author\0\0\0\0\0Ñandú".encode())]
    data = with_chunks(saved(SMALL), *told)
    for suffix in SUFFIXES:
        kept = rewritten(suffix, data)
        assert "© PNG owner".encode() in kept and "Ñandú".encode() in kept


@pytest.mark.parametrize("kind", ["xmp", "iptc", "8bim", "exif", "APP1"])
def test_what_a_png_holds_as_a_raw_profile(kind: str) -> None:
    """As ImageMagick writes it."""
    words = iptc(owner=b"IPTC owner", city=b"Bilbao")
    exif = camera()
    exif[Base.Orientation] = 6
    body = {"xmp": XMP, "iptc": words, "8bim": app13(words)[18:], "exif": exif.tobytes()}.get(kind, exif.tobytes())
    text = f"\n{kind}\n{len(body):8}\n{body.hex()}\n".encode()
    data = with_chunks(saved(SMALL), chunk(b"zTXt", f"Raw profile type {kind}\0\0".encode() + zlib.compress(text)))
    kept = rewritten("jpg", data)
    assert b"owner" in kept and b"Bilbao" not in kept and b"GPSLatitude" not in kept
    assert open_image(data).size == SMALL.size, "browsers do not turn it"


def test_a_jpegs_extended_xmp() -> None:
    """The XMP specification, part 3, 1.1.3.1."""
    rest = XMP.replace(b"XMP owner", b"Extended owner")
    digest = hashlib.md5(rest).hexdigest().upper().encode()
    note = b'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="' + digest + b'"'
    main = XMP[: XMP.index(b"<dc:rights>")].replace(b"<rdf:Description", b"<rdf:Description " + note)
    main += b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    half = len(rest) // 2
    segments = b""
    for name, start, end in ((digest, half, None), (b"0" * 32, 0, half), (digest, 0, half)):  # in any order
        part = b"http://ns.adobe.com/xmp/extension/\0" + name + struct.pack(">II", len(rest), start) + rest[start:end]
        segments += b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part
    kept = rewritten("png", saved(SMALL, "JPEG", xmp=main, extra=segments))
    assert b"Extended owner" in kept and b"XMP creator" in kept and b"GPSLatitude" not in kept


def boxed(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def test_a_jpeg_2000s_metadata() -> None:
    exif = camera()
    exif[Base.XResolution], exif[Base.YResolution] = 240, 240
    boxes = {
        b"JpgTiffExif->JP2": exif.tobytes()[6:],
        bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): XMP,
        bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): iptc(owner=b"IPTC owner"),
    }
    data = saved(SMALL, "JPEG2000") + b"".join(boxed(b"uuid", name + body) for name, body in boxes.items())
    kept = rewritten("jpg", data)
    for owner in (b"EXIF owner", b"XMP owner", b"IPTC owner"):
        assert owner in kept
    assert b"GPSLatitude" not in kept and open_image(data).info["dpi"] == (240, 240)


def test_a_gifs_xmp() -> None:
    data = saved(SMALL.quantize(4), "GIF")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    assert b"XMP owner" in rewritten("png", data[:-1] + b"!\xff\x0bXMP DataXMP" + XMP + trailer + data[-1:])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_a_resolution_that_only_exif_tells(format: str) -> None:
    exif = camera()
    exif[Base.XResolution], exif[Base.YResolution], exif[Base.ResolutionUnit] = 240, 120, 2
    if format == "HEIF":
        buffer = io.BytesIO()
        pillow_heif.from_pillow(SMALL).save(buffer, exif=exif.tobytes())
        data = buffer.getvalue()
    else:
        data = saved(SMALL, format, exif=exif.tobytes())
    assert open_image(data).info["dpi"] == (240, 120)


def test_long_exif_is_shortened_for_a_jpeg_alone() -> None:
    data = saved(SMALL, "PNG", exif=_long())
    assert len(open_image(rewritten("png", data)).info["exif"]) > 70_000
    with pytest.warns(ImageWarning, match="too long for a JPEG, and left out of its EXIF: UserComment"):
        kept = open_image(rewritten("jpg", data)).getexif()
    assert kept[Base.Copyright] == "EXIF owner" and kept.get_ifd(IFD.Exif)[Base.ExposureTime] == 0.01


def _long() -> bytes:
    exif = camera()
    exif[IFD.Exif] = {Base.ExposureTime: 0.01, Base.UserComment: b"ASCII\0\0\0" + b"x" * 70_000}
    return exif.tobytes()


def test_long_xmp_keeps_the_rights() -> None:
    words = "<rdf:li>keyword</rdf:li>" * 60_000
    subject = f"<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>"
    xmp = XMP.replace(b"<dc:creator>", subject.encode() + b"<dc:creator>")
    data = with_chunks(saved(SMALL), chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)))
    assert b"XMP owner" in rewritten("jpg", data) and b"keyword" not in rewritten("jpg", data)
    assert rewritten("png", data).count(b"keyword") == 60_000


LARGE = {
    "a profile": chunk(b"iCCP", b"p\0\0" + zlib.compress(profile("p", 2.2, extra=2_000_000))),
    "compressed text": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"node\n" * 400_000)),
    "international text": chunk(b"iTXt", b"prompt\0\1\0\0\0" + zlib.compress(b"node\n" * 400_000)),
    "plain text": chunk(b"tEXt", b"workflow\0" + b"node\n" * 400_000),
    "XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP + b" " * 2_000_000)),
    "text that swells": chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(100_000_000), 9)),
    "many texts": chunk(b"tEXt", b"a\0b") * 5000,
    "a damaged text": chunk(b"zTXt", b"workflow\0\0nonsense"),
    "an unknown compression": chunk(b"zTXt", b"workflow\0\7nonsense"),
    "a wrong checksum": chunk(b"tEXt", b"a\0b")[:-1] + b"\0",
    "damaged EXIF": chunk(b"eXIf", b"nonsense"),
}


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("name", LARGE)
def test_nothing_beside_a_pngs_pixels_keeps_it_from_being_opened(name: str, place: bytes) -> None:
    data = with_chunks(saved(SMALL), LARGE[name], before=place)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ImageWarning)
        assert open_image(data).size == SMALL.size
    said = [str(each.message) for each in caught]
    assert bool(said) is (
        name
        in (
            "compressed text",
            "international text",
            "plain text",
            "text that swells",
            "a damaged text",
            "an unknown compression",
        )
    )
    assert all("left out" in each for each in said)


def test_an_orientation_in_xmp_alone_turns_nothing() -> None:
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        options: dict[str, Any] = {"xmp": XMP}
        if format == "PNG":
            data = with_chunks(saved(SMALL), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
        elif format == "TIFF":
            exif = Image.Exif()
            exif[700] = XMP
            data = saved(SMALL, "TIFF", exif=exif)
        else:
            data = saved(SMALL, format, **options)
        assert open_image(data).size == SMALL.size


@given(st.binary(max_size=300))
def test_any_bytes_are_metadata_or_left_out(data: bytes) -> None:
    assert isinstance(metadata.clean_iptc(data), bytes)
    assert isinstance(metadata.iptc_of_resources(b"8BIM" + data), bytes)
    assert metadata.clean_xmp(data) is None or isinstance(metadata.clean_xmp(data), bytes)
    assert isinstance(metadata.clean_exif(metadata.load_exif(b"Exif\0\0MM\0*" + data)), bytes)


@pytest.mark.parametrize(
    "xmp", [b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", b"<a>", b"\xff\xfe", b"<a/>" + b"<" * 100, b"<a>" * 5000]
)
def test_damaged_or_swelling_xmp_is_left_out(xmp: bytes, tmp_path: Path) -> None:
    assert "xmp" not in open_image(saved(SMALL, "JPEG", xmp=xmp)).info
