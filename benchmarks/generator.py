"""The value of each part of the generator's layout: the same training from scratch, with one part changed at a time.

Each variant is trained on a style's pairs from fresh weights for the same steps, and measured on validation pairs:
L1 to the teacher, the distance of two networks' features that no loss has seen, the share of lattice in flat areas,
the match of strokes.  The work folder keeps finished trainings; a stopped one continues.

    python -m benchmarks.generator --pairs pencil=DIR --pairs vangogh=DIR --work runs/generator
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from benchmarks.measuring import SAMPLES, Figure, interleaved, parser, report, script
from benchmarks.speed import edit_by, run
from e2gan.data.pairs import Pairs
from e2gan.data.teachers import make_teacher
from e2gan.drawing import chart, draw_sheet, picture_grid
from e2gan.errors import DataError
from e2gan.evaluation.lattice import flat_areas, lattice_share
from e2gan.evaluation.report import NETWORKS
from e2gan.evaluation.strokes import detail, stroke_energy, stroke_match
from e2gan.files import atomic_path
from e2gan.kept import folder_of, kept
from e2gan.models.device import computes_bfloat16
from e2gan.models.discriminator import Discriminator
from e2gan.models.edit import Edit
from e2gan.models.generator import Generator
from e2gan.models.layout import NO_SKIPS, GeneratorConfig, Skips
from e2gan.models.look import look_of
from e2gan.models.noise import SIDE, noisy
from e2gan.models.pixels import to_images, to_tensor
from e2gan.models.prompt import PromptEncoder
from e2gan.recipe import TrainingRecipe
from e2gan.training.batches import ConceptPairs
from e2gan.training.trainer import Trainer


@dataclass(frozen=True)
class Style:
    """A style to learn."""

    prompt: str
    teacher: str
    options: Mapping[str, Any]


STYLES: Mapping[str, Style] = {
    "pencil": Style("a pencil drawing", "gmic", {"filter": "pencil"}),
    "vangogh": Style("a painting in the style of Vincent van Gogh", "magenta-multistyle", {"style": 19}),
}
"""A drawing, which keeps the photo's lines, and a painting, which keeps none."""

WEIGHTS = "generator.pt"

PHOTOS = ("small/portrait", "small/cat", "aitzgorri", "small/launch")
"""The samples on the sheets: a face, fur, foliage under a flat sky, night."""


@dataclass(frozen=True)
class Variant:
    """A layout, and a concept's settings for it."""

    layout: Mapping[str, Any] = field(default_factory=dict)
    """Differences from the paper's configuration."""
    skips: Skips = NO_SKIPS
    noise: float = 0.0
    training: Mapping[str, Any] = field(default_factory=dict)
    """Differences from the common recipe."""
    learned: bool = False
    """Whether the skips are learned, and their initial values."""
    trunk_noise: float = 0.0
    """Strength of noise on the trunk's activations, whose deviation is about 1, instead of noise on the photo."""


MEAN: dict[str, Any] = {"smoothing": "mean"}
SKIPS: dict[str, Any] = {"smoothing": "mean", "skips": True}

VARIANTS: Mapping[str, Variant] = {
    "paper": Variant(),
    "mean": Variant(MEAN),
    "binomial": Variant({"smoothing": "binomial"}),
    "skips": Variant(SKIPS, (1, 1, 1)),
    "skips-half": Variant(SKIPS, (0.5, 0.5, 0.5)),
    "skip-full": Variant(SKIPS, (1, 0, 0)),
    "skip-half": Variant(SKIPS, (0, 1, 0)),
    "skip-quarter": Variant(SKIPS, (0, 0, 1)),
    "skips-without-mean": Variant({"skips": True}, (1, 1, 1)),
    "noise-0.03": Variant(MEAN, noise=0.03),
    "noise-0.06": Variant(MEAN, noise=0.06),
    "noise-0.12": Variant(MEAN, noise=0.12),
    "skips-learned": Variant(SKIPS, (0.5, 0.5, 0.5), learned=True),
    "trunk-noise": Variant(MEAN, trunk_noise=0.3),
    "skip-quarter-noise": Variant(SKIPS, (0, 0, 1), 0.06),
    "whole-pictures": Variant(MEAN, training={"scales": (0.05, 0.05)}),
    **{f"skips-width-{8 * n}": Variant(SKIPS | {"width": 8 * n, "heads": n}, (1, 1, 1)) for n in (6, 4, 3)},
    **{f"noise-width-{8 * n}": Variant(MEAN | {"width": 8 * n, "heads": n}, noise=0.06) for n in (6, 4, 3)},
}
"""The smaller widths are of `skips`, for a drawing, and of `noise-0.06`, for a painting."""

