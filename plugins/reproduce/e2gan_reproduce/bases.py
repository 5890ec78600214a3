"""Tables about the base: which concepts it learns, how many, and alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from e2gan.base import DEFAULT
from e2gan.errors import BaseModelError
from e2gan.recipe import BaseRecipe, Candidate
from e2gan.training.base import choose
from e2gan.training.batches import ConceptPairs
from e2gan_reproduce.compare import Findings, Way, compare
from e2gan_reproduce.lab import Lab

__all__ = ["base_size", "tab4", "tab11", "tab12", "tab13"]

SIZES = (1, 2, 4, 8)
"""Numbers of concepts of the compared bases."""

ART = 12
"""Number of concepts of the base that learns only art; the same share of the candidates as 200 of 230 in the paper."""

PHOTOGRAPHIC = "grade"
"""The teacher of candidates that are neither painted nor drawn."""


def tab4(lab: Lab) -> Findings:
    recipe = _recipe(lab)
    chosen = _chosen(lab, recipe)
    ways = {
        "chosen": chosen,
        "random": _by_lot(lab, recipe, len(chosen)),
        "art": [candidate for candidate in _open(recipe) if candidate.teacher != PHOTOGRAPHIC][:ART],
        "single": chosen[:1],
    }
    columns = "White Walker", "Blond", "Sunglasses", "Van Gogh"
    figures = {
        "chosen": (40.18, 48.01, 38.49, 71.82),
        "random": (53.92, 52.77, 40.54, 78.58),
        "art": (40.32, 61.50, 41.37, 68.21),
        "single": (51.99, 55.58, 44.12, 78.06),
    }
    paper = {name: dict(zip(columns, row, strict=True)) for name, row in figures.items()}
    return compare(lab, {name: _on(lab, name, _learnt(lab, concepts)) for name, concepts in ways.items()}, paper)


def base_size(lab: Lab) -> Findings:
    recipe = _recipe(lab)
    ways = {f"{count} concepts": _on(lab, f"of-{count}", _learnt(lab, _chosen(lab, recipe, count))) for count in SIZES}
    return compare(lab, ways)


def tab12(lab: Lab) -> Findings:
    recipe = _recipe(lab)
    chosen = _learnt(lab, _chosen(lab, recipe))
    same = [replace(pair, output=pair.input) for pair in chosen[0].train]
    photographs = ConceptPairs("photographs", lab.tokens("a photograph"), same, [])
    ways = {"concepts": _on(lab, "chosen", chosen), "auto-encoder": _on(lab, "auto-encoder", [photographs])}
    paper = {
        "concepts": {"Angry": 54.27, "White Walker": 40.18},
        "auto-encoder": {"Angry": 110.35, "White Walker": 80.43},
    }
    return compare(lab, ways, paper)


def tab13(lab: Lab) -> Findings:
    recipe = _recipe(lab)
    nothing = np.zeros((1, lab.base.config.prompt_dim), np.float32)
    chosen = _learnt(lab, _chosen(lab, recipe))
    blind = [replace(candidate, prompt=nothing) for candidate in chosen]
    ways = {"with cross-attention": _on(lab, "chosen", chosen), "without": _on(lab, "blind", blind, prompt=nothing)}
    columns = "Van Gogh", "Blond", "White Walker"
    paper = {
        "with cross-attention": dict(zip(columns, (71.82, 48.01, 40.18), strict=True)),
        "without": dict(zip(columns, (90.31, 59.78, 55.43), strict=True)),
    }
    return compare(lab, ways, paper)


def tab11(lab: Lab) -> Findings:
    start = lab.mixed("pix2pix", _learnt(lab, _chosen(lab, _recipe(lab))))
    ways: dict[str, Way] = {
        "E²GAN": lab.adapter,
        "pix2pix, from scratch": partial(lab.baseline, id="pix2pix"),
        "pix2pix, pre-trained": partial(lab.baseline, id="pix2pix", start=start),
    }
    figures = zip(ways, (117.41, 138.77, 151.2), strict=True)
    return compare(lab, ways, {name: {"Van Gogh": figure} for name, figure in figures})


def _on(lab: Lab, name: str, learnt: Sequence[ConceptPairs], prompt: np.ndarray | None = None) -> Way:
    """Adapters on a base that is trained on these concepts."""
    base = lab.train_base(name, learnt, _recipe(lab).training, lab.base.config)
    return partial(lab.adapter, base=base, prompt=prompt)


def _learnt(lab: Lab, candidates: Sequence[Candidate]) -> list[ConceptPairs]:
    return [lab.candidate(candidate) for candidate in candidates]


def _recipe(lab: Lab) -> BaseRecipe:
    path = lab.base.path / "recipe.toml"
    if not path.is_file():
        raise BaseModelError(
            f"{lab.base.path}: this base comes without its recipe", hint=f"name the shipped one, {DEFAULT}"
        )
    return BaseRecipe.read(path)


def _open(recipe: BaseRecipe) -> list[Candidate]:
    """Candidates that a base may be trained on."""
    return [candidate for candidate in recipe.candidates if not candidate.held_out]


def _chosen(lab: Lab, recipe: BaseRecipe, count: int | None = None) -> list[Candidate]:
    """One candidate from each cluster, as for the shipped base; ``count`` of them, or the scale's number."""
    count = min(count or lab.scale.base_concepts or recipe.choice.concepts, len(_open(recipe)))
    include = recipe.choice.include[:count]
    fewer = replace(recipe, choice=replace(recipe.choice, concepts=count, include=include, seed=lab.seed))
    return choose(fewer, lab.data, lab.folder / f"choice-{count}-{lab.seed}", lab.progress)


def _by_lot(lab: Lab, recipe: BaseRecipe, count: int) -> list[Candidate]:
    drawn = np.random.default_rng(lab.seed).permutation(len(_open(recipe)))[:count]
    return [_open(recipe)[int(i)] for i in sorted(drawn)]
