"""Teachers: their protocol, and making one by its id (paper §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from PIL import Image

from e2gan.options import check_options
from e2gan.plugins import registry

__all__ = ["Teacher", "make_teacher", "teacher_version"]


class Teacher(Protocol):
    """Edits a photo.

    It turns an RGB picture, square or whole, into an RGB picture of the same size, and is deterministic: it gives the
    same picture for a photo in every process.  Making one must be cheap and only check the options; load networks on
    the first call.  A factory must be picklable (a class or function of a module), because each worker makes its own
    teacher.

    A teacher may also have:

    ``load()``
        Loads the networks if they are not loaded yet.  What it raises ends the job, while a call
        that raises only leaves its photo without a pair.
    ``edit_batch(photos)`` and ``batch_size``
        The first turns a list of photos into the list of their pictures, the second is the number of
        photos to give at a time: for teachers that are faster this way.
    ``in_process = True``
        The networks are large: they load in this process only, not once in each worker.
    """

    def __call__(self, photo: Image.Image) -> Image.Image: ...


def teacher_version(id: str) -> str:
    """The distribution that an installed teacher comes from, and its version.

    Raises TeacherError or PluginError (unknown or ambiguous id).
    """
    return registry().get("teacher", id).version


def make_teacher(id: str, options: Mapping[str, Any]) -> Teacher:
    """The teacher `id` with these options.  Raises TeacherError (unknown id, wrong options)."""
    entry = registry().get("teacher", id)
    table = entry.options
    if table is not None:
        check_options(id, table, options)
    teacher: Teacher = entry.factory(**options)
    return teacher
