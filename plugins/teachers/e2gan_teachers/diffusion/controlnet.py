"""ControlNet on normal maps (Zhang et al. 2023): pictures from noise, with the shapes of the photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from e2gan_teachers.diffusion.models import check_model, reading, revision_of
from e2gan_teachers.diffusion.normals import normal_map
from e2gan_teachers.diffusion.teacher import SamplingTeacher
from e2gan_teachers.options import number_in

if TYPE_CHECKING:
    import torch

__all__ = ["ControlNetNormal"]


@dataclass(kw_only=True)
class ControlNetNormal(SamplingTeacher):
    """The paper's settings, which are those of ControlNet's own demo, with its sampler (DDIM).

    The picture takes only its shapes from the photo, not its colours.
    """

    model: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    controlnet: str = "lllyasviel/sd-controlnet-normal"
    """The control network: a Hub id or a folder."""
    controlnet_revision: str | None = None
    depth: str = "Intel/dpt-hybrid-midas"
    """The depth network that the normals come from: a Hub id or a folder that transformers' pipeline reads."""
    depth_revision: str | None = None
    depth_size: int = 384
    """Side of the depth map, pixels, 32 to 2048."""
    background_threshold: float = 0.4
    """Anything beyond this share of the depth's range, 0 to 1, is background without a shape."""
    steps: int = 20
    guidance: float = 9.0
    strength: float = 1.0
    """Weight of the normal map, 0 to 2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_model("controlnet", self.controlnet)
        check_model("depth", self.depth)
        number_in("depth_size", self.depth_size, 32, 2048, kind=int)
        number_in("background_threshold", self.background_threshold, 0, 1)
        number_in("strength", self.strength, 0, 2)
        self._depth: Any = None

    def _read(self, device: torch.device, dtype: torch.dtype) -> Any:
        import torch
        from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline
        from transformers import pipeline as transformers_pipeline

        with reading(self.depth):
            self._depth = transformers_pipeline(
                "depth-estimation",
                model=self.depth,
                revision=revision_of(self.depth, self.depth_revision),
                dtype=torch.float32,
                device=device,
            )
        with reading(self.controlnet):
            controlnet = ControlNetModel.from_pretrained(
                self.controlnet, revision=revision_of(self.controlnet, self.controlnet_revision), dtype=dtype
            )
        pipeline = self._from_pretrained(StableDiffusionControlNetPipeline, dtype, controlnet=controlnet)
        pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
        return pipeline

    def _settings(self, photos: list[Image.Image]) -> dict[str, Any]:
        return {
            "image": [self.normals(photo) for photo in photos],
            "width": self.size,
            "height": self.size,
            "controlnet_conditioning_scale": float(self.strength),
        }

    def normals(self, photo: Image.Image) -> Image.Image:
        """The photo's normal map, `size` × `size`, as the control network takes it."""
        self.load()
        scaled = photo.resize((self.depth_size, self.depth_size), Image.Resampling.LANCZOS)
        depth = np.asarray(self._depth(scaled)["predicted_depth"].cpu())
        normals = normal_map(depth.reshape(depth.shape[-2:]), self.background_threshold)
        return Image.fromarray(normals).resize((self.size, self.size), Image.Resampling.BILINEAR)
