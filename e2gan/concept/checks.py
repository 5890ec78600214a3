"""Checks of a bundle's files before any other library reads them: a damaged or unsafe file is one clear error."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from e2gan.concept.layout import CARD, CONFIG, DAMAGED, FILES, MANIFEST, MAX_TOKENS, PREVIEW, TRAINED
from e2gan.errors import ConceptError
from e2gan.files import interrupted, parse_json, read_bytes
from e2gan.leftovers import kind
from e2gan.tables import shown

__all__ = [
    "check_adapter_config",
    "check_card",
    "check_files",
    "check_preview",
    "check_tensor",
    "parse_object",
    "refuse",
    "safetensors_header",
]

HEADER_LIMIT = 256 * 1024
"""Maximum bytes of a safetensors header; the default adapter's has 5,000."""


MAX_DIMENSIONS = 8
"""Maximum dimensions of a tensor; a convolution's factors have 4."""


_WIDTHS = {"F32": 4, "F16": 2}


def refuse(file: Path, fault: str, hint: str = DAMAGED) -> NoReturn:
    raise ConceptError(f"{file}: {fault}", hint=hint)


def check_files(folder: Path) -> bool:
    """Check names, kinds and sizes of a bundle's files; True if it is trained."""
    present = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if kind(entry.name):  # left by a killed process; the next write here removes it
                    continue
                if entry.name not in FILES:
                    hint = f"the folder may hold only {', '.join(FILES)}; move the file elsewhere"
                    refuse(folder, f"unexpected file {shown(entry.name)}", hint)
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(info.st_mode):
                    refuse(folder / entry.name, "is a symbolic link", "copy the file itself into the folder")
                if not stat.S_ISREG(info.st_mode):
                    refuse(folder / entry.name, "is not a regular file")
                if info.st_size > FILES[entry.name]:
                    refuse(
                        folder / entry.name, f"has {info.st_size:,} bytes; at most {FILES[entry.name]:,} are allowed"
                    )
                present.add(entry.name)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ConceptError(f"no concept in {folder}: {reason}", hint=f"give a folder with a {MANIFEST}") from fault
    if MANIFEST not in present and interrupted(folder):
        raise ConceptError(
            f"{folder}: the last write of this concept was interrupted",
            hint=f"run it again, or finish it with: e2gan clean --yes {folder.parent}",
        )
    if MANIFEST not in present:
        raise ConceptError(f"no concept in {folder}: {MANIFEST} is missing", hint="e2gan new makes one")
    if present <= {MANIFEST, CARD}:
        return False
    for name in TRAINED:
        if name not in present:
            refuse(folder / name, "the file is missing")
    return True


def check_adapter_config(file: Path, expected: Mapping[str, Any]) -> None:
    config = parse_object(file, read_bytes(file, limit=FILES[CONFIG], error=ConceptError, hint=DAMAGED))
    if isinstance(config.get("target_modules"), list):  # a set, to PEFT
        config["target_modules"] = sorted(config["target_modules"], key=str)
    for key in config:
        if key not in expected:
            refuse(file, f"unexpected key {shown(key)}")
    for key, value in expected.items():
        if key not in config:
            refuse(file, f"the key '{key}' is missing")
        # Compare as text, because 1 == True == 1.0.
        if json.dumps(config[key], sort_keys=True) != json.dumps(value, sort_keys=True):
            refuse(file, f"'{key}' does not fit the base and the recipe's ranks")


def parse_object(file: Path, data: bytes, *, check: bool = True) -> dict[str, Any]:
    """The object in JSON from outside."""
    try:
        value = parse_json(data, check=check)
    except ValueError as fault:
        refuse(file, f"not valid JSON: {fault}")
    if not isinstance(value, dict):
        refuse(file, "not a JSON object")
    return value


def safetensors_header(file: Path, data: bytes) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, little-endian, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{":
        refuse(file, "not a safetensors file")
    if length > HEADER_LIMIT:
        refuse(file, f"not a safetensors file, or its header is larger than {HEADER_LIMIT:,} bytes")
    if 8 + length > len(data):
        refuse(file, "cut off within its header")
    return parse_object(file, data[8 : 8 + length], check=False)  # check_tensor checks every value


def check_tensor(file: Path, name: str, entry: Any, shape: tuple[int | None, ...] | None) -> None:
    """Check one tensor's header entry; a None in ``shape`` means 1 to MAX_TOKENS, None itself any shape."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        refuse(file, f"the header's entry for {shown(name)} is malformed")
    if entry["dtype"] not in ("F32", "F16"):
        refuse(file, f"the tensor {shown(name)} is {shown(entry['dtype'])}; it must be F32 or F16")
    declared, offsets = entry["shape"], entry["data_offsets"]
    whole = isinstance(declared, list) and isinstance(offsets, list) and len(offsets) == 2
    if not whole or len(declared) > MAX_DIMENSIONS or any(type(n) is not int for n in (*declared, *offsets)):
        refuse(file, f"the header's entry for {shown(name)} is malformed")
    if shape is None:
        shape = tuple(declared)
    fits = len(declared) == len(shape) and all(
        1 <= n <= MAX_TOKENS if wanted is None else n == wanted for n, wanted in zip(declared, shape)
    )
    if not fits:
        wanted_shape = tuple("T" if n is None else n for n in shape)
        refuse(
            file,
            f"the tensor {shown(name)} has the shape {shown(declared)}; the base and the ranks need {wanted_shape}",
        )
    if offsets[1] - offsets[0] != math.prod(declared) * _WIDTHS[entry["dtype"]]:
        refuse(file, f"the tensor {shown(name)} has a byte count that does not match its shape")


def check_preview(file: Path) -> None:
    if file.exists():
        data = read_bytes(file, limit=FILES[PREVIEW], error=ConceptError, hint=DAMAGED)
        if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
            refuse(file, "not a WebP picture")
        if int.from_bytes(data[4:8], "little") + 8 != len(data):
            refuse(file, "a WebP picture that is cut off, or followed by other bytes")


def check_card(file: Path) -> None:
    if file.exists():
        try:
            read_bytes(file, limit=FILES[CARD], error=ConceptError, hint=DAMAGED).decode()
        except UnicodeDecodeError:
            refuse(file, "not UTF-8 text")
