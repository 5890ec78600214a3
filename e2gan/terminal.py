"""Printing: every line for a person goes through here, and outside text is never printed raw.

Names, titles and error texts of bundles, pictures, repositories and packages may hold characters that rewrite a
terminal, or that reverse the direction of a line.  They are shown escaped.
"""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

__all__ = ["echo", "held", "one_line", "printable", "say", "stdout_for_results"]

_held = threading.local()


def printable(text: object) -> str:
    """Text with every unprintable character escaped; line ends and tabs stay.

    Control and escape characters, those without a glyph (bidirectional marks among them), lone surrogates, and
    line ends other than ``\\n`` become ``\\x1b``, ``\\u202e`` and the like.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        character if _is_harmless(character) else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


def one_line(text: object) -> str:
    """Text as one printable line."""
    return printable(" ".join(str(text).split()))


def echo(text: object = "") -> None:
    """Print lines of the requested output to stdout."""
    print(printable(text), file=sys.stdout, flush=True)


def say(text: object) -> None:
    """Print remarks to stderr, above the progress bar if there is one."""
    lines: list[str] | None = getattr(_held, "lines", None)
    if lines is not None:
        lines.append(str(text))
    elif "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(printable(text), file=sys.stderr)
    else:
        print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def held(lines: list[str]) -> Iterator[None]:
    """Add the remarks of this thread to ``lines`` instead of printing them, for a job among others at the same time."""
    outer, _held.lines = getattr(_held, "lines", None), lines
    try:
        yield
    finally:
        _held.lines = outer


@contextmanager
def stdout_for_results() -> Iterator[BinaryIO]:
    """Give stdout as a stream of bytes, and redirect everything else that is printed meanwhile to stderr.

    Libraries and plugins print, from Python and native code; readers of the results must get nothing else.
    """
    usual, stdout_copy = sys.stdout, None
    usual.flush()
    sys.stdout = sys.stderr
    with suppress(OSError, ValueError, AttributeError):  # what replaces stdout may not be a file
        if usual.fileno() == 1:
            stdout_copy = os.dup(1)
            os.dup2(2, 1)
    stream = usual.buffer if stdout_copy is None else os.fdopen(stdout_copy, "wb", closefd=False)
    try:
        yield stream
        stream.flush()
    finally:
        sys.stdout = usual
        if stdout_copy is not None:
            with suppress(OSError):
                usual.flush()
            os.dup2(stdout_copy, 1)
            os.close(stdout_copy)
