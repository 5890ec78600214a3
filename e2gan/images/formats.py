"""The one table of picture formats: which are read, which are written, and which suffixes mark a file as a photo.

The command line, distillation, imports, training, the demo and the page in the browser all use it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from e2gan.errors import ImageError
from e2gan.installing import install_command

__all__ = [
    "CLIPS",
    "FORMATS",
    "RAW_SUFFIXES",
    "READABLE",
    "SUFFIXES",
    "WRITABLE",
    "Format",
    "container_for",
    "format_for",
    "left_out",
    "reads_raw",
    "some",
    "to_download",
    "why_left_out",
]


@dataclass(frozen=True)
class Format:
    """A format that can be read."""

    name: str
    """Pillow's name for it."""
    title: str
    suffixes: tuple[str, ...]
    """The usual suffixes, in lower case."""
    rarer: tuple[str, ...] = ()
    written: bool = False

    @property
    def all_suffixes(self) -> tuple[str, ...]:
        return self.suffixes + self.rarer


FORMATS = (
    Format("JPEG", "JPEG", (".jpg", ".jpeg"), (".jpe", ".jfif", ".mpo"), written=True),
    Format("PNG", "PNG", (".png",), (".apng",), written=True),
    Format("WEBP", "WebP", (".webp",), written=True),
    Format("TIFF", "TIFF", (".tif", ".tiff"), written=True),
    Format("HEIF", "HEIC", (".heic", ".heif", ".hif")),
    Format("AVIF", "AVIF", (".avif",)),
    Format("JPEG2000", "JPEG 2000", (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc")),
    Format("GIF", "GIF", (".gif",)),
    Format("BMP", "BMP", (".bmp", ".dib")),
    Format("PPM", "PPM", (".ppm", ".pgm", ".pbm", ".pnm")),
)

READABLE = tuple(format.name for format in FORMATS)
"""Formats that can be read, by Pillow's names.  These are not all of Pillow's: some others run programs, or are not
for photos."""

WRITABLE = {suffix: format.name for format in FORMATS if format.written for suffix in format.all_suffixes}
"""Formats that can be written, by suffix."""

RAW_SUFFIXES = frozenset(
    (
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dcr",
        ".dng",
        ".erf",
        ".fff",
        ".gpr",
        ".iiq",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    )
)
"""Raw photos of cameras, which can be read if rawpy is installed (the extra ``raw``)."""

SUFFIXES = frozenset(suffix for format in FORMATS for suffix in format.all_suffixes) | RAW_SUFFIXES
"""The suffixes of files that count as photos in a folder."""

CLIPS: Mapping[str, str | None] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    **dict.fromkeys((".avi", ".3gp", ".3g2", ".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv")),
}
"""The suffixes of clips, and FFmpeg's name of the container that is written; None for those that are only read."""

NAMED = 5
"""Maximum files named in a line."""

TITLES = ", ".join(format.title for format in FORMATS[:-1]) + f" and {FORMATS[-1].title}"

_OTHERS: Mapping[str, str] = {
    **dict.fromkeys(CLIPS, "a clip"),
    **dict.fromkeys((".xmp", ".aae", ".thm", ".pp3", ".dop"), "a photo's side file"),
    **dict.fromkeys(
        (".jxl", ".psd", ".psb", ".svg", ".eps", ".ai", ".pdf", ".exr", ".hdr", ".jxr", ".xcf", ".kra", ".ico", ".tga"),
        "a picture of a format that is not read",
    ),
}


def reads_raw() -> bool:
    """Whether raw photos can be read here, with the extra ``raw``."""
    return find_spec("rawpy") is not None


def why_left_out(path: str | os.PathLike[str]) -> str | None:
    """Why a file with that name does not count as a photo in a folder; None if it does."""
    suffix = Path(path).suffix.lower()
    if suffix in RAW_SUFFIXES and not reads_raw():
        return f"a raw photo, which needs: {install_command('e2gan[raw]')}"
    return None if suffix in SUFFIXES else _OTHERS.get(suffix, "not a photo by its suffix")


def to_download(name: str) -> str | None:
    """The hint for an address on the web where a file's or folder's path belongs; None for anything else.

    ``name`` may have been a path meanwhile, which has one slash where an address has two.
    """
    return "download it first, and give the file or folder" if re.match(r"(https?|ftp):/", name, re.I) else None


def left_out(files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Lines about files that are not photos, one for each reason, with their number and the first names."""
    by_reason: dict[str, list[str]] = {}
    for file in files:
        if reason := why_left_out(file):
            by_reason.setdefault(reason, []).append(os.fspath(file))
    return [
        f"left out: {len(names)} {'file' if len(names) == 1 else 'files'}, {reason}: {some(names)}"
        for reason, names in by_reason.items()
    ]


def some(names: Sequence[str]) -> str:
    """The first of some names, and the number of the others."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def format_for(path: str | os.PathLike[str]) -> str:
    """The format that a file name's suffix stands for.

    Raises:
        ImageError: the suffix stands for no format that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        usual = [writable for format in FORMATS if format.written for writable in format.suffixes]
        ending = f"'{suffix}' pictures cannot be written" if suffix else "the name does not say which format to write"
        raise ImageError(f"{os.fspath(path)}: {ending}", hint=f"use one of these suffixes: {', '.join(usual)}")
    return WRITABLE[suffix]


def container_for(path: str | os.PathLike[str]) -> str:
    """FFmpeg's name of the container that a clip's suffix stands for.

    Raises:
        ImageError: the suffix stands for none that can be written.
    """
    suffix = Path(path).suffix.lower()
    container = CLIPS.get(suffix)
    if container is None:
        usual = ", ".join(name for name, written in CLIPS.items() if written)
        ending = f"clips cannot be written as '{suffix}'" if suffix else "the name does not say which format to write"
        raise ImageError(f"{os.fspath(path)}: {ending}", hint=f"use one of these suffixes: {usual}")
    return container