RECIPE = TrainingRecipe(
    steps=700,
    crop=96,
    scales=(0.4, 1.0),
    learning_rate=4e-4,
    lr_decay_from=0.6,
    l1=20.0,
    gan=1.0,
    perceptual=2.0,
    style=4.0,
    ema=0.99,
)
"""Crops at 0.4 to 1 of the pairs' own size; smaller scales show more of the picture."""


class Learned(nn.Module):
    """A generator with three more parameters: its skips."""

    def __init__(self, generator: Generator, skips: Skips) -> None:
        super().__init__()
        self.generator = generator
        self.raw = nn.Parameter(torch.logit(torch.tensor(skips)))

    def forward(self, x: Tensor, prompt: Tensor, prompt_bias: Tensor | None, skips: Tensor) -> Tensor:
        result: Tensor = self.generator(x, prompt, prompt_bias, self.raw.sigmoid().expand_as(skips))
        return result


def made(variant: Variant, config: GeneratorConfig) -> nn.Module:
    """A variant's generator, with fresh weights."""
    generator = Generator(config)
    generator.initialize()
    if variant.trunk_noise:

        def add_noise(block: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            x, *rest = inputs
            offsets = torch.randint(SIDE, (len(x), 2)) if block.training else None
            noise = noisy(torch.zeros_like(x[:, :1]), torch.full((len(x),), variant.trunk_noise), offsets)
            return (x + noise, *rest)

        generator.res[0].register_forward_pre_hook(add_noise)
    return Learned(generator, variant.skips) if variant.learned else generator


def train(name: str, style: str, pairs: Pairs, work: Path, recipe: TrainingRecipe) -> tuple[Path, dict[str, Any]]:
    """Train a variant on a style's pairs and measure it; finished results come from the work folder.

    Returns:
        The folder of the training, with its `WEIGHTS`, and its figures.
    """
    variant = VARIANTS[name]
    recipe = replace(recipe, **variant.training)
    learnt = ConceptPairs(
        style,
        PromptEncoder().encode(STYLES[style].prompt),
        pairs.split("train"),
        pairs.split("val"),
        skips=variant.skips,
        noise=variant.noise,
    )
    config = GeneratorConfig(prompt_dim=learnt.prompt.shape[1], **variant.layout)
    folder = folder_of(
        work / f"{style}-{name}",
        {
            "layout": config.to_dict(),
            "skips": variant.skips,
            "noise": variant.noise,
            **({"learned": True} if variant.learned else {}),
            **({"trunk_noise": variant.trunk_noise} if variant.trunk_noise else {}),
            "training": recipe.to_dict(),
            "pairs": [pair.key for pair in (*learnt.train, *learnt.val)],
        },
    )

    def make() -> dict[str, Any]:
        torch.manual_seed(recipe.seed)
        generator, discriminator = made(variant, config), Discriminator()
        discriminator.initialize()
        trainer = Trainer(generator, discriminator, [learnt], recipe, folder, checkpoint_every=600)
        trainer.run()
        figures = {"seconds": round(trainer.seconds), "steps": recipe.steps, **measured(trainer, learnt, folder)}
        with atomic_path(folder / WEIGHTS) as temporary:
            torch.save(generator.state_dict(), temporary)
        if isinstance(generator, Learned):
            figures |= dict(zip(("skip_full", "skip_half", "skip_quarter"), generator.raw.sigmoid().tolist()))
        return figures

    return folder, kept(folder / "figures.json", make)


def measured(trainer: Trainer, learnt: ConceptPairs, folder: Path) -> dict[str, float]:
    """The averaged generator's figures on whole validation pairs, and a sheet of some of them."""
    trainer.generator.eval()
    photos: list[Image.Image] = []
    targets: list[Image.Image] = []
    edits: list[Image.Image] = []
    for pair in learnt.val:
        batch, edit = trainer.edit(pair, learnt)
        for pictures, tensor in ((photos, batch.photo), (targets, batch.target), (edits, edit)):
            pictures += to_images(tensor)
    rows = list(zip(photos, targets, edits, strict=True))
    draw_sheet(rows[:: max(1, len(rows) // 8)], folder / "sheet.png")
    figures = {
        "l1": mean(_l1(edit, target) for _, target, edit in rows),
        "l1_unedited": mean(_l1(photo, target) for photo, target, _ in rows),
    }
    for name, network in NETWORKS.items():
        embed = network()
        wanted = embed(targets)
        figures[name] = float(np.linalg.norm(embed(edits) - wanted, axis=1).mean())
        figures[f"{name}_unedited"] = float(np.linalg.norm(embed(photos) - wanted, axis=1).mean())
    shares = [lattice_share(edit, flat_areas(photo)) for photo, _, edit in rows]
    wanted_shares = [lattice_share(target, flat_areas(photo)) for photo, target, _ in rows]
    figures["lattice"] = _mean_of_known(shares)
    figures["lattice_of_teacher"] = _mean_of_known(wanted_shares)
    details, aim = [detail(edit) for edit in edits], [detail(target) for target in targets]
    figures["stroke_energy"], figures["stroke_match"] = stroke_energy(details, aim), stroke_match(details, aim)
    return figures


@torch.no_grad()
def edits_of_samples(name: str, style: str, folder: Path) -> list[Image.Image]:
    """A trained variant's pictures of `PHOTOS`."""
    variant = VARIANTS[name]
    prompt = torch.from_numpy(PromptEncoder().encode(STYLES[style].prompt))
    generator = made(variant, GeneratorConfig(prompt_dim=prompt.shape[1], **variant.layout)).eval()
    generator.load_state_dict(torch.load(folder / WEIGHTS, weights_only=True))
    look = look_of(prompt, skips=variant.skips, noise=variant.noise)
    photos = (to_tensor(np.asarray(photo)[None]) for photo in sample_photos().values())
    edit = Edit(generator, at_once=True)
    return [to_images(edit(photo, look))[0] for photo in photos]


def sample_photos() -> dict[str, Image.Image]:
    """`PHOTOS` with shorter sides of at most 432 pixels, like the training photos, and sizes in multiples of 8."""
    photos = {}
    for name in PHOTOS:
        photo = Image.open(SAMPLES / f"{name}.jpg").convert("RGB")
        scale = min(1.0, 432 / min(photo.size))
        width, height = (round(side * scale) // 8 * 8 for side in photo.size)
        photos[name] = ImageOps.fit(photo, (width, height), Image.Resampling.LANCZOS)
    return photos


def draw(style: str, folders: Mapping[str, Path], path: Path) -> None:
    """A sheet of the sample photos at 100 %, a square of each: photo, teacher, and each variant's edit."""
    photos = sample_photos()
    teacher = make_teacher(STYLES[style].teacher, STYLES[style].options)
    columns = [list(photos.values()), [teacher(photo) for photo in photos.values()]]
    columns += [edits_of_samples(name, style, folder) for name, folder in folders.items()]
    pictures = [_square(picture, name) for name, row in zip(photos, zip(*columns)) for picture in row]
    sheet = picture_grid(pictures, len(columns), titles=["photo", "teacher", *folders])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="WEBP", quality=82, method=6)


def milliseconds(names: Sequence[str], size: int = 256, rounds: int = 9) -> dict[str, float]:
    """The time of an edit by each variant's generator, in turns, in bf16 where the processor computes in it."""
    dtype = torch.bfloat16 if computes_bfloat16(torch.device("cpu")) else torch.float32
    photo, prompt = (torch.rand(1, 3, size, size) * 2 - 1).to(dtype), torch.randn(1, 16, 384).to(dtype)
    jobs = {}
    for name in names:
        variant = VARIANTS[name]
        generator = Generator(GeneratorConfig(prompt_dim=prompt.shape[2], **variant.layout)).eval()
        look = look_of(prompt[0], skips=variant.skips, noise=variant.noise)
        jobs[name] = partial(run, edit_by(generator, dtype, torch.device("cpu")), photo, look)
    return {name: 1000 * median(seconds) for name, seconds in interleaved(jobs, rounds).items()}


def plot(styles: Mapping[str, Mapping[str, Mapping[str, float]]], times: Mapping[str, float], path: Path) -> None:
    """Each style's figures of some variants against the milliseconds of an edit, as shares of the unedited photo's."""
    kinds = {"l1": "L1", **{name: name for name in NETWORKS}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with chart(path, 4.4 * len(styles), 3.4) as figure:
        for place, (style, variants) in zip(figure.subplots(1, len(styles), squeeze=False)[0], styles.items()):
            names = sorted(variants, key=times.__getitem__)
            for kind, label in kinds.items():
                shares = [variants[name][kind] / variants[name][f"{kind}_unedited"] for name in names]
                place.plot([times[name] for name in names], shares, marker="o", label=label)
            for name in names:
                place.annotate(name, (times[name], 1.02), xycoords=("data", "axes fraction"), rotation=30, fontsize=7)
            place.set(xlabel="ms of an edit at 256²", ylabel="share of the unedited photo's")
            place.set_title(style, pad=48)
            place.set_ylim(bottom=0)
            place.legend()


def _square(picture: Image.Image, name: str, side: int = 256) -> Image.Image:
    """The part of a sample that a sheet shows."""
    across, down = {"small/portrait": (0.5, 0.15), "aitzgorri": (0.5, 0.6)}.get(name, (0.5, 0.4))
    left, top = round((picture.width - side) * across), round((picture.height - side) * down)
    return picture.crop((left, top, left + side, top + side))


def _l1(a: Image.Image, b: Image.Image) -> float:
    """The mean difference, on values from 0 to 1."""
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean() / 255)


def _mean_of_known(shares: Sequence[float | None]) -> float:
    measured = [share for share in shares if share is not None]
    if not measured:
        raise DataError("no validation photo has a flat area in which to measure the lattice")
    return mean(measured)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--pairs", action="append", required=True, metavar="STYLE=DIR", help="pairs of a style")
    command.add_argument("--work", type=Path, required=True, help="folder of trainings; existing ones are kept")
    command.add_argument(
        "--variant", action="append", choices=list(VARIANTS), help="some of the variants; all by default"
    )
    command.add_argument("--steps", type=int, default=RECIPE.steps)
    command.add_argument("--crop", type=int, default=RECIPE.crop)
    command.add_argument("--threads", type=int, help="CPU threads")
    command.add_argument("--plot", type=Path, help="file for a chart of figures against milliseconds, measured now")
    command.add_argument("--sheets", type=Path, help="folder to draw a sheet of each style into")
    options = command.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = replace(RECIPE, steps=options.steps, crop=options.crop)
    sections: dict[str, list[Figure]] = {}
    styles: dict[str, dict[str, dict[str, float]]] = {}
    for text in options.pairs:
        style, _, folder = text.partition("=")
        if style not in STYLES:
            raise DataError(f"there is no style {style!r}", hint=f"one of {', '.join(STYLES)}")
        pairs = Pairs.open(folder)
        folders, styles[style] = {}, {}
        for name in options.variant or VARIANTS:
            folders[name], figures = train(name, style, pairs, options.work, recipe)
            styles[style][name] = figures
            sections[f"{style}, {name}"] = [Figure(key, value) for key, value in figures.items()]
            print(f"{style}, {name}: {json.dumps(figures)}", flush=True)
        if options.sheets:
            draw(style, folders, options.sheets / f"{style}.webp")
    if options.plot:
        times = milliseconds(options.variant or list(VARIANTS))
        plot(styles, times, options.plot)
        sections["milliseconds"] = [Figure(name, value, "ms") for name, value in times.items()]
    report(sections, options.output)


if __name__ == "__main__":
    script(main)
