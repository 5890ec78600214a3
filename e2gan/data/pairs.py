"""Pairs of photo and edited photo, in the Hub's image-folder layout.

```
PAIRS/train/metadata.jsonl         {"input_file_name": …, "output_file_name": …, "source": …, …} a line
PAIRS/train/input/NAME-KEY.jpg     the photo, its middle square or the whole of it
PAIRS/train/output/NAME-KEY.jpg    the teacher's picture of it
PAIRS/val/…  PAIRS/test/…
PAIRS/rejected.jsonl               what was left out, and the "reason", a line each; the pictures stay
PAIRS/contact-sheet.jpg            some of both, to look at
```

`datasets.load_dataset("imagefolder", data_dir=PAIRS)` reads it without this package, as the image
columns `input` and `output`.  KEY is a digest of everything that decides a picture, so a file that
exists is current: an interrupted run continues where it stopped, changed options make new pictures, and
`metadata.jsonl`, written last, always describes a finished set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from e2gan.data.folders import METADATA, SPLIT_FOLDERS, SPLITS, Data, named, named_folders
from e2gan.errors import DataError, ImageError
from e2gan.files import atomic_write, read_bytes, sha256_file
from e2gan.images import open_image
from e2gan.leftovers import sweep

__all__ = [
    "CONTACT_SHEET",
    "REJECTED",
    "Pair",
    "Pairs",
    "check_sizes",
    "digest_key",
    "given_pairs",
    "open_made",
    "open_pairs",
    "picture_size",
    "read_metadata",
    "read_rows",
    "remove_others",
    "write_rows",
]

REJECTED = "rejected.jsonl"


CONTACT_SHEET = "contact-sheet.jpg"


METADATA_LIMIT = 256 * 1024 * 1024
"""Maximum bytes of a metadata.jsonl: about half a million pairs."""


KEYED = re.compile(r"-[0-9a-f]{16}\.(jpg|png)$")
"""Matches the names of pictures that we made."""


@dataclass(frozen=True)
class Pair:
    """A photo and the teacher's picture of it, files of one size."""

    input: Path
    output: Path
    source: str = ""
    """The photo's name in its folder, with the folder's name in front if there were several; "" if
    unknown."""

    @cached_property
    def key(self) -> str:
        """Identifies what the pair shows: the edit's name, which holds a digest if we made the pair.

        Raises E2GANError if a picture from elsewhere cannot be read.
        """
        if KEYED.search(self.output.name):
            return self.output.name
        return digest_key([self.output.name, sha256_file(self.input), sha256_file(self.output)])


