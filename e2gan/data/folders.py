"""Folders of photographs: their photos in a fixed order, each with its split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from e2gan.errors import DataError
from e2gan.images.formats import RAW_SUFFIXES, SUFFIXES, left_out, to_download, why_left_out
from e2gan.recipe import GIVEN

__all__ = [
    "METADATA",
    "SPLITS",
    "SPLIT_FOLDERS",
    "Data",
    "find_photos",
    "folders_of",
    "left_out_below",
    "name_in",
    "named",
    "named_folders",
    "photos_below",
    "split_of",
    "splits_of",
]

SPLITS = ("train", "val", "test")


SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


METADATA = "metadata.jsonl"


Data: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""A folder of photos (or of given pairs), or several."""


def split_of(name: str) -> str:
    """The split of a photo by a hash of its name: 80 % train, 10 % val, 10 % test, the same on every machine."""
    part = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
    return "val" if part == 8 else "test" if part == 9 else "train"


def splits_of(names: Sequence[str]) -> list[str]:
    """The splits of the photos of a set that has none, by hashes of their names.

    They are those of `split_of`, unless these leave fewer than one photo for training, one for validation or two for
    testing; then five photos or more are divided in the same order by rank.
    """
    splits = [split_of(name) for name in names]
    few = any(splits.count(split) < least for split, least in (("train", 1), ("val", 1), ("test", 2)))
    if len(names) < 5 or not few:
        return splits
    ranked = sorted(
        range(len(names)), key=lambda n: (SPLITS.index(splits[n]), hashlib.sha256(names[n].encode()).digest())
    )
    tenth = len(names) // 10
    test, val = max(2, tenth), max(1, tenth)
    for rank, n in enumerate(reversed(ranked)):
        splits[n] = "test" if rank < test else "val" if rank < test + val else "train"
    return splits


def folders_of(data: Data) -> tuple[Path, ...]:
    """The given folders, one or several.

    Raises DataError: no folder is given, or one is inside another, whose photos would count twice.
    """
    folders = (Path(data),) if isinstance(data, (str, os.PathLike)) else tuple(map(Path, data))
    if not folders:
        raise DataError("no folder of photos is given")
    places = [folder.resolve() for folder in folders]
    for i, place in enumerate(places):
        for j, outer in enumerate(places):
            if i != j and place.is_relative_to(outer):
                raise DataError(
                    f"{folders[i]}: given twice" if place == outer else f"{folders[i]}: inside {folders[j]}"
                )
    return folders


def named(data: Data) -> str:
    """The given folders, as text for people."""
    return ", ".join(map(str, folders_of(data)))


def named_folders(data: Data) -> list[tuple[str, Path]]:
    """Each folder with a distinct name: the last part of its path, or as many parts as that takes."""
    folders = folders_of(data)
    paths = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-count:]) for parts in paths]
        if len(set(names)) == len(names):
            break
    return [(_text(name.lstrip("/")), folder) for name, folder in zip(names, folders)]


def find_photos(data: Data) -> list[tuple[str, Path]]:
    """(split, photo) for each photo below a folder, or several, in a fixed order; hidden files are left out.

    If a folder contains the folders train, val (or validation) and test, only the photos in these count.
    Raises DataError if a folder has no photos or holds pairs, or as `folders_of`.
    """
    return [photo for folder in folders_of(data) for photo in _photos_in(folder)]


def _photos_in(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of photos", hint=to_download(str(folder)))
    for name in SPLIT_FOLDERS:
        if (folder / name / METADATA).is_file() and (folder / name / "output").is_dir():
            hint = f'a concept that is trained on given pairs has teacher = "{GIVEN}" in its recipe'
            raise DataError(f"{folder}: these are pairs, not photos", hint=hint)
    given = [(split, folder / name) for name, split in SPLIT_FOLDERS.items() if (folder / name).is_dir()]
    photos = [(split, photo) for split, part in given for photo in photos_below(part)]
    if not given:
        below = photos_below(folder)
        photos = list(zip(splits_of([name_in(folder, photo) for photo in below]), below))
    if not photos:
        raise DataError(f"{folder}: no photos here", hint=f"looked for {', '.join(sorted(SUFFIXES - RAW_SUFFIXES))}")
    return photos


def photos_below(folder: Path) -> list[Path]:
    """The photos below a folder, in a fixed order, without hidden files; an empty list if the folder is missing."""
    files = (p for p in folder.rglob("*") if why_left_out(p) is None and not p.name.startswith("."))
    return sorted(p for p in files if p.is_file())


def left_out_below(folder: Path) -> list[str]:
    """Lines about the files below a folder that are not photos, one for each reason."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return left_out(name_in(folder, file) for file in files)


def name_in(folder: Path, photo: Path) -> str:
    """A photo's name in its folder, as text that any reader of JSON takes (file systems allow other names)."""
    return _text(photo.relative_to(folder).as_posix())


def _text(name: str) -> str:
    return name.encode(errors="replace").decode()
