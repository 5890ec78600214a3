"""Layouts of published data sets: what each picture is, and which split it belongs to.

A layout only looks at names; `e2gan.data.import_dataset` reads the pictures.  Splits are those that a set was
published with.  If a set has only two parts, the held-out part is the test split, and a tenth of the training part, by
the hash of a name (`e2gan.data.folders.split_of`), is for validation: so nothing was tuned on the pictures that a
published figure is measured on.  A set without parts is split 80/10/10 by the same hash.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from e2gan.data.folders import SPLIT_FOLDERS, photos_below, split_of, splits_of
from e2gan.errors import DataError
from e2gan.images.formats import to_download, why_left_out
from e2gan.tables import did_you_mean

__all__ = ["LAYOUTS", "Direction", "Item", "Layout", "Picture", "find_items", "find_layout"]

Direction = Literal["AtoB", "BtoA"]
"""Which of a pair's two pictures, or of an unpaired set's two sides, is the photo and which is its edit."""


@dataclass(frozen=True)
class Picture:
    """A file, or one of two pictures side by side in a file."""

    file: Path
    half: Literal["", "left", "right"] = ""
    labels: bool = False
    """Whether its colours name classes, which must not be mixed."""


@dataclass(frozen=True)
class Item:
    """A photo, or a pair."""

    split: str
    source: str
    """Its name in the set."""
    a: Picture
    b: Picture | None = None
    """The other picture of the pair; None in a set of photos."""
    side: Literal["A", "B"] = "A"
    """The side of an unpaired set that it belongs to."""
    fault: str = ""
    """Why it cannot be used, in words; "" if nothing is known to be wrong."""


@dataclass(frozen=True)
class Layout:
    """A data set as it is published."""

    title: str
    expected: str
    """What its folder must contain, in words."""
    find: Callable[[Path], Iterable[Item]]
    """Finds the set's items with their published splits: "train", "val", "test", or "" if it has none."""
    direction: Direction | None = None
    """The direction of the published figures; None in a set of photos of one kind."""
    squeeze: bool = False
    """Whether whole pictures are squeezed into squares, as in the published figures, instead of cropped."""


FACES = 60_000
"""FFHQ's first pictures are for training; the others are held out (its README)."""

OWN = (("A", "B"), ("before", "after"), ("input", "output"))
"""Names for the two folders of a user's own pairs."""


def find_layout(id: str) -> Layout:
    """The layout ``id``; raises DataError if it does not exist."""
    if id not in LAYOUTS:
        hint = did_you_mean(id, LAYOUTS) or f"the layouts are {', '.join(LAYOUTS)}"
        raise DataError(f"there is no layout '{id}'", hint=hint)
    return LAYOUTS[id]


def find_items(id: str, folder: Path) -> list[Item]:
    """The items of a set with the layout ``id``, in a fixed order, each in one of the splits train, val and test.

    Raises:
        DataError: there is no such layout, or the folder does not follow it.
    """
    layout = find_layout(id)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", hint=to_download(str(folder)))
    items = _in_three_splits(sorted(layout.find(folder), key=lambda item: (item.side, item.source)))
    if not items:
        raise DataError(f"{folder}: this is not {layout.title}", hint=f"it should hold {layout.expected}")
    return items


def _in_three_splits(items: Sequence[Item]) -> list[Item]:
    parts = {item.split for item in items}
    if parts <= {"", "train"}:
        # Pictures that cannot become pairs are not divided.
        good = [item.source for item in items if not item.fault]
        splits = dict(zip(good, splits_of(good)))
        return [replace(item, split=splits.get(item.source, "train")) for item in items]
    if "train" not in parts or len(parts) != 2:
        return list(items)
    return [replace(item, split=_of_two(item)) for item in items]


def _of_two(item: Item) -> str:
    if item.split != "train":
        return "test"
    return "val" if split_of(item.source) == "val" else "train"


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix().encode(errors="replace").decode()


def _parts(folder: Path, below: str = "") -> Iterator[tuple[str, Path]]:
    """(split, file) for the pictures in the folders train, val and test, or in the folder ``below`` in each of them."""
    for name, split in SPLIT_FOLDERS.items():
        for file in photos_below(folder / name / below):
            yield split, file


def _faces(folder: Path) -> Iterator[Item]:
    for home in (folder / "images1024x1024", folder / "thumbnails128x128", folder):
        faces = [file for file in photos_below(home) if re.fullmatch(r"(\d{5}/)?\d{5}\.\w+", _name(home, file))]
        if faces:
            for file in faces:
                yield Item("train" if int(file.stem) < FACES else "test", file.name, Picture(file))
            return


def _photos(folder: Path) -> Iterator[Item]:
    photos = list(_parts(folder)) or [("", file) for file in photos_below(folder)]
    for split, file in photos:
        yield Item(split, _name(folder, file), Picture(file))


def _animals(folder: Path, *, kind: str) -> Iterator[Item]:
    for split, file in _parts(folder, kind):
        yield Item(split, _name(folder, file), Picture(file))


def _side_by_side(folder: Path, *, labels: bool = False) -> Iterator[Item]:
    for split, file in _parts(folder):
        yield Item(split, _name(folder, file), Picture(file, "left"), Picture(file, "right", labels))


