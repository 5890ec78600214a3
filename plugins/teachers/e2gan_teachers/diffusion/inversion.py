"""Null-text inversion: noise, and embeddings of "no text", from which guided sampling gives a photo back.

Mokady et al. 2023, "Null-text Inversion for Editing Real Images using Guided Diffusion Models".  Latents are float32
(photos, channels, height, width), embeddings (photos, tokens, width).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Predict", "Schedule", "denoise", "invert", "move", "optimise", "predictor"]

Predict = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Predicts the noise in the latents from (latents, timestep, embeddings)."""


@dataclass(frozen=True)
class Schedule:
    """The steps of a DDIM sampler."""

    timesteps: torch.Tensor
    """(n,), falling: the network's timestep at each step."""
    levels: torch.Tensor
    """(n + 1,), rising: ᾱ before each step, and after the last."""

    @classmethod
    def of(cls, scheduler: Any, steps: int, device: torch.device) -> Schedule:
        """The schedule of a `DDIMScheduler`."""
        scheduler.set_timesteps(steps, device=device)
        levels = [*scheduler.alphas_cumprod[scheduler.timesteps.cpu()], scheduler.final_alpha_cumprod]
        return cls(scheduler.timesteps, torch.stack([torch.as_tensor(level) for level in levels]).to(device))


def predictor(unet: Any) -> Predict:
    """The network as a `Predict` that computes in its own precision."""

    def predict(latents: torch.Tensor, timestep: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        noise: torch.Tensor = unet(
            latents.to(unet.dtype), timestep, encoder_hidden_states=embeddings.to(unet.dtype), return_dict=False
        )[0]
        return noise.float()

    return predict


def move(latents: torch.Tensor, noise: torch.Tensor, level: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """A DDIM step without randomness along the predicted noise, in either direction (Song et al. 2021, eq. 12)."""
    clean = (latents - (1 - level).sqrt() * noise) / level.sqrt()
    return to.sqrt() * clean + (1 - to).sqrt() * noise


def guided(without: torch.Tensor, conditional: torch.Tensor, guidance: float) -> torch.Tensor:
    """Classifier-free guidance (eq. 2)."""
    return without + guidance * (conditional - without)


@torch.no_grad()
def invert(predict: Predict, latents: torch.Tensor, prompt: torch.Tensor, schedule: Schedule) -> list[torch.Tensor]:
    """DDIM inversion with guidance 1: the pivot trajectory (§3.2).

    Returns n + 1 latents, from noise to the photo's own.
    """
    path = [latents]
    for step in reversed(range(len(schedule.timesteps))):
        noise = predict(path[-1], schedule.timesteps[step], prompt)
        path.append(move(path[-1], noise, schedule.levels[step + 1], schedule.levels[step]))
    return path[::-1]


def optimise(
    predict: Predict,
    path: Sequence[torch.Tensor],
    prompt: torch.Tensor,
    null: torch.Tensor,
    schedule: Schedule,
    *,
    guidance: float,
    inner_steps: int = 10,
    epsilon: float = 1e-5,
    learning_rate: float = 1e-2,
) -> list[torch.Tensor]:
    """An embedding of "no text" for each step, such that guided sampling follows the pivot trajectory (Algorithm 1).

    null: the embedding of the empty text, from which the first step starts.  A photo's embedding stops changing once
    its mean square error is below `epsilon` + 2e-5 for each step taken; the learning rate falls to half.  Both follow
    the authors' code, in which each embedding also starts from the previous one.  Photos do not affect each other.
    """
    steps = len(schedule.timesteps)
    latents, nulls = path[0], []
    for step, (timestep, level, to) in enumerate(zip(schedule.timesteps, schedule.levels, schedule.levels[1:])):
        with torch.no_grad():
            conditional = predict(latents, timestep, prompt)
        null = null.detach().clone().requires_grad_()
        adam = torch.optim.Adam([null], lr=learning_rate * (1 - step / (2 * steps)))
        going = torch.ones(len(null), dtype=torch.bool, device=null.device)
        for _ in range(inner_steps):
            with torch.enable_grad():
                noise = guided(predict(latents, timestep, null), conditional, guidance)
                errors = (move(latents, noise, level, to) - path[step + 1]).square().mean((1, 2, 3))
                (null.grad,) = torch.autograd.grad(errors.sum(), [null])
            before = null.detach().clone()
            adam.step()
            null.data[~going] = before[~going]
            going &= errors.detach() >= epsilon + 2e-5 * step
            if not going.any():
                break
        nulls.append(null.detach())
        with torch.no_grad():
            noise = guided(predict(latents, timestep, nulls[-1]), conditional, guidance)
            latents = move(latents, noise, level, to)
    return nulls


@torch.no_grad()
def denoise(
    predict: Predict,
    latents: torch.Tensor,
    prompt: torch.Tensor,
    nulls: Sequence[torch.Tensor],
    schedule: Schedule,
    *,
    guidance: float,
    before_step: Callable[[int], None] = lambda step: None,
) -> torch.Tensor:
    """Guided sampling from noise with an embedding of "no text" for each step; both predictions in one batch."""
    for step, (timestep, level, to) in enumerate(zip(schedule.timesteps, schedule.levels, schedule.levels[1:])):
        before_step(step)
        without, conditional = predict(torch.cat([latents] * 2), timestep, torch.cat([nulls[step], prompt])).chunk(2)
        latents = move(latents, guided(without, conditional, guidance), level, to)
    return latents
