"""The paper's teachers (§4 and appendix), through `diffusers`: the extra `e2gan-teachers[diffusion]`.

Their networks take gigabytes.  They are loaded from the Hugging Face Hub, or from a folder on this computer, when the
first photo is edited.  `TEACHERS` names the teachers; heavy packages are imported only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2gan_teachers.options import lazy

__all__ = ["TEACHERS"]

TEACHERS: dict[str, tuple[Callable[..., Any], str]] = {
    "sd-img2img": (
        lazy("e2gan_teachers.diffusion.img2img:ImageToImage"),
        "Stable Diffusion 1.5 from the noised photo; needs a GPU and 5 GB",
    ),
    "instruct-pix2pix": (
        lazy("e2gan_teachers.diffusion.instruct:InstructPix2Pix"),
        "InstructPix2Pix follows an instruction; needs a GPU and 5 GB",
    ),
    "instruct-diffusion": (
        lazy("e2gan_teachers.diffusion.instruct:InstructDiffusion"),
        "InstructDiffusion follows an instruction; needs a GPU and 5 GB",
    ),
    "controlnet-normal": (
        lazy("e2gan_teachers.diffusion.controlnet:ControlNetNormal"),
        "Stable Diffusion 1.5 held to the photo's shapes by a normal map; needs a GPU and 7 GB",
    ),
    "null-text-inversion": (
        lazy("e2gan_teachers.diffusion.null_text:NullTextInversion"),
        "Stable Diffusion 1.4 inverted to the photo, then edited by words; needs a GPU and 5 GB",
    ),
}
"""Teacher id → (factory, summary), as `e2gan_teachers.TEACHERS`."""
