"""The teacher for users who already have pairs; it does nothing.

A recipe that names it trains on a folder of pairs as it is (`e2gan.data.make_pairs.distilled_pairs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from e2gan.errors import TeacherError
from e2gan.hookspecs import RegisterTeacher, hookimpl
from e2gan.recipe import GIVEN

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Given"]


class Given:
    """Edits no photo."""

    in_process = True

    def load(self) -> NoReturn:
        """
        Raises:
            TeacherError: always.
        """
        raise TeacherError(
            f"the teacher '{GIVEN}' edits no photos: it means that you already have pairs",
            hint="train on them with: e2gan train FOLDER --data PAIRS",
        )

    def __call__(self, photo: Image.Image) -> Image.Image:
        self.load()


@hookimpl
def register_teachers(register: RegisterTeacher) -> None:
    register(GIVEN, Given, summary="No teacher: your data are already pairs of photo and edit")
