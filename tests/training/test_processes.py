"""Two processes train as one does, stop together, and resume.

Run as a program, under `accelerate launch`, this file is one of the processes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from e2gan.concept import Concept
from e2gan.data.pairs import Pair
from e2gan.errors import TrainingError
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import Ranks
from e2gan.models.lora import attach
from e2gan.progress import Progress
from e2gan.recipe import TrainingRecipe
from e2gan.training.adapters import WithAdapters
from e2gan.training.batches import ConceptPairs
from e2gan.training.concept import train_concept
from e2gan.training.trainer import Trainer
from tests import throwaway
from tests.training.concepts import CONFIG, photos, tiny_base

RECIPE = TrainingRecipe(steps=6, batch_size=4, crop=32, learning_rate=1e-3, l1=10.0, ema=0.5, warmup=0.2)
ROUNDING = 0.01
"""Sums over a batch of four are rounded otherwise than over two of two, and Adam makes much of small gradients; by how
much is the processor's affair."""

LAUNCH = ["--multi_gpu", "--num_machines=1", "--main_process_port=0", "--mixed_precision=no", "--dynamo_backend=no"]
"""Without --multi_gpu accelerate starts one process, whatever --num_processes says."""


def launch(processes: int, *words: str | Path, folder: Path) -> None:
    """Run a program in several processes, in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH, f"--num_processes={processes}", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "E2GAN_LOAD_PLUGINS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout


def make_pairs(folder: Path) -> None:
    """Twelve pairs whose edit is the negative."""
    rng = np.random.default_rng(0)
    for n in range(12):
        photo = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
        photo.save(folder / f"{n}.png")
        Image.fromarray(255 - np.asarray(photo)).save(folder / f"{n}_edit.png")


def trainer(folder: Path, name: str, recipe: TrainingRecipe = RECIPE, **options: Any) -> Trainer:
    """A run in ``folder/name`` on the pairs in ``folder``: with "adapter" in its name of LoRA, with "several" of all
    weights and three concepts' adapters, else of all weights."""
    pairs = [Pair(folder / f"{n}.png", folder / f"{n}_edit.png") for n in range(12)]
    prompt = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    torch.manual_seed(0)
    base = Generator(CONFIG)
    base.initialize()
    generator: torch.nn.Module = attach(base, Ranks((1, 1, 1, 1), 1)) if "adapter" in name else base
    concepts = [ConceptPairs("negative", prompt, pairs[:9], pairs[9:])]
    if "several" in name:
        concepts = [ConceptPairs(f"negative-{n}", prompt, pairs[3 * n : 3 * n + 3], pairs[9:]) for n in range(3)]
        generator = WithAdapters(base, [concept.id for concept in concepts], Ranks())
        recipe = dataclasses.replace(recipe, adapter_learning_rate=1e-3)
    discriminator = Discriminator(width=8)
    discriminator.initialize()
    options = {"device": "cpu", "mixed_precision": "no", **options}
    return Trainer(generator, discriminator, concepts, recipe, folder / name, **options)


def weights(t: Trainer) -> dict[str, np.ndarray]:
    """What was trained, but for biases: one ahead of an instance norm learns from rounding errors alone."""
    both = {**t.generator_state(), **{f"d.{name}": value for name, value in t.discriminator_state().items()}}
    for concept in t.concepts if isinstance(t.networks.generator, WithAdapters) else ():
        both |= {f"{concept.id}.{name}": value for name, value in t.adapter_state(concept.id).items()}
    return {name: value for name, value in both.items() if value.ndim > 1}


CONCEPT = """
schema = 1
id = "negative"
title = "Negative"
version = "1.0.0"
prompt = "a negative"
license = "apache-2.0"
[base]
id = "tiny"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[recipe]
teacher = "invert"
training = { steps = 8, batch_size = 4, crop = 32, learning_rate = 5e-3, ema = 0.5 }
"""


def make_concept(folder: Path) -> None:
    """What a concept is made from: photos, a base, and the concept's description."""
    photos(folder / "photos", 64, val=3)
    tiny_base(folder / "base")
    (folder / "negative").mkdir()
    (folder / "negative" / "concept.toml").write_text(CONCEPT)


def train_a_concept(folder: Path, stages: list[str]) -> None:
    """Photos to adapter, with a teacher and a prompt encoder that are there for this alone."""

    class Encoder:
        def encode(self, prompt: str) -> np.ndarray:
            return np.ones((3, CONFIG.prompt_dim), np.float32)

    throwaway.offer(teachers={"invert": lambda: ImageOps.invert})
    with patch("e2gan.training.concept.PromptEncoder", Encoder):
        train_concept(
            folder / "negative",
            folder / "photos",
            work=folder / "work",
            base=folder / "base",
            workers=1,
            device="cpu",
            until="train",
            progress=Progress(stages.append),
        )


# What each of the processes does


