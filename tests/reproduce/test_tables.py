"""Every table is made from tiny networks, kept, and shown on the page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from e2gan.base import Base, find_base
from e2gan.cli.program import cli
from e2gan.data.make_pairs import distilled_pairs
from e2gan.data.pairs import Pairs
from e2gan.errors import DataError, E2GANError
from e2gan.training.trainer import Trainer
from e2gan_baselines import models
from e2gan_baselines.baseline import Baseline
from e2gan_reproduce import ablations, bases, commands, lab, photographs, systems, trainings
from e2gan_reproduce.catalogue import BY_ID, TABLES
from e2gan_reproduce.page import results_page
from e2gan_reproduce.run import run
from e2gan_reproduce.scale import SCALES, Scale
from e2gan_reproduce.stand_ins import PALETTE, is_afhq
from e2gan_reproduce.table import MEAN, Table, orderings, read
from e2gan_ssd.measuring import Measured
from tests.training import concepts

TINY = Scale("small", 64, 2, 2, 2, 2, 4, 1.0, 2, second=False)

RECIPE = """\
id = "tiny"
title = "Tiny"
version = "1.0.0"
license = "apache-2.0"
[generator]
prompt_dim = 8
width = 8
heads = 2
[choice]
concepts = 1
embedder = "tiny"
images = 2
[training]
steps = 2
crop = 64
[[candidate]]
id = "mirror"
prompt = "a mirror"
teacher = "edit"
teacher_options = { name = "mirror" }
[[candidate]]
id = "turned"
prompt = "turned over"
teacher = "edit"
teacher_options = { name = "negative" }
[[candidate]]
id = "negative"
prompt = "a negative"
teacher = "edit"
teacher_options = { name = "negative" }
held_out = true
"""

PALETTE_COLOURS = {tuple(colour) for colour in PALETTE.astype(int).tolist()}

SIZES: dict[str, dict[str, Any]] = {
    "pix2pix": {"width": 4, "blocks": 1},
    "comodgan": {"widest": 8, "base": 256},
    "resnet-transformer": {"depth": 1, "feed_forward": 16},
}


def tiny_baseline(id: str, prompt_dim: int, **sides: int) -> Baseline:
    make: Callable[..., Baseline] = {
        "pix2pix": models.pix2pix,
        "comodgan": models.comodgan,
        "resnet-transformer": models.reproduction,
    }[id]
    return make(prompt_dim, **SIZES[id], **sides)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, a concept and a base; what is trained is shared by the tests, as it is by the tables."""
    folder = tmp_path_factory.mktemp("place")
    concepts.photos(folder / "photos", side=64, test=3)
    concepts.distribution(folder / "negative")
    base = concepts.tiny_base(folder / "tiny")
    (base.path / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    concepts.stand_in(monkeypatch.setattr)
    monkeypatch.setattr(lab, "PromptEncoder", concepts.Encoder)
    monkeypatch.setattr(trainings, "NETWORKS", {"tiny": concepts.Tiny})
    monkeypatch.setattr(trainings, "find_inception", lambda file: None)
    # The stand-in for a teacher cannot be sent to another process; nor are its pairs 256 pixels wide.
    monkeypatch.setattr(lab, "distilled_pairs", partial(distilled_pairs, workers=1))
    monkeypatch.setattr(lab, "make_baseline", tiny_baseline)
    monkeypatch.setitem(SCALES, "small", TINY)
    monkeypatch.setattr(ablations, "PAIRS", (2, 4))
    monkeypatch.setattr(ablations, "TEACHERS", {"edit": {"name": "mirror"}})
    monkeypatch.setattr(bases, "SIZES", (1, 2))
    monkeypatch.setattr(systems, "TIMED", 1)
    monkeypatch.setattr(photographs, "SHARES", {share: photographs.SHARES[share] for share in ("100 %", "50 %")})
    monkeypatch.setattr(photographs, "VARIANTS", {"Spectral Style-DCGAN": "ssd", "DCGAN": "dcgan"})
    measured = Measured("tiny features", 2, 3.0, 2.0, 0.1)
    monkeypatch.setattr(photographs, "measure", lambda *some, **more: measured)


def make(id: str, place: Path, **options: Any) -> tuple[Table, Path]:
    concepts_of_it = () if id.startswith("ssd") else (str(place / "negative/e2gan_concept_negative/bundle"),)
    return run(
        BY_ID[id],
        place / "photos",
        place / "results",
        **{
            "base": str(place / "tiny"),
            "concepts": concepts_of_it,
            "work": place / "runs",
            "device": "cpu",
            "seeds": 1,
            **options,
        },
    )


@pytest.mark.parametrize("id", [entry.id for entry in TABLES if entry.id != "quad"])
def test_every_table_is_made(place: Path, id: str) -> None:
    table, path = make(id, place)
    assert read(path) == table
    assert Image.open(path.with_suffix(".png")).width > 300
    assert len(table.rows) >= (1 if id == "teachers" else 2)
    for row in table.rows:
        assert row.ours or "not run" in row.note, row.name
        assert all(value == value for value in row.ours.values())
    given = {column for row in table.rows for column in row.paper}
    if given:
        assert orderings(table), "the paper's figures are held against none of ours"
    if table.stated:
        names = {row.name for row in table.rows}
        assert {name for pair in table.stated for name in pair} <= names
    edited = not id.startswith("ssd") and id not in ("tab1", "fig6", "horse2zebra")
    assert path.with_suffix(".webp").is_file() == edited
    assert f"## {table.title}" in results_page(place / "results", place)


def test_an_unpaired_set_is_measured_against_its_real_pictures(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "photos", tmp_path / "photos")
    for n in range(3):
        (tmp_path / "photos/real/test").mkdir(parents=True, exist_ok=True)
        Image.effect_noise((80, 64), 50 + n).save(tmp_path / f"photos/real/test/{n}.png")
    shutil.copytree(place / "negative", tmp_path / "negative")
    shutil.copytree(place / "tiny", tmp_path / "tiny")
    table, _ = make("horse2zebra", tmp_path)
    assert table.title == BY_ID["horse2zebra"].title
    assert table.rows[0].ours[MEAN] > 0 and table.rows[1].ours[MEAN] > 0
    assert all(row.note == "not run" for row in table.rows[2:])
    # The same training, measured against something else, is measured again.
    stand_in, _ = make("horse2zebra", place)
    assert stand_in.title.startswith("In place of horse→zebra")
    assert stand_in.rows[0].ours[MEAN] != table.rows[0].ours[MEAN]


def test_edges_and_colours_stand_in_for_given_pairs(place: Path) -> None:
    table, _ = make("paired", place, concepts=())
    assert table.title.startswith("In place of Facades") and "edges→shoes" not in table.rows[0].ours
    assert set(table.rows[0].ours) == {"edges-to-photo", "flat-colours-to-photo", MEAN}
    assert table.facts["concepts"] == ["edges-to-photo", "flat-colours-to-photo"]
    for id in table.facts["concepts"]:
        pairs = Pairs.open(place / "runs/reproduce/stand-ins" / id)
        assert {split: len(some) for split, some in pairs.splits.items()} == {"train": 6, "val": 1, "test": 3}
        for pair in pairs.split("train"):
            before, after = (np.asarray(Image.open(file)) for file in (pair.input, pair.output))
            assert before.shape == after.shape == (256, 256, 3)
            colours = {tuple(colour) for colour in before.reshape(-1, 3)}
            assert colours <= ({(0, 0, 0), (255, 255, 255)} if id.startswith("edges") else PALETTE_COLOURS)
    made = {file: file.stat().st_mtime_ns for file in (place / "runs/reproduce/stand-ins").rglob("*.png")}
    make("paired", place, concepts=())
    assert made == {file: file.stat().st_mtime_ns for file in made}


def test_photographs_that_are_not_afhqs_are_not_called_so(place: Path, tmp_path: Path) -> None:
    table, _ = make("afhq", place)
    assert table.title.startswith("In place of AFHQ")
    imported = tmp_path / "photos"
    shutil.copytree(place / "photos", imported)
    for record in ("", "[]", '{"layout": "faces"}'):
        (imported / "dataset.json").write_text(record)
        assert not is_afhq(imported)
    (imported / "dataset.json").write_text('{"layout": "afhq-cat"}')
    assert is_afhq(imported) and not is_afhq([imported, place / "photos"])


def test_a_second_run_trains_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = make("tab5", place)

    def refuse(trainer: Trainer) -> None:
        raise AssertionError("a step is trained")

    monkeypatch.setattr(Trainer, "train_step", refuse)
    second, _ = make("tab5", place)
    assert second.rows == first.rows
    with pytest.raises(AssertionError, match="a step"):
        make("tab5", place, seed=1)


def test_several_seeds(place: Path) -> None:
    alone = [make("tab14", place, seed=seed)[0] for seed in (0, 1)]
    both, path = make("tab14", place, seeds=2)
    assert both.facts["seeds"] == [0, 1] and read(path) == both
    for row, *single in zip(both.rows, *(table.rows for table in alone), strict=True):
        assert row.each == tuple(one.ours for one in single)
        assert row.ours[MEAN] == pytest.approx(sum(one.ours[MEAN] for one in single) / 2)
        assert all(one.error[MEAN] >= 0 for one in single) and not row.error
    assert "seeds 0 to 1" in results_page(place / "results", place)


def test_a_stopped_table_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = make("tab14", place, work=place / "whole")
    usual, done = Trainer.train_step, iter(range(3))

    def stop(trainer: Trainer) -> dict[str, float]:
        if next(done, None) is None:
            raise KeyboardInterrupt
        return usual(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stop)
        with pytest.raises(KeyboardInterrupt):
            make("tab14", place, work=place / "halves")
    again, _ = make("tab14", place, work=place / "halves")
    assert again.rows == whole.rows


def test_a_baseline_is_given_so_many_times_the_operations_of_the_adapter(place: Path) -> None:
    table, _ = make("tab3", place)
    assert MEAN in table.rows[0].ours
    outcomes = [json.loads(file.read_text()) for file in (place / "runs/reproduce").glob("negative-*/outcome.json")]
    assert all(outcome["flops"] > 0 and outcome["steps"] > 0 for outcome in outcomes)


def test_every_parameter_of_a_generator_belongs_to_one_part() -> None:
    from e2gan.models.generator import Generator
    from e2gan.models.layout import GeneratorConfig

    parts = ablations.RESIDUAL, ablations.TRANSFORMER, ablations.SAMPLING
    sizes = [0, 0, 0]
    for name, parameter in Generator(GeneratorConfig()).named_parameters():
        matching = [n for n, part in enumerate(parts) if part.match(name)]
        assert len(matching) == 1, name
        sizes[matching[0]] += parameter.numel()
    assert sizes[:2] == [3_540_480, 1_578_240], "the paper's residual blocks and transformer block"


def test_random_ranks_have_the_size_of_the_papers() -> None:
    from e2gan.models.layout import GeneratorConfig, adapter_parameters

    for seed in range(3):
        ranks = ablations.random_ranks(GeneratorConfig(), seed)
        assert adapter_parameters(GeneratorConfig(), ranks) == pytest.approx(100_000, rel=0.03)


def test_a_base_without_its_recipe(place: Path, tmp_path: Path) -> None:
    base: Base = concepts.tiny_base(tmp_path / "tiny")
    with pytest.raises(E2GANError, match="without its recipe"):
        make("tab4", place, base=str(base.path))


def test_a_lab_of_several_folders(place: Path, tmp_path: Path) -> None:
    """Photos of one name in two folders are two; the other side of an unpaired set may lie in one of them."""
    more = concepts.photos(tmp_path / "more", side=48, train=2)
    for name in ("a.jpg", "b.jpg"):
        (more / "real/test").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 40), "teal").save(more / "real/test" / name)
    both = (place / "photos", more)
    work = lab.Lab(both, tmp_path / "runs", replace(TINY, base_photos=8), find_base(place / "tiny"), [])
    copies = sorted(file.name for file in (work.photographs / "train").iterdir())
    assert copies == sorted([*(f"train{n}.jpg" for n in range(6)), "6-train0.jpg", "7-train1.jpg"])
    assert [picture.size for picture in work.real] == [(64, 64)] * 2
    assert lab.Lab(both, tmp_path, replace(TINY, base_photos=None), work.base, []).photographs == both


