"""Tables that compare E²GAN with other systems: their cost, and their distance to the teacher."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from statistics import median

import torch
from torch import nn

from e2gan.evaluation.cost import macs
from e2gan.kept import digest_of, kept
from e2gan.models.discriminator import load_discriminator
from e2gan.models.edit import Edit
from e2gan.models.look import Look
from e2gan.models.lora import attach
from e2gan.recipe import TrainingRecipe
from e2gan.training.flops import training_flops
from e2gan_baselines.training import trainer_of
from e2gan_reproduce import stand_ins
from e2gan_reproduce.compare import Findings, Way, compare
from e2gan_reproduce.lab import Lab
from e2gan_reproduce.table import Row, mean_of
from e2gan_reproduce.trainings import Networks

__all__ = ["afhq", "atml", "fig6", "horse2zebra", "paired", "tab1", "tab3"]

BASELINES = {"pix2pix": "pix2pix", "Co-Mod-GAN": "comodgan"}
"""The baselines: a row's name → the model's id."""

PAIRS = {"E²GAN": 400, "pix2pix": 800, "Co-Mod-GAN": 800}
"""Number of pairs that each system trains on in the paper."""

TIMED = 16
"""Number of timed steps: some models add a penalty at every eighth and every sixteenth step."""


def tab3(lab: Lab) -> Findings:
    return compare(
        lab,
        systems(lab),
        {
            "E²GAN": {"FFHQ": 80.28, "Landscape": 109.37},
            "pix2pix": {"FFHQ": 86.03, "Landscape": 114.2},
            "Co-Mod-GAN": {"FFHQ": 87.76, "Landscape": 132.6},
        },
    )


def afhq(lab: Lab) -> Findings:
    columns = "fox", "ocelot", "Van Gogh", "charcoal", "pop art"
    figures = {
        "pix2pix": (39.78, 30.72, 67.11, 28.01, 112.58),
        "Co-Mod-GAN": (42.67, 33.64, 66.83, 28.58, 132.78),
        "E²GAN": (36.60, 29.51, 64.09, 25.90, 110.28),
    }
    paper = {name: dict(zip(columns, row, strict=True)) for name, row in figures.items()}
    findings = compare(lab, systems(lab), paper)
    if stand_ins.is_afhq(lab.data):
        return findings
    return replace(
        findings,
        title="In place of AFHQ: other photographs",
        said="AFHQ is not on this machine. Other photographs are in its place.",
    )


def paired(lab: Lab) -> Findings:
    paper = {
        "pix2pix": {"Facades": 126.65, "edges→shoes": 24.18},
        "Co-Mod-GAN": {"Facades": 136.72, "edges→shoes": 38.50},
        "E²GAN": {"Facades": 121.89, "edges→shoes": 24.03},
    }
    if lab.subjects:
        return compare(lab, systems(lab), paper)
    made = stand_ins.paired(lab.data, lab.folder / "stand-ins", lab.progress)
    return replace(
        compare(lab, systems(lab), paper, subjects=made),
        title="In place of Facades and edges→shoes: photographs from their edges and flat colours",
        said="Neither data set is on this machine. In their place, each photograph is to be made from its edges "
        "(Canny's), and from a map of its areas in seven flat colours.",
    )


def horse2zebra(lab: Lab) -> Findings:
    title = said = ""
    if not lab.real:
        first = lab.subjects[0]
        lab.real = stand_ins.others(lab.pairs(first), lab.scale.crop)
        title = "In place of horse→zebra: a season"
        said = (
            "The data set is not on this machine. In place of its zebras, the edits are compared with the teacher's "
            f"pictures of other photographs ({first.id})."
        )
    edits, photos = {}, {}
    for subject in lab.subjects:
        quality = lab.adapter(subject).quality
        edits[subject.id], photos[subject.id] = float(quality["fid_to_real"]), float(quality["unedited_to_real"])
    others = {"CycleGAN": 74.04, "CUT": 45.76, "GAN Compression": 64.95, "GAN Slimming": 86.09}
    rows = [
        Row("E²GAN", mean_of({"horse→zebra": 44.12}), mean_of(edits)),
        Row("the photographs, unedited", {}, mean_of(photos)),
    ]
    rows += [Row(name, mean_of({"horse→zebra": figure}), note="not run") for name, figure in others.items()]
    stated = [("E²GAN", "the photographs, unedited")]
    return Findings(rows, stated, title=title, said=said)


def atml(lab: Lab) -> Findings:
    ways: dict[str, Way] = {
        "E²GAN": lab.adapter,
        "the reproduction's model": partial(lab.baseline, id="resnet-transformer"),
    }
    paper = {
        "E²GAN": {"Van Gogh": 71.82, "Blond": 48.01},
        "the reproduction's model": {"Van Gogh": 138.0, "Blond": 150.0},
    }
    return compare(lab, ways, paper)


def systems(lab: Lab) -> dict[str, Way]:
    """E²GAN and the baselines, by row."""
    return {"E²GAN": lab.adapter, **{name: partial(lab.baseline, id=id) for name, id in BASELINES.items()}}


# Costs


def tab1(lab: Lab) -> Findings:
    paper = {
        "E²GAN": (7.1, None, 15.5, 200.0),
        "pix2pix": (11.4, 56.9, 21.0, 16 * 60.0),
        "Co-Mod-GAN": (79.2, 98.2, None, 110 * 60.0),
    }
    columns = "parameters (M)", "MACs (G)", "latency (ms)", "training (s)"
    rows = []
    for name, figures in paper.items():
        generator = _generator(lab, name).eval()
        inputs = _inputs(lab, 256)
        ours = (
            sum(p.numel() for p in generator.parameters()) / 1e6,
            macs(generator, *inputs) / 1e9,
            _latency(generator, *inputs),
            _seconds(lab, name),
        )
        given = {column: figure for column, figure in zip(columns, figures, strict=True) if figure is not None}
        rows.append(Row(name, given, dict(zip(columns, ours, strict=True)), NOTES.get(name, "")))
    snap = {"parameters (M)": 861.0, "latency (ms)": 1956.0, "training (s)": 7680 * 3600.0}
    rows.append(Row("SnapFusion", snap, note="not run; the paper's MACs are above 1T"))
    side = f"timed at {lab.scale.crop}²"
    return Findings(rows, figures=f"each column has its own unit; training time is computed from {TIMED} steps {side}")


NOTES = {"Co-Mod-GAN": "latency: unsupported on the paper's phone"}


def fig6(lab: Lab) -> Findings:
    columns = "operations", "time", "trained parameters"
    paper = {
        "E²GAN": (1.0, 1.0, 1.0),
        "pix2pix": (14.0, 4.8, None),
        "Co-Mod-GAN": (25.0, 33.0, 869.0),
    }
    names = [*paper, "E²GAN, without VGG16"]
    costs = {name: _costs(lab, name) for name in names}
    of = costs["E²GAN"]
    rows = []
    for name in names:
        figures = zip(columns, paper.get(name, (None,) * 3), strict=True)
        given = {f"{column} (× E²GAN)": figure for column, figure in figures if figure is not None}
        ours = {
            f"{column} (× E²GAN)": cost / reference
            for column, cost, reference in zip(columns, costs[name], of, strict=True)
        }
        rows.append(Row(name, given, ours, f"{costs[name][0]:.2e} operations, {costs[name][1] / 60:,.0f} min"))
    return Findings(rows, figures="multiples of E²GAN's")


def _costs(lab: Lab, name: str) -> tuple[float, float, float]:
    """Operations (at 256²) and seconds of the paper's epochs, and the number of trained parameters."""
    (generator, discriminator), recipe = _networks(lab, name, 256)
    flops = training_flops(
        replace(recipe, steps=_steps(name, recipe)),
        generator,
        discriminator,
        lab.base.config.prompt_dim,
        objective=trainer_of(recipe).objective_type,
    )
    return flops, _seconds(lab, name), sum(p.numel() for p in generator.parameters() if p.requires_grad)


