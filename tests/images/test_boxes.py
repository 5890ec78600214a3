"""What the boxes of HEIC and AVIF say beside the pixels."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.images.boxes import read_about, read_jp2


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


def entry(number: int, kind: bytes) -> bytes:
    return full(b"infe", struct.pack(">HH4s", number, 0, kind) + b"\0", version=2)


def nclx(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, 6, 0x80))


def file(*, items: bytes, properties: bytes, owners: bytes, primary: int = 1) -> bytes:
    count = items.count(b"infe")
    meta = full(b"pitm", struct.pack(">H", primary))
    meta += full(b"iinf", struct.pack(">H", count) + items)
    meta += box(b"iprp", box(b"ipco", properties) + owners)
    return box(b"ftyp", b"avif" + bytes(4) + b"mif1") + full(b"meta", meta)


PHOTO = entry(1, b"av01")
ONE = full(b"ipma", struct.pack(">IHBB", 1, 1, 1, 0x81))


def test_the_primary_pictures_colours_are_told() -> None:
    other = nclx(1, 13) + nclx(12, 13)
    second = full(b"ipma", struct.pack(">IHBBHBB", 2, 1, 1, 0x82, 2, 1, 0x81))
    assert read_about(file(items=PHOTO + entry(2, b"av01"), properties=other, owners=second)).nclx == (12, 13)
    assert read_about(file(items=PHOTO, properties=nclx(9, 16), owners=ONE)).nclx == (9, 16)
    wide = full(b"ipma", struct.pack(">IIBH", 1, 1, 1, 0x8001), version=1, flags=1)
    assert read_about(file(items=PHOTO, properties=nclx(9, 18), owners=wide)).nclx == (9, 18)


def test_a_profile_is_no_nclx() -> None:
    about = read_about(file(items=PHOTO, properties=box(b"colr", b"prof" + bytes(20)), owners=ONE))
    assert about.nclx is None and not about.gain_map and about.brands == {b"avif", b"mif1"}


@pytest.mark.parametrize("kind", [b"tmap"])
def test_a_gain_map_by_its_item(kind: bytes) -> None:
    assert read_about(file(items=PHOTO + entry(2, kind), properties=nclx(1, 13), owners=ONE)).gain_map


def test_a_gain_map_by_an_item_with_a_long_number() -> None:
    long = full(b"infe", struct.pack(">IH4s", 70_000, 0, b"tmap") + b"\0", version=3)
    assert read_about(file(items=PHOTO + long, properties=nclx(1, 13), owners=ONE)).gain_map


def test_a_gain_map_by_its_auxiliary_picture() -> None:
    auxiliary = full(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
    assert read_about(file(items=PHOTO + entry(2, b"hvc1"), properties=nclx(1, 13) + auxiliary, owners=ONE)).gain_map
    depth = full(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0")
    assert not read_about(file(items=PHOTO, properties=nclx(1, 13) + depth, owners=ONE)).gain_map


@given(st.binary(max_size=200), st.integers(0), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6))
def test_any_boxes_say_something_or_nothing(data: bytes, cut: int, changes: list[tuple[int, int]]) -> None:
    read_about(box(b"ftyp", b"heic") + data)
    read_jp2(box(b"jP  ", b"") + data)
    whole = bytearray(file(items=PHOTO + entry(2, b"tmap"), properties=nclx(1, 13), owners=ONE))
    for place, value in changes:
        whole[place % len(whole)] = value
    read_about(bytes(whole[: cut % len(whole)]) if cut % 2 else bytes(whole))