@dataclass(frozen=True)
class Pairs:
    """A folder of pairs, read and checked."""

    path: Path
    splits: Mapping[str, tuple[Pair, ...]]
    """Pairs by split; only splits that exist."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """How many edits were left out, by reason."""

    @classmethod
    def open(cls, folder: str | Path) -> Pairs:
        """Read a folder of pairs.

        Raises DataError: no pairs, malformed metadata, a path that leaves the folder, or a missing picture.
        """
        folder = Path(folder)
        splits: dict[str, tuple[Pair, ...]] = {}
        for name, split in SPLIT_FOLDERS.items():
            if (folder / name / METADATA).is_file():
                splits[split] = splits.get(split, ()) + read_metadata(folder / name / METADATA)
        if not any(splits.values()):
            raise DataError(
                f"{folder}: no pairs here",
                hint="make them from photos with e2gan distill, or from pictures before and after with e2gan import",
            )
        for pair in (pair for pairs in splits.values() for pair in pairs):
            for picture in (pair.input, pair.output):
                if not picture.is_file():
                    raise DataError(f"{picture}: the picture is missing", hint="make the pairs again: e2gan distill")
        left_out = read_rows(folder / REJECTED) if (folder / REJECTED).is_file() else []
        return cls(folder, splits, dict(sorted(Counter(str(row.get("reason")) for _, row in left_out).items())))

    def split(self, name: str) -> list[Pair]:
        """The pairs of "train", "val" or "test".  Raises DataError if the split has no pairs."""
        pairs = self.splits.get(name, ())
        if not pairs:
            have = ", ".join(f"{split} ({len(pairs)})" for split, pairs in self.splits.items())
            raise DataError(f"{self.path}: no pairs in the split '{name}'", hint=f"there are: {have}")
        return list(pairs)


def open_pairs(data: Data) -> Pairs:
    """The pairs of a folder, or of several together; raises DataError as `Pairs.open` and `folders_of`."""
    folders = [(name, Pairs.open(folder)) for name, folder in named_folders(data)]
    if len(folders) == 1:
        return folders[0][1]
    splits = {
        split: tuple(
            replace(pair, source=f"{name}/{pair.source}") if pair.source else pair
            for name, pairs in folders
            for pair in pairs.splits.get(split, ())
        )
        for split in SPLITS
    }
    rejected = Counter[str]()
    for _, pairs in folders:
        rejected.update(pairs.rejected)
    together = {split: pairs for split, pairs in splits.items() if pairs}
    return Pairs(Path(named(data)), together, dict(sorted(rejected.items())))


def given_pairs(data: Data) -> Pairs:
    """Pairs that training uses as they are; raises DataError as `open_pairs`, and for pictures of a wrong size."""
    all_pairs = open_pairs(data)
    # Our own pictures have the right size, and checking many of them would take long.
    others = (pair for pairs in all_pairs.splits.values() for pair in pairs if not KEYED.search(pair.output.name))
    for pair in others:
        sizes = [picture_size(file) for file in (pair.input, pair.output)]
        if sizes[0] != sizes[1] or any(side % 8 for side in sizes[0]):
            (width, height), (other_width, other_height) = sizes
            raise DataError(
                f"{pair.output}: {other_width}×{other_height}, its photo {width}×{height}: both must "
                "have the same size, with sides that are multiples of 8",
                hint="e2gan import makes such pairs from pictures of any size",
            )
    return all_pairs


def check_sizes(photos: Iterable[Path], crop: int) -> None:
    """Raise DataError for the first picture of given pairs that is smaller than the crops to train on."""
    for photo in photos:
        width, height = picture_size(photo)
        if min(width, height) < crop:
            raise DataError(
                f"{photo}: {width}×{height}, smaller than the crops of {crop} pixels that the recipe trains on",
                hint="lower crop in [recipe.training], or remove such pairs from train/metadata.jsonl",
            )


def picture_size(picture: Path) -> tuple[int, int]:
    """The size of a picture file, from its header; raises DataError if it cannot be read."""
    try:
        with Image.open(picture) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError(
            f"{picture}: not a picture that pairs can be trained on",
            hint="e2gan import makes pairs from every format that e2gan apply reads",
        ) from None


def open_made(picture: Path) -> Image.Image:
    """A picture of a pair, RGB; raises DataError for one that cannot be read."""
    try:
        return open_image(picture, opaque=True)
    except ImageError as error:
        raise DataError(
            f"{picture.parent}: {error}", hint="delete that picture, and the next run makes it again"
        ) from None


def read_metadata(path: Path) -> tuple[Pair, ...]:
    """The pairs that a metadata.jsonl lists; it does not check whether the pictures exist.

    Raises DataError naming the file and line: not JSON, a missing key, a path that leaves the folder.
    """
    return tuple(_pair(path, number, row) for number, row in read_rows(path))


def read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """The objects in a file, each with the number of its line; raises DataError as `read_metadata` does."""
    try:
        lines = read_bytes(path, limit=METADATA_LIMIT, error=DataError).decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    return [(number, _read_line(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]


def _read_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{path}, line {number}: not JSON") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: not a JSON object")
    return row


def _pair(path: Path, number: int, row: Mapping[str, Any]) -> Pair:
    files = []
    for key in ("input_file_name", "output_file_name"):
        name = row.get(key)
        if not isinstance(name, str):
            raise DataError(f"{path}, line {number}: '{key}' is missing or not text")
        if not _stays_inside(name):
            raise DataError(f"{path}, line {number}: '{key}' is not a path inside the folder: {name!r}")
        files.append(path.parent / name)
    source = row.get("source", "")
    if not isinstance(source, str):
        raise DataError(f"{path}, line {number}: 'source' is not text")
    return Pair(files[0], files[1], source)


def _stays_inside(name: str) -> bool:
    """Whether a name from a file is a plain relative path, on every system."""
    parts = PurePosixPath(name).parts
    return bool(parts) and name.isprintable() and parts[0] != "/" and ".." not in parts and not set(name) & set("\\:")


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object on each line; remove the file if there are no rows."""
    if rows:
        atomic_write(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        file.unlink(missing_ok=True)


def remove_others(folder: Path, known: Set[Path]) -> None:
    """Remove the pictures we made earlier that are not in ``known``, and what killed processes left."""
    sweep(folder)
    for picture in folder.glob("*"):
        if picture not in known and KEYED.search(picture.name):
            picture.unlink(missing_ok=True)


def digest_key(parts: Any) -> str:
    """16 hexadecimal digits that identify plain values, so that pictures from other values get other names."""
    try:
        text = json.dumps(parts, sort_keys=True)
    except (TypeError, ValueError):
        raise DataError("the teacher's options must be plain values: text, numbers, lists, tables") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]
