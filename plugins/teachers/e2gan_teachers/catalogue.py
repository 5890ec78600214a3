"""The bundled teachers.

A teacher turns one photo into an edited photo; a generator then learns to do the same from the pairs.
Heavy packages are imported only when a teacher is made or called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2gan_teachers.options import lazy

__all__ = ["LICENSES", "TEACHERS"]

TEACHERS: dict[str, tuple[Callable[..., Any], str]] = {
    "magenta-multistyle": (
        lazy("e2gan_teachers.painted:PaintedStyle"),
        "one of 26 painted styles",
    ),
    "magenta-arbitrary": (
        lazy("e2gan_teachers.painted:PaintingAsStyle"),
        "the style of a painting of yours",
    ),
    "opencv-stylization": (
        lazy("e2gan_teachers.filters:Stylization"),
        "flat colours with inked edges",
    ),
    "opencv-pencil-sketch": (
        lazy("e2gan_teachers.filters:PencilSketch"),
        "graphite on paper",
    ),
    "opencv-dodge-sketch": (
        lazy("e2gan_teachers.filters:DodgeSketch"),
        "soft pencil: the photo over its own blur",
    ),
    "opencv-oil-painting": (
        lazy("e2gan_teachers.filters:OilPainting"),
        "dabs of one colour, as of a palette knife",
    ),
    "opencv-watercolour": (
        lazy("e2gan_teachers.filters:Watercolour"),
        "washes on paper, darker at their edges",
    ),
    "grade": (
        lazy("e2gan_teachers.grading:ColourGrade"),
        "a colour grade: a season, an hour, a photographic process",
    ),
}
"""Teacher id → (factory, summary).  A factory takes a teacher's options and returns the teacher."""

LICENSES = {
    **dict.fromkeys(TEACHERS, "Apache-2.0"),
    "sd-img2img": "CreativeML-OpenRAIL-M",
    "instruct-pix2pix": "MIT by its card; fine-tuned from Stable Diffusion 1.5, CreativeML-OpenRAIL-M",
    "instruct-diffusion": "MIT by its repository; fine-tuned from Stable Diffusion 1.5, CreativeML-OpenRAIL-M",
    "controlnet-normal": "CreativeML-OpenRAIL-M; OpenRAIL and Apache-2.0 by the cards of its two other networks",
    "null-text-inversion": "CreativeML-OpenRAIL-M",
}
"""Teacher id → licence of its default weights, or of its program if it has none; docs/teachers.md has the sources."""