def one_process(folder: Path) -> None:
    """Every run below, one after the other; what came of it is left in ``folder``."""
    found: dict[str, Any] = {}
    for name in ("base", "adapter", "several"):
        # The main process wants a checkpoint after every step, the other none.
        t = trainer(folder, name)
        t.checkpoint_every = 0.0 if t.accelerator.is_main_process else 1e9
        t.run()
        found["processes"], me = t.accelerator.num_processes, t.accelerator.process_index
        np.savez(folder / f"{name}-{me}.npz", **weights(t))

    stopped = trainer(folder, "stopped-adapter")
    for _ in range(3):
        stopped.train_step()
        stopped.step += 1
    stopped.save_checkpoint()
    stopped.accelerator.wait_for_everyone()
    resumed = trainer(folder, "stopped-adapter")
    resumed.run()
    np.savez(folder / f"stopped-{me}.npz", **weights(resumed))

    diverged = trainer(folder, "diverged")
    if me == 1:
        batch = diverged.sampler.batch
        diverged.sampler.batch = lambda *place: dataclasses.replace(batch(*place), target=torch.tensor(float("nan")))
    found["diverged"] = error(diverged.run)
    # The other process looks where there is no checkpoint.
    found["apart"] = error(trainer(folder, "stopped-adapter" if me == 0 else "elsewhere-adapter").run)

    found["stages"] = []
    train_a_concept(folder, found["stages"])
    (folder / f"found-{me}.json").write_text(json.dumps(found))


def error(run: Callable[[], object]) -> str:
    try:
        run()
    except TrainingError as fault:
        return str(fault)
    return ""


# What is to come of it


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("both")
    make_pairs(folder)
    make_concept(folder)
    launch(2, __file__, folder, folder=folder)
    return folder


def apart(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> float:
    """The mean distance of two runs' weights."""
    return float(np.concatenate([np.abs(some[key] - others[key]).ravel() for key in others]).mean())


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("name", ["base", "adapter", "several"])
def test_two_processes_train_as_one_does(both: Path, tmp_path: Path, name: str) -> None:
    make_pairs(tmp_path)
    alone = trainer(tmp_path, name)
    alone.run()
    one, two = weights(alone), arrays(both / f"{name}-0.npz")
    assert one.keys() == two.keys()
    # They did train, and on the whole batch: each half of it alone would have led elsewhere.
    half = trainer(tmp_path, f"half-{name}", dataclasses.replace(RECIPE, batch_size=2))
    half.run()
    assert apart(two, one) < apart(weights(half), one) / 10


@pytest.mark.parametrize("name", ["base", "adapter", "several"])
def test_what_is_logged_is_the_mean_of_all_processes(both: Path, tmp_path: Path, name: str) -> None:
    make_pairs(tmp_path)
    trainer(tmp_path, name).run()
    one, two = (
        [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
        for folder in (tmp_path, both)
    )
    one, two = ([row for row in rows if "l1" in row] for rows in (one, two))
    assert [row["step"] for row in two] == [row["step"] for row in one] == list(range(1, 7))
    for a, b in zip(one, two):
        assert {k: v for k, v in b.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in a.items() if k != "seconds"}, abs=ROUNDING
        )


@pytest.mark.parametrize("name", ["base", "adapter", "several", "stopped"])
def test_all_processes_hold_the_same_weights(both: Path, name: str) -> None:
    first, second = (arrays(both / f"{name}-{me}.npz") for me in (0, 1))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_stopped_run_resumes_as_if_it_never_stopped(both: Path) -> None:
    whole, resumed = arrays(both / "adapter-0.npz"), arrays(both / "stopped-0.npz")
    assert all(np.array_equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize("me", [0, 1])
def test_all_processes_stop_together(both: Path, me: int) -> None:
    found = json.loads((both / f"found-{me}.json").read_text())
    assert found["processes"] == 2
    assert found["diverged"] == "the loss is not finite at step 1"
    assert found["apart"].endswith("not all processes find the same checkpoint here")


def test_a_concept_is_made_by_two_processes_as_by_one(
    both: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    make_concept(tmp_path)
    train_a_concept(tmp_path, [])
    one, two = (Concept.read(folder / "negative") for folder in (tmp_path, both))
    assert (one.training["processes"], two.training["processes"]) == (1, 2)
    assert one.training["pictures"] == two.training["pictures"]

    rows: list[list[dict[str, float]]] = []
    for folder in (tmp_path, both):
        (log,) = folder.glob("work/run-*/metrics.jsonl")
        rows.append([json.loads(line) for line in log.read_text().splitlines()])
    assert [row["step"] for row in rows[1]] == [row["step"] for row in rows[0]], "each line is written once"
    # In bfloat16 the sum of two halves is the whole to three digits.
    assert rows[1][-1]["val_l1"] == pytest.approx(rows[0][-1]["val_l1"], rel=0.01)
    assert rows[1][-1]["val_l1"] < 0.98 * rows[1][-1]["val_l1"] / rows[1][-1]["val_l1_ratio/negative"]

    stages = [json.loads((both / f"found-{me}.json").read_text())["stages"] for me in (0, 1)]
    assert "train on 6 pairs" in stages[0]
    assert stages[1] == [], "the second process says nothing"


def test_processes_that_would_not_share_the_work_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pairs(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="each would train on its own") as caught:
        trainer(tmp_path, "base", device=None)
    assert "--device cpu" in caught.value.hint


if __name__ == "__main__":
    one_process(Path(sys.argv[1]))
