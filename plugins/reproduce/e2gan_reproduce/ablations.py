"""Tables that take E²GAN apart: blocks, ranks, pairs, frozen parts; and other tunings and teachers."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Ranks, adapter_parameters
from e2gan.recipe import Recipe, Selection, TeacherChoice
from e2gan_reproduce.compare import Findings, Way, compare
from e2gan_reproduce.lab import FULL_RATE, Lab
from e2gan_reproduce.outcome import Outcome, Subject
from e2gan_reproduce.tunings import ALL, TUNINGS

__all__ = ["fig2", "fig4", "fig7", "tab5", "tab6", "tab10", "tab14", "teachers", "tuning"]

PAIRS = (100, 200, 400)
"""Numbers of selected pairs in Figure 7."""

RANDOM_SIZE = 100_000
"""Parameters of Table 5's random ranks."""


def fig2(lab: Lab) -> Findings:
    chosen = "1, after RB 2"
    layouts = {
        "none": (),
        "1, before RB 1": (0,),
        "1, after RB 1": (1,),
        chosen: (2,),
        "1, after RB 3": (3,),
        "2, after RB 1 and 2": (1, 2),
        "3, after each RB": (1, 2, 3),
    }
    ways = {
        name: partial(lab.scratch, config=replace(lab.base.config, res_blocks=3, tb_positions=positions))
        for name, positions in layouts.items()
    }
    return compare(lab, ways, stated=[(chosen, name) for name in layouts if name != chosen])


def tab6(lab: Lab) -> Findings:
    config = lab.base.config
    ways = {
        "3 RB + 1 TB": partial(lab.scratch, config=replace(config, res_blocks=3, tb_positions=(2,))),
        "9 RB": partial(lab.scratch, config=replace(config, res_blocks=9, tb_positions=())),
    }
    paper = {"3 RB + 1 TB": {"Angry": 49.56, "Pale": 42.65}, "9 RB": {"Angry": 55.16, "Pale": 49.14}}
    return compare(lab, ways, paper)


def tab10(lab: Lab) -> Findings:
    def with_sampling(kind: str) -> GeneratorConfig:
        return GeneratorConfig.from_dict({**lab.base.config.to_dict(), "tb_sampling": kind})

    kinds = {"convolutions": "conv", "max-pooling": "pool"}
    ways = {name: partial(lab.scratch, config=with_sampling(kind)) for name, kind in kinds.items()}
    paper = {
        "convolutions": {"dark": 121.60, "impressionism": 88.52, "autumn": 88.82},
        "max-pooling": {"dark": 190.05, "impressionism": 135.96, "autumn": 141.29},
    }
    return compare(lab, ways, paper)


def fig4(lab: Lab) -> Findings:
    frozen = {
        "nothing frozen": None,
        "residual blocks frozen": RESIDUAL,
        "transformer block frozen": TRANSFORMER,
        "sampling layers frozen": SAMPLING,
    }
    ways: dict[str, Way] = {name: partial(_frozen, lab, name, part=part) for name, part in frozen.items()}
    paper = {"residual blocks frozen": {"FID": 111.3}, "transformer block frozen": {"FID": 123.6}}
    return compare(lab, ways, paper)


RESIDUAL = re.compile(r"res\.")
SAMPLING = re.compile(r"(conv_in|conv_out|(transformers\.\d+\.)?(down|up)\d?)\.")
TRANSFORMER = re.compile(r"transformers\.\d+\.(?!(down|up)\.)")
"""Parts of the generator by their parameters' names; the sampling around a transformer block does not belong to it."""


def _frozen(lab: Lab, name: str, subject: Subject, part: re.Pattern[str] | None) -> Outcome:
    def freeze(generator: Generator) -> nn.Module:
        for parameter_name, parameter in generator.named_parameters():
            parameter.requires_grad_(part is None or not part.match(parameter_name))
        return generator

    return lab.tuned(name.replace(" ", "-"), subject, freeze, FULL_RATE)


def tab5(lab: Lab) -> Findings:
    ranks = {
        "searched, 1/4/8/8": Ranks(),
        "1×, 1/4/4/4": Ranks((1, 4, 4, 4)),
        "4×, 1/4/16/16": Ranks((1, 4, 16, 16)),
        "random": random_ranks(lab.base.config, lab.seed),
    }
    ways = {name: partial(lab.adapter, ranks=setting) for name, setting in ranks.items()}
    figures = dict(zip(ranks, (109.37, 130.98, 111.42, 129.87), strict=True))
    return compare(lab, ways, {name: {"Landscape": figure} for name, figure in figures.items()})


def random_ranks(config: GeneratorConfig, seed: int) -> Ranks:
    """Random ranks, each of 1 to 16, within 3 % of `RANDOM_SIZE` parameters, or the nearest of 10,000 draws."""
    rng = np.random.default_rng(seed)

    def miss(ranks: Ranks) -> float:
        return abs(adapter_parameters(config, ranks) / RANDOM_SIZE - 1)

    drawn = (Ranks(tuple(int(r) for r in rng.integers(1, 17, 4))) for _ in range(10_000))  # type: ignore[arg-type]
    best = next(drawn)
    for ranks in drawn:
        if miss(ranks) < miss(best):
            best = ranks
        if miss(best) < 0.03:
            break
    return best


def fig7(lab: Lab) -> Findings:
    ways: dict[str, Way] = {}
    stated = []
    for count in PAIRS:
        clusters, by_lot = f"clusters, K = {count}", f"random, K = {count}"
        stated.append((clusters, by_lot))
        for name, method in ((clusters, "similarity-clustering"), (by_lot, "random")):
            selection = Selection(method, count)  # type: ignore[arg-type]
            ways[name] = partial(lab.adapter, selection=selection)
    return compare(lab, ways, stated=stated)


def tab14(lab: Lab) -> Findings:
    ways = {f"{100 * times} epochs": partial(lab.adapter, longer=times) for times in (1, 2)}
    paper = {
        "100 epochs": {"dark": 115.32, "oil": 110.87, "spring": 122.77},
        "200 epochs": {"dark": 114.17, "oil": 111.93, "spring": 124.91},
    }
    return compare(lab, ways, paper)


def tuning(lab: Lab) -> Findings:
    ways: dict[str, Way] = {name: partial(_tuned, lab, name) for name in TUNINGS}
    return compare(lab, ways)


def _tuned(lab: Lab, name: str, subject: Subject) -> Outcome:
    rate = FULL_RATE if name == ALL else subject.recipe.training.learning_rate
    return lab.tuned(name.replace(" ", "-"), subject, TUNINGS[name], rate)


TEACHERS: dict[str, dict[str, Any]] = {
    "magenta-multistyle": {"style": 19},
    "opencv-stylization": {},
    "opencv-pencil-sketch": {},
    "opencv-dodge-sketch": {},
    "opencv-oil-painting": {},
    "opencv-watercolour": {},
    "grade": {"name": "dusk"},
}
"""The bundled teachers with their options."""


def teachers(lab: Lab) -> Findings:
    def taught(subject: Subject, id: str) -> Outcome:
        recipe = Recipe(
            (TeacherChoice(id, TEACHERS[id]),),
            pictures=subject.recipe.pictures,
            selection=subject.recipe.selection,
            training=subject.recipe.training,
        )
        return lab.adapter(Subject(f"by-{id}", subject.prompt, recipe))

    return compare(lab, {id: partial(taught, id=id) for id in TEACHERS}, ratio=True)
