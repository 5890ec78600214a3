"""Null-text inversion with prompt-to-prompt: the photo is inverted, then its description is edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.diffusion.teacher import DiffusionTeacher, refuse_flagged
from e2gan_teachers.diffusion.words import plain_words, token_map
from e2gan_teachers.options import number_in

if TYPE_CHECKING:
    import torch

__all__ = ["NullTextInversion"]


@dataclass(kw_only=True)
class NullTextInversion(DiffusionTeacher):
    """The paper's settings.  The teacher draws no noise: the picture follows from the photo and the options.

    It works best if `prompt` is `source_prompt` with few words changed or added: whatever both name keeps its place.
    """

    model: str = "CompVis/stable-diffusion-v1-4"
    source_prompt: str = "a photo of a landscape"
    """A description of the photos."""
    steps: int = 50
    guidance: float = 7.5
    dtype: str = "float32"
    """As above; gradients find the embeddings, and half precision makes them inaccurate."""
    batch_size: int = 1
    cross_replace: float = 0.8
    """The share of the steps, from the first, in which words keep the photo's attention maps, 0 to 1."""
    self_replace: float = 0.5
    """The share in which pixels keep the photo's attention maps, 0 to 1; the paper used 0.5 to 0.8."""
    amplify: str | None = None
    """Words of `prompt`, separated by spaces, whose weight is `amplification`; by default those missing from
    `source_prompt`; "" for none."""
    amplification: float = 2.0
    """0 to 20; the paper used 2 or 5."""
    inner_steps: int = 10
    """Maximum optimiser steps for the null-text embedding of each step, 0 (plain DDIM inversion) to 1000."""
    epsilon: float = 1e-5
    """Mean square error of the latents, 0 to 1, at which the optimiser stops early."""
    learning_rate: float = 1e-2
    """Learning rate of the optimiser, 0 to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.source_prompt, str) or not self.source_prompt.strip():
            raise TeacherError("the option 'source_prompt' must say what the photos show")
        number_in("cross_replace", self.cross_replace, 0, 1)
        number_in("self_replace", self.self_replace, 0, 1)
        number_in("amplification", self.amplification, 0, 20)
        number_in("inner_steps", self.inner_steps, 0, 1000, kind=int)
        number_in("epsilon", self.epsilon, 0, 1)
        number_in("learning_rate", self.learning_rate, 0, 1)
        if self.amplify is not None:
            if not isinstance(self.amplify, str):
                raise TeacherError(f"the option 'amplify' must be words of the prompt, not {self.amplify!r}")
            for word in plain_words(self.amplify):
                if word not in plain_words(self.prompt):
                    raise TeacherError(f"the word '{word}' to amplify is not in the prompt '{self.prompt}'")

    def _read(self, device: torch.device, dtype: torch.dtype) -> Any:
        from diffusers import DDIMScheduler, StableDiffusionPipeline

        pipeline = self._from_pretrained(StableDiffusionPipeline, dtype)
        if pipeline.scheduler.config.get("prediction_type", "epsilon") != "epsilon":
            raise TeacherError(f"{self.model}: null-text inversion needs a model that predicts the noise")
        # The sampler of both papers' code; without clipping, which could not be inverted.
        pipeline.scheduler = DDIMScheduler.from_config(
            pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=False, steps_offset=1
        )
        pipeline.unet.requires_grad_(False)
        if self.memory != "none":
            pipeline.unet.enable_gradient_checkpointing()
        return pipeline

    def _edit(self, photos: list[Image.Image]) -> list[Image.Image]:
        import torch

        from e2gan_teachers.diffusion.attention import PromptToPrompt, controlled
        from e2gan_teachers.diffusion.inversion import Schedule, denoise, invert, optimise, predictor

        pipeline, count = self._pipeline, len(photos)
        tokens = token_map(
            pipeline.tokenizer,
            self.source_prompt,
            self.prompt,
            amplify=None if self.amplify is None else plain_words(self.amplify),
            amplification=self.amplification,
        )
        schedule = Schedule.of(pipeline.scheduler, self.steps, pipeline._execution_device)
        predict = predictor(pipeline.unet)
        source, target, null = (self._embedding(text, count) for text in (self.source_prompt, self.prompt, ""))

        path = invert(predict, self._encode(photos), source, schedule)
        nulls = optimise(
            predict,
            path,
            source,
            null,
            schedule,
            guidance=self.guidance,
            inner_steps=self.inner_steps,
            epsilon=self.epsilon,
            learning_rate=self.learning_rate,
        )
        control = PromptToPrompt(
            tokens,
            cross_steps=int(self.cross_replace * self.steps),
            self_steps=int(self.self_replace * self.steps),
            # The authors use 32² for latents of 64².
            self_pixels=path[0].shape[-1] * path[0].shape[-2] // 4,
        )
        with controlled(pipeline.unet, control):
            both = denoise(
                predict,
                torch.cat([path[0]] * 2),
                torch.cat([source, target]),
                [torch.cat([step_null] * 2) for step_null in nulls],
                schedule,
                guidance=self.guidance,
                before_step=lambda step: setattr(control, "step", step),
            )
        pictures = self._decode(both[count:])
        pipeline.maybe_free_model_hooks()
        return pictures

    def _embedding(self, text: str, count: int) -> torch.Tensor:
        """(count, tokens, width) float32: a text for each photo."""
        import torch

        with torch.no_grad():
            embedding, _ = self._pipeline.encode_prompt(text, self._pipeline._execution_device, 1, False)
        repeated: torch.Tensor = embedding.float().repeat(count, 1, 1)
        return repeated

    def _encode(self, photos: list[Image.Image]) -> torch.Tensor:
        """The photos' latents, float32."""
        import torch

        pipeline = self._pipeline
        pixels = pipeline.image_processor.preprocess(photos).to(pipeline._execution_device, pipeline.vae.dtype)
        with torch.no_grad():
            latents: torch.Tensor = pipeline.vae.encode(pixels).latent_dist.mode()
        return latents.float() * pipeline.vae.config.scaling_factor

    def _decode(self, latents: torch.Tensor) -> list[Image.Image]:
        """Pictures of latents; raises TeacherError if the safety checker refuses one."""
        import torch

        pipeline = self._pipeline
        with torch.no_grad():
            scaled = (latents / pipeline.vae.config.scaling_factor).to(pipeline.vae.dtype)
            pixels = pipeline.vae.decode(scaled, return_dict=False)[0]
            pixels, flags = pipeline.run_safety_checker(pixels, pipeline._execution_device, pipeline.unet.dtype)
        refuse_flagged(flags)
        pictures: list[Image.Image] = pipeline.image_processor.postprocess(pixels.float(), output_type="pil")
        return pictures
