"""Photographs for a recipe whose ``source`` is a trained model: ``ssd:dogs``, or ``ssd:dogs?count=200&seed=1000``."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from e2gan.errors import DataError
from e2gan.files import atomic_path, sha256_file
from e2gan_ssd.sampling import AT_ONCE, MODEL, pictures, read_model

__all__ = ["write_photos"]

COUNT, SEED = 1000, 0
"""Default number of pictures, and default seed of the first one."""

MOST = 100_000

SIDE = 256
"""Side, in pixels, that they are enlarged to: the working size of teachers and concepts."""


def write_photos(name: str, folder: Path) -> None:
    """Fill ``folder`` with pictures of a model, as PNGs; existing pictures are not made again.

    Args:
        name: the model's file or folder, followed by a question mark with ``count`` and ``seed`` if they are set.

    Raises:
        DataError: something else follows the question mark.
        BaseModelError: the model is missing or malformed.
    """
    path, options = _split(name)
    model = read_model(path)
    digest = sha256_file(path / MODEL if path.is_dir() else path)[:8]
    first = options["seed"]
    files = {folder / f"{seed:06}-{digest}.png": seed for seed in range(first, first + options["count"])}
    for old in folder.glob("*.png"):
        if old not in files and re.fullmatch(r"[0-9]{6,}-[0-9a-f]{8}\.png", old.name):
            old.unlink()
    missing = [file for file in files if not file.is_file()]
    for start in range(0, len(missing), AT_ONCE):
        part = missing[start : start + AT_ONCE]
        for file, picture in zip(part, pictures(model, [files[file] for file in part]), strict=True):
            with atomic_path(file) as temporary:
                picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(temporary, format="PNG")


def _split(name: str) -> tuple[Path, dict[str, int]]:
    path, _, query = name.partition("?")
    options = {"count": COUNT, "seed": SEED}
    for item in query.split("&") if query else ():
        match = re.fullmatch(r"(count|seed)=([0-9]{1,9})", item)
        if match is None:
            raise DataError(
                f"ssd:{name}: only count and seed may follow the question mark",
                hint="such as ssd:dogs?count=200&seed=1000",
            )
        options[match[1]] = int(match[2])
    if not 1 <= options["count"] <= MOST:
        raise DataError(f"ssd:{name}: count must be 1 to {MOST:,}")
    return Path(path).expanduser(), options
