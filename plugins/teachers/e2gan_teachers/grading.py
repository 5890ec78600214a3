"""The colour grades as a teacher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.grades import GRADES

__all__ = ["ColourGrade"]


@dataclass
class ColourGrade:
    """A season, an hour or a photographic process; a photo of 256² takes a few milliseconds."""

    name: str
    """A key of `grades.GRADES`."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in GRADES:
            raise TeacherError(f"there is no grade {self.name!r}", hint=f"the grades: {', '.join(GRADES)}")

    def __call__(self, photo: Image.Image) -> Image.Image:
        rgb = np.asarray(photo.convert("RGB"), np.float32) / np.float32(255)
        return Image.fromarray(np.round(GRADES[self.name](rgb) * np.float32(255)).astype(np.uint8))
