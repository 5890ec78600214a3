"""The teachers' options as tables, which do not need the teachers' packages.

A test compares them with the teachers' own defaults and ranges.
"""

from __future__ import annotations

from e2gan.options import Option

__all__ = ["OPTIONS"]


def _whole(name: str, help: str, default: int | None, low: int, high: int) -> Option:
    return Option(name, "whole number", help, default, low, high, required=default is None)


def _number(name: str, help: str, default: float, low: float, high: float) -> Option:
    return Option(name, "number", help, default, low, high)


def _text(name: str, help: str, default: str | None = None, *choices: str, required: bool = False) -> Option:
    return Option(name, "text", help, default, choices=choices, required=required)


_SIGMA_S = _number("sigma_s", "reach of the smoothing, half pixels", 60.0, 0, 200)
_SIGMA_R_HELP = "how much colours may differ and still be smoothed together"
_WASH = "how dark the wash is where the photo is black: 0 is bare paper"

_PROMPT = _text("prompt", "what the picture should show; for the instruct teachers, what to do", required=True)


def _diffusion(
    model: str | None, steps: int, guidance: float, *more: Option, batch: int = 4, dtype: str = "auto"
) -> tuple[Option, ...]:
    """Options of all diffusion teachers, with their own defaults."""
    description = "Hub id of the networks, or a folder as diffusers writes it"
    return (
        _PROMPT,
        _text("model", description, model, required=model is None),
        _text("revision", "commit, tag or branch of the model; by default the pinned one"),
        _whole("steps", "denoising steps", steps, 1, 1000),
        _number("guidance", "how much the prompt counts: 1 is no guidance", guidance, 1, 50),
        *more,
        _whole("size", "side that the networks work at, pixels, a multiple of 8", 512, 32, 2048),
        _whole("batch_size", "photos at a time", batch, 1, 256),
        _text("device", "auto, cpu, cuda, cuda:1, mps …", "auto"),
        _text("dtype", "arithmetic precision", dtype, "auto", "float32", "float16", "bfloat16"),
        _text("memory", "how to save memory", "none", "none", "slicing", "offload"),
        Option("safety_checker", "true or false", "let the model's own checker refuse pictures", True),
    )


_SAMPLING = (
    _whole("seed", "seed of the noise: another seed gives other pictures", 0, 0, 2**63 - 1),
    _text("negative_prompt", "what the picture should not show", ""),
)

OPTIONS: dict[str, tuple[Option, ...]] = {
    "magenta-multistyle": (_whole("style", "which painted style; docs/teachers-styles.md shows them", None, 0, 25),),
    "magenta-arbitrary": (_text("painting", "path of a picture of the painting", required=True),),
    "opencv-stylization": (_SIGMA_S, _number("sigma_r", _SIGMA_R_HELP, 0.45, 0, 1)),
    "opencv-pencil-sketch": (
        _SIGMA_S,
        _number("sigma_r", _SIGMA_R_HELP, 0.07, 0, 1),
        _number("shade_factor", "brightness of the strokes", 0.09, 0, 0.1),
        _number("wash", _WASH, 0.3, 0, 1),
    ),
    "opencv-dodge-sketch": (
        _whole("likeness", "how much colours may differ and still be drawn as one: 0 draws every grain", 20, 0, 100),
        _number("reach", "how far shading runs from an edge, pixels", 4.0, 1, 64),
        _number("pressure", "exponent of the strokes: from faint to black", 3.0, 0.5, 8),
        _number("wash", _WASH, 0.35, 0, 1),
    ),
    "opencv-oil-painting": (
        _whole("radius", "half the side of a dab, pixels", 4, 1, 32),
        _whole("levels", "levels of brightness: fewer give larger dabs", 12, 2, 64),
    ),
    "opencv-watercolour": (
        _whole("reach", "radius in which similar colours run together, pixels", 10, 1, 50),
        _whole("likeness", "how much colours may differ and still be one wash", 30, 1, 100),
        _number("density", "how much of the photo's darkness the pigment has", 0.5, 0.1, 1),
        _number("pooling", "how much darker washes dry at their edges", 1.5, 0, 4),
    ),
    "grade": (
        _text(
            "name",
            "a season, an hour or a photographic process",
            None,
            "autumn", "black-and-white", "cinema", "dark", "dusk", "golden-hour",
            "mist", "old-photo", "spring", "winter",
            required=True,
        ),
    ),
    "sd-img2img": _diffusion(
        "stable-diffusion-v1-5/stable-diffusion-v1-5", 50, 7.5,
        _number("strength", "how far the photo is noised: 1 is all the way", 0.68, 0.001, 1), *_SAMPLING,
    ),
    "instruct-pix2pix": _diffusion(
        "timbrooks/instruct-pix2pix", 100, 7.5,
        _number("image_guidance", "how much the photo counts", 1.5, 1, 10), *_SAMPLING,
    ),
    "instruct-diffusion": _diffusion(
        None, 100, 5.0,
        _number("image_guidance", "how much the photo counts", 1.25, 0.5, 10),
        _text("config", "model with the checkpoint's layout and tokenizer", "timbrooks/instruct-pix2pix"), *_SAMPLING,
    ),
    "controlnet-normal": _diffusion(
        "stable-diffusion-v1-5/stable-diffusion-v1-5", 20, 9.0,
        _number("strength", "how much the normal map counts", 1.0, 0, 2),
        _number("background_threshold", "depth beyond which everything is flat", 0.4, 0, 1),
        _whole("depth_size", "side of the depth map, pixels", 384, 32, 2048),
        _text("controlnet", "Hub id of the ControlNet for normals, or a folder", "lllyasviel/sd-controlnet-normal"),
        _text("controlnet_revision", "commit, tag or branch of the ControlNet; by default the pinned one"),
        _text("depth", "Hub id of the depth network, or a folder", "Intel/dpt-hybrid-midas"),
        _text("depth_revision", "commit, tag or branch of the depth network; by default the pinned one"), *_SAMPLING,
    ),
    "null-text-inversion": _diffusion(
        "CompVis/stable-diffusion-v1-4", 50, 7.5,
        _text("source_prompt", "what the photos show, in words", "a photo of a landscape"),
        _number("cross_replace", "share of the steps in which words keep the attention maps of the photo", 0.8, 0, 1),
        _number("self_replace", "share of the steps in which pixels keep the attention maps of the photo", 0.5, 0, 1),
        _text("amplify", "words of the prompt that count more; by default those that are new in it"),
        _number("amplification", "factor for the weight of these words", 2.0, 0, 20),
        _whole("inner_steps", "maximum optimiser steps for the null text of each step", 10, 0, 1000),
        _number("epsilon", "error of the latents at which the optimiser stops early", 1e-5, 0, 1),
        _number("learning_rate", "of the optimiser", 1e-2, 0, 1),
        batch=1, dtype="float32",
    ),
}  # fmt: skip
"""Teacher id → its options."""
