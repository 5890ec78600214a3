"""The training speed of a pix2pix baseline: a step of our loop against a step of the reference implementation.

The reference follows the description of pytorch-CycleGAN-and-pix2pix: the ResNet generator of nine blocks with instance
norm, without dropout, the PatchGAN of 70×70, both with as many parameters as ours, and the step of its pix2pix model:
the discriminator's update on both pictures, then the generator's.  Our step also reads its pair from files and updates
the moving average.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor, nn

from benchmarks.measuring import SAMPLES, Figure, interleaved, parser, ratio, report, script
from e2gan.data.pairs import Pair
from e2gan.models.pixels import to_tensor
from e2gan.training.batches import ConceptPairs, load_pair
from e2gan_baselines.baseline import make_baseline
from e2gan_baselines.training import BaselineTrainer

PRECISIONS = {"float32": "no", "bfloat16": "bf16"}
"""Accelerate's names; the second is the loop's default."""

RATE, BETAS, LAMBDA = 2e-4, (0.5, 0.999), 100.0


def measure(width: int = 64, blocks: int = 9, *, size: int = 256, rounds: int = 5, device: str = "cpu") -> list[Figure]:
    """Milliseconds of both steps on one picture in each precision, and their ratio, which must be at least 1.

    width, blocks: of the networks.  size: of the pictures, in pixels.
    """
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("photo.jpg", "edit.jpg")]
        for file, sample in zip(files, sorted(SAMPLES.glob("*.jpg"))):
            with Image.open(sample) as image:
                ImageOps.fit(image.convert("RGB"), (size, size)).save(file, quality=95)
        pair = Pair(files[0], files[1])
        photo, edit = (to_tensor(picture[None]).to(device) for picture in load_pair(pair))
        for name, precision in PRECISIONS.items():
            ours = trainer(pair, width, blocks, size, device, precision, Path(folder))
            theirs = Reference(width, blocks).to(device)
            jobs: dict[str, Callable[[], object]] = {
                "reference": partial(theirs.step, photo, edit, ours.accelerator.autocast),
                "ours": ours.train_step,
            }
            seconds = interleaved(jobs, rounds, warmup=1)
            figures += [Figure(f"{name} {job}", 1000 * median(some), "ms") for job, some in seconds.items()]
            faster = ratio(seconds["reference"], seconds["ours"])
            figures.append(Figure(f"{name} ours against the reference", faster, "×", at_least=1.0))
    return figures


def trainer(
    pair: Pair, width: int, blocks: int, size: int, device: str, precision: str, folder: Path
) -> BaselineTrainer:
    """Our loop on one pair, its files in ``folder``."""
    torch.manual_seed(0)
    baseline = make_baseline("pix2pix", 1, width=width, blocks=blocks)
    concept = ConceptPairs("any", np.zeros((1, 1), np.float32), [pair], [])
    recipe = replace(baseline.recipe, crop=size)
    return BaselineTrainer(
        baseline.generator, baseline.discriminator, [concept], recipe, folder, device=device, mixed_precision=precision
    )


class Reference(nn.Module):
    """Both networks, their optimisers, and a step."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        w = width
        self.generator = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normed(nn.Conv2d(3, w, 7)),
            *_normed(nn.Conv2d(w, 2 * w, 3, stride=2, padding=1)),
            *_normed(nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1)),
            *(_Block(4 * w) for _ in range(blocks)),
            *_normed(nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1)),
            *_normed(nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(w, 3, 7),
            nn.Tanh(),
        )
        middle = [
            layer
            for i, o in pairwise((w, 2 * w, 4 * w, 8 * w))
            for layer in (
                nn.Conv2d(i, o, 4, stride=1 if o == 8 * w else 2, padding=1),
                nn.InstanceNorm2d(o),
                nn.LeakyReLU(0.2, inplace=True),
            )
        ]
        self.discriminator = nn.Sequential(
            nn.Conv2d(6, w, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            *middle,
            nn.Conv2d(8 * w, 1, 4, padding=1),
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(module.weight, 0.0, 0.02)
        self.optimizer_g, self.optimizer_d = (
            torch.optim.Adam(network.parameters(), RATE, BETAS) for network in (self.generator, self.discriminator)
        )

    def step(self, photo: Tensor, edit: Tensor, autocast: Callable[[], AbstractContextManager[None]]) -> None:
        """A step on one picture: the generator's forward pass, the discriminator's update, the generator's update."""
        with autocast():
            fake = self.generator(photo)
        self.discriminator.requires_grad_(True)
        self.optimizer_d.zero_grad()
        with autocast():
            judged_fake = self.discriminator(torch.cat([photo, fake.detach()], 1))
            judged_real = self.discriminator(torch.cat([photo, edit], 1))
            loss_d = (_gan(judged_fake, False) + _gan(judged_real, True)) / 2
        loss_d.backward()
        self.optimizer_d.step()

        self.discriminator.requires_grad_(False)
        self.optimizer_g.zero_grad()
        with autocast():
            loss_g = _gan(self.discriminator(torch.cat([photo, fake], 1)), True) + LAMBDA * F.l1_loss(fake, edit)
        loss_g.backward()
        self.optimizer_g.step()


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normed(nn.Conv2d(channels, channels, 3)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.layers(x)
        return result


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(convolution.out_channels), nn.ReLU(inplace=True)]


def _gan(logits: Tensor, real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--device", default="cpu")
    options = command.parse_args(arguments)
    report({"baselines": measure(device=options.device)}, options.output)


if __name__ == "__main__":
    script(main)
