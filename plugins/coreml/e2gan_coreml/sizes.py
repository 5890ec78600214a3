"""The bytes of a package, by purpose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from e2gan_coreml.program import WEIGHTS, Program

__all__ = ["package_sizes"]


def package_sizes(program: Program) -> dict[str, int]:
    """Bytes of a package by part, which add up to those of its files.

    ``shared``: weights that several functions use; each function: its program and the weights that it alone uses;
    ``rest``: the package's description.
    """
    blobs = _blobs(program.path / WEIGHTS / "weight.bin", program.spec)
    parts = {"shared": sum(size for size, users in blobs.values() if len(users) > 1)}
    for name in program.functions:
        function = program.spec.mlProgram.functions[name]
        own = sum(size for size, users in blobs.values() if users == {name})
        parts[name] = own + function.ByteSize()
    files = [file for file in program.path.rglob("*") if file.is_file()]
    return {**parts, "rest": sum(file.stat().st_size for file in files) - sum(parts.values())}


def _blobs(file: Path, spec: Any) -> dict[int, tuple[int, set[str]]]:
    """Each tensor's bytes and the functions that use it, by its offset in the file of weights."""
    users: dict[int, set[str]] = {}
    for name, function in spec.mlProgram.functions.items():
        for offset in _offsets(function):
            users.setdefault(offset, set()).add(name)
    starts = sorted(users)
    ends = [*starts[1:], os.path.getsize(file)]
    return {start: (end - start, users[start]) for start, end in zip(starts, ends)}


def _offsets(function: Any) -> Iterator[int]:
    for block in function.block_specializations.values():
        for operation in block.operations:
            given = [binding.value for parameter in operation.inputs.values() for binding in parameter.arguments]
            for value in (*operation.attributes.values(), *given):
                if value.WhichOneof("value") == "blobFileValue":
                    yield value.blobFileValue.offset