def test_too_few_test_photos(place: Path, tmp_path: Path) -> None:
    photos = concepts.photos(tmp_path / "photos", side=64, test=1)
    with pytest.raises(DataError, match="1 test photos, which is too few"):
        run(
            BY_ID["tab14"],
            photos,
            tmp_path,
            base=str(place / "tiny"),
            work=tmp_path,
            device="cpu",
            concepts=(str(place / "negative/e2gan_concept_negative/bundle"),),
        )


def test_the_command(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-reproduce")
    cli.add_command(commands.reproduce)
    options = {
        "--data": place / "photos",
        "--base": place / "tiny",
        "--concept": place / "negative/e2gan_concept_negative/bundle",
        "--work": place / "runs",
        "--output": place / "out",
        "--device": "cpu",
    }
    given = [str(word) for option in options.items() for word in option]
    done = CliRunner().invoke(cli, ["reproduce", "tab14", *given, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["id"] == "tab14"
    assert found["orderings"][0]["column"] == MEAN
    shown = CliRunner().invoke(cli, ["reproduce", "page", str(place / "out")], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "![Table 14" in shown.stdout
    assert "Table 3" in shown.stdout.partition("## Not run")[2]


def test_the_help_needs_no_torch() -> None:
    code = "import sys; import e2gan_reproduce.commands; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
