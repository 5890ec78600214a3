"""Training three ways, on a tiny base: what differs between the ways, and that nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks import ablation, generator
from benchmarks.measuring import Figure
from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.selection import select_pairs
from e2gan.models.discriminator import Discriminator
from e2gan.models.layout import GeneratorConfig, adapter_parameters, crucial_layers
from e2gan.models.weights import load_weights
from e2gan.training.trainer import Trainer
from tests.training import concepts
from tests.training.concepts import CONFIG


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return concepts.tiny_base(tmp_path / "tiny", width=8)


@pytest.fixture
def concept(tmp_path: Path) -> Concept:
    return Concept.read(concepts.distribution(tmp_path / "negative"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Trainer]]:
    """With stand-ins for what takes long; the trainers that ran."""
    concepts.stand_in(monkeypatch.setattr)
    monkeypatch.setattr(ablation, "EMBEDDER", "tiny")
    # The stand-in for a teacher cannot be sent to another process.
    monkeypatch.setattr(ablation, "distilled_pairs", partial(distilled_pairs, workers=1))

    def load(path: Path) -> Discriminator:
        discriminator = Discriminator(width=8)
        load_weights(discriminator, path)
        return discriminator

    monkeypatch.setattr(ablation, "load_discriminator", load)
    ran: list[Trainer] = []
    run = Trainer.run

    def watched(trainer: Trainer) -> dict[str, float]:
        ran.append(trainer)
        return run(trainer)

    monkeypatch.setattr(Trainer, "run", watched)
    yield ran


def test_three_ways(tmp_path: Path, base: Base, concept: Concept, trained: list[Trainer]) -> None:
    photos = concepts.photos(tmp_path / "photos", train=8, test=3)

    def measure() -> dict[str, Figure]:
        return {figure.name: figure for figure in ablation.measure(photos, tmp_path / "work", base, [concept], steps=2)}

    figures = measure()
    assert [trainer.steps for trainer in trained] == [2, 2, 2]
    clusters, random, full = (trainer.concepts[0].train for trainer in trained)
    assert clusters == full and len(random) == 4
    ours = select_pairs(clusters, concept.recipe.selection, 0, cache=tmp_path / "again")
    assert ours == clusters, "they are the clusters'"
    assert clusters != random

    ranks = concept.recipe.training.adapter_ranks
    assert figures["negative, clusters: trained parameters"].value == adapter_parameters(CONFIG, ranks)
    everything = base.generator()
    weights = sum(everything.get_submodule(layer.name).weight.numel() for layer in crucial_layers(CONFIG))
    assert figures["negative, full: trained parameters"].value == weights
    over = figures["clusters over random, mean FID"]
    means = [figures[f"mean, {way}: FID ratio to unedited"].value for way in ("clusters", "random")]
    assert over.at_most == 1 and over.value == pytest.approx(means[0] / means[1])
    assert figures["adapter over full, mean FID"].at_most == 1.1

    # What was done is read, and the checkpoints are gone.
    kept = sorted((tmp_path / "work").rglob("outcome.json"))
    assert len(kept) == 3 and not list((tmp_path / "work").rglob("checkpoint.pt"))
    assert measure() == figures and len(trained) == 3
    kept[0].write_text(json.dumps({"l1_ratio": 5.0, "fid_ratio": 5.0, "parameters": 5}))
    assert measure() != figures


def test_one_way_alone(tmp_path: Path, base: Base, concept: Concept, trained: list[Trainer]) -> None:
    photos = concepts.photos(tmp_path / "photos")
    figures = ablation.measure(photos, tmp_path / "work", base, [concept], steps=1, ways=["random"])
    assert len(trained) == 1
    assert [figure.name for figure in figures if figure.name.startswith("mean")] == [
        "mean, random: FID ratio to unedited"
    ]
    assert all(figure.met is None for figure in figures)


def test_few_pairs(
    tmp_path: Path, base: Base, concept: Concept, trained: list[Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ablation.FEW, "random-10", 2)
    photos = concepts.photos(tmp_path / "photos")
    figures = ablation.measure(photos, tmp_path / "work", base, [concept], steps=1, ways=["random-10"])
    (trainer,) = trained
    assert [len(learnt.train) for learnt in trainer.concepts] == [2]
    assert figures[-1].name == "mean, random-10: FID ratio to unedited"


def test_a_concept_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ablation.DataError, match="none of the shipped concepts is called nobody"):
        ablation.main(["--data", str(tmp_path), "--concept", "nobody"])


@pytest.mark.parametrize("name", list(generator.VARIANTS))
def test_every_variant_of_the_generator_edits(name: str) -> None:
    variant = generator.VARIANTS[name]
    config = replace(GeneratorConfig(prompt_dim=8, **variant.layout), width=8, heads=2)
    network = generator.made(variant, config).eval()
    with torch.inference_mode():
        edit = network(torch.zeros(1, 3, 32, 40), torch.zeros(1, 2, 8), None, torch.tensor([variant.skips]))
    assert edit.shape == (1, 3, 32, 40)
