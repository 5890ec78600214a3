"""Teachers that follow an instruction: InstructPix2Pix (Brooks et al. 2023), InstructDiffusion (Geng et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.diffusion.models import check_model, reading, revision_of
from e2gan_teachers.diffusion.teacher import SamplingTeacher
from e2gan_teachers.options import number_in

if TYPE_CHECKING:
    import torch

__all__ = ["InstructDiffusion", "InstructPix2Pix"]


@dataclass(kw_only=True)
class InstructPix2Pix(SamplingTeacher):
    """The paper's settings, with the model's own sampler (ancestral Euler)."""

    model: str = "timbrooks/instruct-pix2pix"
    steps: int = 100
    guidance: float = 7.5
    image_guidance: float = 1.5
    """Image guidance, 1 to 10; higher values stay closer to the photo."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number_in("image_guidance", self.image_guidance, 1, 10)

    def _read(self, device: torch.device, dtype: torch.dtype) -> Any:
        from diffusers import StableDiffusionInstructPix2PixPipeline

        return self._from_pretrained(StableDiffusionInstructPix2PixPipeline, dtype)

    def _settings(self, photos: list[Image.Image]) -> dict[str, Any]:
        return {"image": photos, "image_guidance_scale": self.image_guidance}


@dataclass(kw_only=True)
class InstructDiffusion(SamplingTeacher):
    """The paper's settings, with the sampler of the authors' `edit_cli.py` (ancestral Euler, linear spacing).

    The network has InstructPix2Pix's layout, other weights and another guidance.  The authors publish the weights as a
    checkpoint file, `v1-5-pruned-emaonly-adaption-task.ckpt`, and not on the Hub, so `model` has no default: give
    the file, or a folder or Hub id with the weights in the layout of diffusers.
    """

    model: str = ""
    config: str = "timbrooks/instruct-pix2pix"
    """Where a checkpoint file's configuration and tokenizer come from: a Hub id (small files only; `revision`
    then applies to it) or a folder."""
    steps: int = 100
    guidance: float = 5.0
    image_guidance: float = 1.25
    """Image guidance, 0.5 to 10; higher values stay closer to the photo."""

    def __post_init__(self) -> None:
        if not self.model:
            raise TeacherError(
                "this teacher needs the option 'model': the path of InstructDiffusion's checkpoint",
                hint="its authors link v1-5-pruned-emaonly-adaption-task.ckpt at github.com/cientgu/InstructDiffusion",
            )
        super().__post_init__()
        check_model("config", self.config)
        if Path(self.config).exists():
            _check_config(self.config, self.config)
        number_in("image_guidance", self.image_guidance, 0.5, 10)

    def _read(self, device: torch.device, dtype: torch.dtype) -> Any:
        from diffusers import EulerAncestralDiscreteScheduler

        from e2gan_teachers.diffusion.instruct_pipeline import InstructDiffusionPipeline

        if Path(self.model).is_file():
            # Read with torch's weights_only: a checkpoint is data, and cannot run code.
            pipeline = InstructDiffusionPipeline.from_single_file(
                self.model,
                config=self._config_folder(),
                dtype=dtype,
                requires_safety_checker=False,
            )
        else:
            pipeline = self._from_pretrained(InstructDiffusionPipeline, dtype)
        pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(
            pipeline.scheduler.config, timestep_spacing="linspace"
        )
        return pipeline

    def _config_folder(self) -> str:
        if Path(self.config).exists():
            return self.config
        from huggingface_hub import snapshot_download

        with reading(self.config):
            folder: str = snapshot_download(
                self.config, revision=revision_of(self.config, self.revision), allow_patterns=["*.json", "*.txt"]
            )
            _check_config(self.config, folder)
        return folder

    def _settings(self, photos: list[Image.Image]) -> dict[str, Any]:
        # In the pipeline's terms; `instruct_pipeline` shows that this equals InstructDiffusion's guidance.
        return {
            "image": photos,
            "guidance_scale": self.guidance + self.image_guidance,
            "image_guidance_scale": self.image_guidance + 0.5,
        }


def _check_config(config: str, folder: str) -> None:
    """Raise TeacherError if a folder holds no pipeline's configuration.

    `snapshot_download` returns a folder that does not exist if a repository has none of the requested files.
    """
    if not Path(folder, "model_index.json").is_file():
        raise TeacherError(
            f"the option 'config' must name the configuration of a pipeline, with a model_index.json, not '{config}'",
            hint=f"by default it is {InstructDiffusion.config}",
        )
