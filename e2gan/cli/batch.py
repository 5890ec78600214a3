"""Many photos: read, edited and written at the same time, with what is said of each kept together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from e2gan.cli.program import report
from e2gan.errors import E2GANError
from e2gan.terminal import held, say

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Outcome", "edit_photos"]

J = TypeVar("J")

AHEAD = 64_000_000
"""Pixels under way, from reading to writing, from which on no further photo is read: five of a phone, or a single
larger one."""


class Outcome(Enum):
    """What became of a photo."""

    EDITED = "edited"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass
class _Item(Generic[J]):
    job: J
    outcome: Outcome = Outcome.EDITED
    photo: Image.Image | None = None
    edit: Image.Image | None = None
    format: str | None = None
    """The photo's."""
    lines: list[str] = field(default_factory=list)
    """What is said of it."""

    @contextmanager
    def step(self) -> Iterator[None]:
        """Keep what is said within the context, and known errors, for later."""
        with held(self.lines):
            try:
                yield
            except E2GANError as error:
                self.outcome = Outcome.FAILED
                report(error)


def edit_photos(
    jobs: Iterable[J],
    *,
    is_finished: Callable[[J], bool],
    read: Callable[[J], Image.Image],
    prepare: Callable[[], Any],
    edit: Callable[[Image.Image], Image.Image],
    write: Callable[[J, Image.Image, str | None], Any],
) -> Generator[Outcome, None, None]:
    """Read, edit and write the photo of each job, print what is said of it, and give its outcome, in order.

    A known error of one photo is reported and stops no other.  Close it if you leave it early (`contextlib.closing`):
    threads wait for that.

    Args:
        is_finished: whether the job's photo need not be edited.
        read: in a thread of its own.
        prepare: before each edit; its errors end everything.
        edit: in this thread.
        write: in several threads; it gets the job, the edit and the photo's format.
    """
    from e2gan.pipeline import pipeline
    from e2gan.processes import default_workers

    def reading() -> Iterator[_Item[J]]:
        for job in jobs:
            item = _Item(job)
            with item.step():
                if is_finished(job):
                    item.outcome = Outcome.SKIPPED
                else:
                    item.photo = read(job)
                    item.format = item.photo.format
            yield item

    def editing(item: _Item[J]) -> _Item[J]:
        if item.photo is not None:
            prepare()
            with item.step():
                item.edit = edit(item.photo)
            item.photo = None
        return item

    def writing(item: _Item[J]) -> _Item[J]:
        if item.edit is not None:
            with item.step():
                write(item.job, item.edit, item.format)
            item.edit = None
        return item

    with closing(pipeline(reading(), editing, writing, size=_pixels, most=AHEAD, writers=default_workers())) as done:
        for item in done:
            for line in item.lines:
                say(line)
            yield item.outcome


def _pixels(item: _Item[Any]) -> int:
    return item.photo.width * item.photo.height if item.photo is not None else 0