def _streets(folder: Path) -> Iterator[Item]:
    photos, labels = folder / "leftImg8bit", folder / "gtFine"
    if not photos.is_dir():
        yield from _side_by_side(folder, labels=True)
        return
    for split, file in _parts(photos):
        if split == "test" or not file.stem.endswith("_leftImg8bit"):
            continue  # the labels of the test split are not published
        frame = file.relative_to(photos).with_name(file.stem.removesuffix("_leftImg8bit"))
        colours = labels / frame.with_name(f"{frame.name}_gtFine_color.png")
        yield Item(split, frame.as_posix(), Picture(file), Picture(colours, labels=True))


def _unpaired(folder: Path) -> Iterator[Item]:
    sides: tuple[Literal["A", "B"], ...] = ("A", "B")
    for name, split in SPLIT_FOLDERS.items():
        for side in sides:
            for file in photos_below(folder / f"{name}{side}"):
                yield Item(split, _name(folder, file), Picture(file), side=side)


def _own(folder: Path) -> Iterator[Item]:
    for names in OWN:
        given = [(split, folder / name) for name, split in SPLIT_FOLDERS.items()]
        homes = [(split, home) for split, home in given if all((home / name).is_dir() for name in names)]
        if homes:
            for split, home in homes:
                sides = [{file: split for file in photos_below(home / name)} for name in names]
                yield from _matched(folder, home, names, sides)
            return
        if all((folder / name).is_dir() for name in names):
            sides = []
            for name in names:
                parts = {file: split for split, file in _parts(folder / name)}
                sides.append(parts or {file: "" for file in photos_below(folder / name)})
            yield from _matched(folder, folder, names, sides)
            return


def _matched(folder: Path, home: Path, names: tuple[str, str], sides: Sequence[dict[Path, str]]) -> Iterator[Item]:
    """Pairs of files whose names differ only in suffix and case; a file without a partner gets a fault."""
    files_by_name: list[dict[str, Path]] = []
    for name, files in zip(names, sides):
        by_name: dict[str, Path] = {}
        for file in files:
            key = _name(home / name, file.with_suffix(""))
            if key in by_name:
                raise DataError(f"{file}: {by_name[key].name} beside it differs only in its suffix")
            by_name[key] = file
        files_by_name.append(by_name)
    a, b = files_by_name
    for key, partner in _alike(a, b).items():
        b[key] = b.pop(partner)
    for key in sorted(a.keys() | b.keys()):
        side = 0 if key in a else 1
        file = files_by_name[side][key]
        item = Item(sides[side][file], _name(folder, home / key), Picture(file), Picture(b.get(key, file)))
        if key not in files_by_name[1 - side]:
            there = home / names[1 - side] / key
            namesake = next(iter(sorted(there.parent.glob(f"{glob.escape(there.name)}.*"))), None)
            why = f"{namesake.name} there is {why_left_out(namesake)}" if namesake else "no file there has its name"
            item = replace(item, fault=f"{file.name}: it has no partner in {names[1 - side]}: {why}")
        yield item


def _alike(a: Mapping[str, Path], b: Mapping[str, Path]) -> dict[str, str]:
    """Names in ``a`` without a partner, each with the one name in ``b`` that differs only in case."""
    sides = []
    for some, others in ((a, b), (b, a)):
        folded: dict[str, list[str]] = {}
        for key in some.keys() - others.keys():
            folded.setdefault(key.casefold(), []).append(key)
        sides.append({fold: keys[0] for fold, keys in folded.items() if len(keys) == 1})
    return {sides[0][fold]: sides[1][fold] for fold in sides[0].keys() & sides[1].keys()}


_SIDE_BY_SIDE = "folders train and val or test of pictures twice as wide as high, two squares side by side in each"

LAYOUTS: dict[str, Layout] = {
    "ffhq": Layout(
        "FFHQ",
        "images1024x1024/00000/00000.png and so on, or thumbnails128x128, or pictures 00000.png themselves",
        _faces,
    ),
    "scenery": Layout("Flickr Scenery", "photos, in folders train, val and test or in others", _photos),
    **{
        f"afhq-{kind}": Layout(
            f"AFHQ ({kind})", f"train/{kind} and val/{kind} or test/{kind}", partial(_animals, kind=kind)
        )
        for kind in ("cat", "dog", "wild")
    },
    "horse2zebra": Layout("horse→zebra", "trainA, trainB, testA and testB", _unpaired, "AtoB"),
    "facades": Layout("Facades", _SIDE_BY_SIDE, _side_by_side, "BtoA"),
    "edges2shoes": Layout("edges→shoes", _SIDE_BY_SIDE, _side_by_side, "AtoB"),
    "cityscapes": Layout(
        "Cityscapes",
        "leftImg8bit/train/CITY/…_leftImg8bit.png with gtFine/train/CITY/…_gtFine_color.png, or else " + _SIDE_BY_SIDE,
        _streets,
        "BtoA",
        squeeze=True,
    ),
    "pairs": Layout(
        "a folder of pairs",
        f"two folders, {' or '.join(' and '.join(names) for names in OWN)}, with pictures of the same names",
        _own,
        "AtoB",
    ),
}
"""The supported published sets, and users' own pairs, by their names on the command line."""