def _steps(name: str, recipe: TrainingRecipe) -> int:
    """Number of steps in the paper's epochs."""
    return -(-PAIRS[name.partition(",")[0]] // recipe.batch_size) * (200 if name in BASELINES else 100)


def _networks(lab: Lab, name: str, side: int) -> tuple[Networks, TrainingRecipe]:
    """Fresh networks and their recipe for squares of ``side`` pixels."""
    if name in BASELINES:
        baseline = lab.fresh_baseline(BASELINES[name], side)
        return (baseline.generator, baseline.discriminator), replace(baseline.recipe, crop=side)
    recipe = replace(lab.subjects[0].recipe.training, crop=side)
    if name != "E²GAN":
        recipe = replace(recipe, perceptual=0.0, style=0.0)
    generator = attach(lab.base.generator().train(), recipe.adapter_ranks)
    return (generator, load_discriminator(lab.base.discriminator_path)), recipe


def _seconds(lab: Lab, name: str) -> float:
    """Seconds of the paper's epochs, from the time of a step on the scale's squares; timed once."""
    _, recipe = _networks(lab, name, lab.scale.crop)
    key = digest_of({"name": name, "recipe": recipe.to_dict(), "threads": torch.get_num_threads()})

    def measure() -> dict[str, float]:
        lab.progress.stage(f"time {TIMED} steps of {name}")
        return {
            "step": lab.timed(
                lambda: _networks(lab, name, lab.scale.crop)[0], recipe, lab.learnt(lab.subjects[0]), TIMED
            )
        }

    seconds: float = kept(lab.folder / "timed" / f"{key[:10]}.json", measure)["step"]
    return seconds * _steps(name, recipe)


def _generator(lab: Lab, name: str) -> nn.Module:
    """The network that edits; an adapter is folded in and costs nothing."""
    return lab.base.generator() if name == "E²GAN" else lab.fresh_baseline(BASELINES[name], 256).generator


def _inputs(lab: Lab, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    prompt = torch.from_numpy(lab.tokens(lab.subjects[0].prompt))[None]
    photo = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return photo, prompt, torch.zeros(prompt.shape[:2])


@torch.inference_mode()
def _latency(generator: nn.Module, photo: torch.Tensor, prompt: torch.Tensor, prompt_bias: torch.Tensor) -> float:
    """Milliseconds for one picture: the median of five runs after a warm-up run."""
    edit, look = Edit(generator, at_once=True), Look(prompt, prompt_bias)
    times = []
    for _ in range(6):
        started = time.perf_counter()
        edit(photo, look)
        times.append(time.perf_counter() - started)
    return 1000 * median(times[1:])
