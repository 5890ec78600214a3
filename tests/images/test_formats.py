"""One table of formats and suffixes, and the documents that show it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from e2gan.images import FORMATS, READABLE, SUFFIXES, WRITABLE, formats, why_left_out
from e2gan.images.animation import ANIMATED
from e2gan.images.formats import CLIPS, RAW_SUFFIXES, left_out
from e2gan.installing import install_command
from tests.images import table

REPOSITORY = Path(__file__).parents[2]


def test_the_documents_table_is_what_trying_finds_out() -> None:
    found = table.results()
    assert {key: why for key, why in found.items() if why} == {}
    text = table.DOCUMENT.read_text()
    assert table.written(text, table.markdown(found)) == text, "write it anew: python -m tests.images.table --write"


def test_the_documents_suffixes_are_the_tables() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ((?:`\.\w+` ?)+) \| (yes|no|animations) \|$", table.DOCUMENT.read_text(), re.M)
    shown = [(title, tuple(re.findall(r"\.\w+", suffixes)), written == "yes") for title, suffixes, written in rows]
    assert shown == [(format.title, format.all_suffixes, format.written) for format in FORMATS]
    moving = {title for title, _, written in rows if written == "animations"}
    assert moving == {format.title for format in FORMATS if not format.written and {*format.suffixes} & {*ANIMATED}}


def test_the_documents_say_which_clips_are_written() -> None:
    (row,) = re.findall(r"^\| written \| (.*?),", table.DOCUMENT.with_name("video.md").read_text(), re.M)
    assert re.findall(r"\.\w+", row) == [suffix for suffix, container in CLIPS.items() if container]


def test_the_pages_offer_the_tables_suffixes() -> None:
    accepted = re.search(r'ACCEPTED = "([^"]+)"', (REPOSITORY / "e2gan/web/sources.js").read_text())
    assert accepted and set(accepted[1].split(",")) == {"image/*", *(SUFFIXES - RAW_SUFFIXES)}


def test_the_larger_libraries_are_loaded_only_where_a_file_needs_them() -> None:
    large = ["tifffile", "imagecodecs", "pillow_heif", "rawpy"]
    code = f"import e2gan.images, e2gan.cli.apply, sys; print(*set({large}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_suffix_belongs_to_one_format() -> None:
    every = [suffix for format in FORMATS for suffix in format.all_suffixes]
    assert len(every) == len(set(every)) and set(WRITABLE) <= set(every)
    assert not RAW_SUFFIXES & set(every)
    assert len(READABLE) == len(FORMATS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.JPG", None),
        ("a.jfif", None),
        ("a.HEIC", None),
        ("a.j2k", None),
        ("a.pnm", None),
        ("a.mov", "a clip"),
        ("a.xmp", "a photo's side file"),
        ("a.psd", "a picture of a format that is not read"),
        ("a", "not a photo by its suffix"),
        ("a.txt", "not a photo by its suffix"),
    ],
)
def test_what_in_a_folder_is_no_photo_has_a_reason(name: str, reason: str | None) -> None:
    assert why_left_out(name) == reason


def test_raw_photos_count_where_they_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: object())
    assert why_left_out("a.NEF") is None
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert why_left_out("a.NEF") == f"a raw photo, which needs: {install_command('e2gan[raw]')}"


def test_what_is_left_out_is_counted_and_named() -> None:
    files = [f"{n}.mov" for n in range(7)] + ["notes.txt", "a.jpg"]
    assert left_out(files) == [
        "left out: 7 files, a clip: 0.mov, 1.mov, 2.mov, 3.mov, 4.mov and 2 more",
        "left out: 1 file, not a photo by its suffix: notes.txt",
    ]
