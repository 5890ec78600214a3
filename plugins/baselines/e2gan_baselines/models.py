"""The baselines: networks and the training of their papers; `BaselineRecipe`'s defaults fill the papers' gaps."""

from __future__ import annotations

import os

from e2gan.models.discriminator import Discriminator
from e2gan.models.weights import draw_weights
from e2gan_baselines.baseline import Baseline
from e2gan_baselines.comodgan import CoModGAN, StyleDiscriminator, Widths
from e2gan_baselines.pix2pix import Pix2Pix
from e2gan_baselines.reproduction import PatchDiscriminator, Reproduction, load_stem
from e2gan_baselines.training import BaselineRecipe

__all__ = ["comodgan", "pix2pix", "reproduction"]


def pix2pix(prompt_dim: int, width: int = 64, blocks: int = 9) -> Baseline:
    """pix2pix with nine residual blocks: 200 epochs, Adam at 2e-4, λ = 100."""
    generator, discriminator = Pix2Pix(width, blocks), Discriminator(width)
    draw_weights(generator)
    discriminator.initialize()
    recipe = BaselineRecipe(epochs=200, ema=0.0)
    return Baseline(generator, discriminator, recipe, {"width": width, "blocks": blocks}, stride=4)


def comodgan(prompt_dim: int, side: int = 256, widest: int = 512, base: int = 16_384) -> Baseline:
    """Co-Mod-GAN: StyleGAN2's losses and penalties, and the L1 distance to the pair's edit, as for the other models."""
    widths = Widths(side=side, widest=widest, base=base, latent=widest)
    recipe = BaselineRecipe(
        epochs=200,
        batch_size=4,
        crop=side,
        learning_rate=2e-3,
        betas=(0.0, 0.99),
        lr_decay_from=1.0,
        gan_loss="vanilla",
        r1=10.0,
        path_length=2.0,
        ema=0.999,
    )
    shape = {"side": side, "widest": widest, "base": base}
    # A whole photo, shrunk this much and mirrored to a square.
    return Baseline(CoModGAN(widths), StyleDiscriminator(widths), recipe, shape, stride=side, longest=side)


def reproduction(
    prompt_dim: int, stem: str | os.PathLike[str] | None = None, depth: int = 3, feed_forward: int = 1024
) -> Baseline:
    """The published reproduction's generator; ``stem`` is torchvision's ResNet50 file; by default it is random."""
    generator = Reproduction(prompt_dim, depth=depth, feed_forward=feed_forward)
    if stem is not None:
        load_stem(generator, stem)
    recipe = BaselineRecipe(
        batch_size=32,
        learning_rate=3e-4,
        discriminator_learning_rate=1e-4,
        weight_decay=0.1,
        cosine_to=1e-6,
        l1=20.0,
        ema=0.0,
    )
    shape = {"depth": depth, "feed_forward": feed_forward}
    return Baseline(generator, PatchDiscriminator(), recipe, shape, stride=32)
