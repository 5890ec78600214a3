"""What killed runs left behind: ``clean``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from e2gan.cli.help import Command
from e2gan.cli.output import Output, output_options
from e2gan.errors import E2GANError
from e2gan.files import exchanged, interrupted, recover
from e2gan.leftovers import find, is_rubbish, remove, writer

__all__ = ["clean"]

WORK = Path("runs")
"""The default folder of pairs and checkpoints."""


@dataclass(frozen=True)
class Leftover:
    """A file or folder that a run left behind or still uses."""

    path: Path
    what: str
    """One line that describes it."""
    remedy: Callable[[], object] | None
    """Removes or completes it; None if it must stay."""

    @property
    def size(self) -> int:
        """Its size in bytes, with everything in it."""
        files = [self.path, *self.path.rglob("*")] if self.path.is_dir() and not self.path.is_symlink() else [self.path]
        return sum(file.lstat().st_size for file in files if os.path.lexists(file) and not file.is_dir())


@click.command(cls=Command, section="make", examples=["clean", "clean --yes runs/"])
@click.argument(
    "folders", type=click.Path(exists=True, file_okay=False, path_type=Path), nargs=-1, metavar="[FOLDER]..."
)
@click.option("-y", "--yes", is_flag=True, help="Remove the files; without this option they are only listed.")
@click.option(
    "--other-machines",
    is_flag=True,
    help="Include files of other machines and containers, whose runs may still be going on.",
)
@output_options()
def clean(folders: tuple[Path, ...], yes: bool, other_machines: bool, out: Output) -> None:
    """List the files that killed runs left behind, and remove them with --yes.

    The command looks in each FOLDER and below it, in ./runs, in the current folder itself, in the folders where plugins
    keep what they have pulled and cached, and among the system's temporary files. It takes only files that e2gan made,
    by their full names, and only those that no process writes any more. It also completes the replacement of a concept
    or base that was interrupted.
    """
    by_path = {left.path: left for left in _everywhere(folders, other_machines)}
    leftovers = [by_path[path] for path in sorted(by_path)]
    table = [(left, left.size) for left in leftovers]
    staying = {left.path for left in leftovers if left.remedy is None}
    failed = []
    for left in leftovers if yes else ():
        if left.remedy is not None:
            left.remedy()
            if os.path.lexists(left.path):
                failed.append(left)
    gone = [left.path for left in leftovers if yes and left.remedy is not None and left not in failed]
    out.data(
        [
            {
                "path": str(left.path),
                "what": left.what,
                "bytes": size,
                "removable": left.path not in staying,
                "removed": left.path in gone,
            }
            for left, size in table
        ]
    )
    if table and not out.quiet:
        out.table(("BYTES", "WHAT", "PATH"), [(f"{size:,}", left.what, str(left.path)) for left, size in table])
    if line := _summary(table, staying, gone, yes):
        out.note(line)
    if failed:
        raise E2GANError(
            f"cannot remove {failed[0].path}", hint="another user may own it, or another program may have it open"
        )


def _summary(table: list[tuple[Leftover, int]], kept: set[Path], gone: list[Path], yes: bool) -> str:
    size = sum(size for left, size in table if left.path not in kept)
    if not table:
        return "nothing was left behind"
    if yes:
        return f"removed {len(gone)} of {len(table)}"
    removable = len(table) - len(kept)
    return f"{removable} can be removed ({size:,} bytes): e2gan clean --yes" if removable else ""


def _everywhere(folders: Iterable[Path], other_machines: bool) -> Iterator[Leftover]:
    from e2gan.plugins import registry

    own = registry().folders
    for folder in (*folders, WORK, *own):
        for path in find(folder):
            yield _leftover(path, other_machines)
    for folder in (Path(), Path(tempfile.gettempdir())):
        for path in find(folder, deep=False):
            yield _leftover(path, other_machines)
    for finders in own.values():
        for unfinished in finders:
            for path in filter(os.path.lexists, unfinished()):
                yield Leftover(path, "unfinished", partial(remove, path))


def _leftover(path: Path, other_machines: bool) -> Leftover:
    path = Path(os.path.abspath(path))
    whose = writer(path.name)
    if whose == "running":
        return Leftover(path, "being written", None)
    if whose == "unknown" and not other_machines:
        return Leftover(path, "written on another machine", None)
    if whose == "unknown" or is_rubbish(path):
        return Leftover(path, "left by a killed run", partial(remove, path))
    place = exchanged(path)
    if place is not None and path in interrupted(place):
        return Leftover(path, f"an interrupted replacement of {place.name}", partial(recover, place))
    return Leftover(path, "an interrupted replacement of a folder that was changed since", None)
