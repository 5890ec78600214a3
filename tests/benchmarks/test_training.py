"""What training costs and comes to, on a tiny base: both recipes, on the same pairs, and nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from benchmarks import training
from benchmarks.measuring import Figure
from benchmarks.training import (
    FORMER,
    SPARING,
    WAYS,
    Cost,
    Task,
    cost_figures,
    costs,
    quality_figures,
    recipe_of,
    train,
    work_figures,
)
from e2gan.concept import Concept
from e2gan.data.make_pairs import distilled_pairs
from e2gan.models.discriminator import Discriminator
from e2gan.models.weights import load_weights
from e2gan.recipe import TrainingRecipe
from e2gan.training.trainer import Trainer
from tests.training import concepts

SMALL = replace(FORMER, steps=4, crop=64)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    concepts.stand_in(monkeypatch.setattr)
    # The stand-in for a teacher cannot be sent to another process.
    monkeypatch.setattr(training, "distilled_pairs", partial(distilled_pairs, workers=1))

    def load(path: Path) -> Discriminator:
        discriminator = Discriminator(width=8)
        load_weights(discriminator, path)
        return discriminator

    monkeypatch.setattr(training, "load_discriminator", load)
    monkeypatch.setattr(
        training, "evaluate", partial(training.evaluate, networks={"efficientnet-lite0": concepts.Tiny()})
    )
    yield Task(
        concepts.photos(tmp_path / "photos"),
        tmp_path / "work",
        Concept.read(concepts.distribution(tmp_path / "negative")),
        concepts.tiny_base(tmp_path / "tiny", width=8),
        precision="no",
    )


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_the_former_recipe_has_no_setting_that_spares_work() -> None:
    defaults = {each.name: each.default for each in fields(TrainingRecipe) if each.name in SPARING}
    assert {name: getattr(FORMER, name) for name in SPARING} == defaults
    assert recipe_of(FORMER, WAYS["former"]) == FORMER


def test_a_way_changes_the_recipe_and_its_length() -> None:
    recipe = recipe_of(SMALL, WAYS["shorter"])
    assert recipe.steps == 2 and recipe.learning_rate == 3e-3 and recipe.perceptual_shrink == 2
    assert recipe_of(SMALL, SPARING) == replace(SMALL, **SPARING)


def test_a_run_is_timed_by_its_kinds_of_steps(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    stepped: list[tuple[int, int]] = []
    step = Trainer.train_step

    def watched(trainer: Trainer) -> dict[str, float]:
        stepped.append((trainer.recipe.discriminator_every, trainer.step))
        return step(trainer)

    monkeypatch.setattr(Trainer, "train_step", watched)
    found = costs(task, SMALL, {"former": {}, "sparing": SPARING}, rounds=1)
    # Half size and whole, each with the discriminator's update and without; once to warm up and once timed.
    assert stepped == 2 * [(1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert all(len(cost.processor) == len(cost.wall) == 1 and cost.processor[0] > 0 for cost in found.values())


def test_operations_are_shares_of_the_formers(task: Task) -> None:
    ways = {name: WAYS[name] for name in ("former", "half_size = 0.5", "sparing", "shorter")}
    shares = {name: figure.value for name, figure in by_name(work_figures(task.base, SMALL, ways)).items()}
    assert list(shares) == [f"{name}: operations over former" for name in list(ways)[1:]]
    half, sparing, shorter = shares.values()
    assert 0.6 < half < 0.65 and shorter < sparing < 0.45


def test_shares_are_of_the_same_round() -> None:
    found = {
        "former": Cost([10.0, 20.0, 30.0], [10.0, 20.0, 60.0]),
        "half_size = 0.5": Cost([9.0, 18.0, 27.0], [9.0, 18.0, 54.0]),
        "sparing": Cost([4.0, 8.0, 15.0], [4.0, 12.0, 36.0]),
    }
    figures = by_name(cost_figures(found))
    assert figures["sparing: processor time over former"].value == median([0.4, 0.4, 0.5])
    assert figures["sparing: processor time over former"].met
    assert figures["sparing: wall time over former"].met is False
    assert figures["half_size = 0.5: processor time over former"].met is None


def test_both_are_trained_once_and_measured(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[TrainingRecipe] = []
    run = Trainer.run

    def watched(trainer: Trainer) -> dict[str, float]:
        ran.append(trainer.recipe)
        return run(trainer)

    monkeypatch.setattr(Trainer, "run", watched)
    recipes = {"former": SMALL, "sparing": replace(SMALL, **SPARING)}

    def found() -> dict[str, dict[str, float]]:
        return {name: train(task, name, recipe) for name, recipe in recipes.items()}

    first = found()
    assert ran == list(recipes.values())
    assert all(0 < value["validation L1"] < 1 and value["seconds"] > 0 for value in first.values())
    figures = by_name(quality_figures(first))
    over = figures["sparing over former: validation L1"]
    assert over.value == pytest.approx(first["sparing"]["validation L1"] / first["former"]["validation L1"])
    assert over.at_most == figures["sparing over former: test efficientnet-lite0 FID"].at_most == 1
    assert len(list(task.work.rglob("sheet.png"))) == 2

    kept = sorted(task.work.rglob("figures.json"))
    assert found() == first and len(ran) == 2, "what was done is read"
    kept[0].write_text(json.dumps({**first["sparing"], "validation L1": 5.0}))
    assert found() != first
    assert "sparing over former: validation L1" not in by_name(quality_figures({"sparing": first["sparing"]}))


def test_too_few_photos_are_one_error(task: Task, tmp_path: Path) -> None:
    task.data = concepts.photos(tmp_path / "few", test=1)
    with pytest.raises(training.DataError, match="few: 1 photos in test, which is too few"):
        train(task, "former", SMALL)
