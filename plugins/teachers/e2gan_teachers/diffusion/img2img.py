"""Stable Diffusion image to image: noise the photo, denoise it towards the prompt (SDEdit, Meng et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.diffusion.teacher import SamplingTeacher
from e2gan_teachers.options import number_in

if TYPE_CHECKING:
    import torch

__all__ = ["ImageToImage"]


@dataclass(kw_only=True)
class ImageToImage(SamplingTeacher):
    """The paper's settings, with the model's own sampler."""

    model: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    steps: int = 50
    guidance: float = 7.5
    strength: float = 0.68
    """How much of the way to noise the photo goes, 0 to 1; that share of the steps is taken."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number_in("strength", self.strength, 0, 1)
        if int(self.steps * self.strength) < 1:
            raise TeacherError(
                f"strength {self.strength} of {self.steps} steps gives no step", hint="raise 'strength' or 'steps'"
            )

    def _read(self, device: torch.device, dtype: torch.dtype) -> Any:
        from diffusers import StableDiffusionImg2ImgPipeline

        return self._from_pretrained(StableDiffusionImg2ImgPipeline, dtype)

    def _settings(self, photos: list[Image.Image]) -> dict[str, Any]:
        return {"image": photos, "strength": self.strength}
