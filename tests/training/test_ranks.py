"""The search of ranks: growth that loses nothing, Algorithm 1's rules, resuming, and the command."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from e2gan.cli import cli
from e2gan.errors import DataError, E2GANError, TrainingError
from e2gan.models.deltas import delta_weights
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import Ranks, adapter_parameters, crucial_layers
from e2gan.models.lora import adapter_state, attach
from e2gan.models.weights import load_weights
from e2gan.progress import Progress
from e2gan.training import loop
from e2gan.training import ranks as rank_search
from e2gan.training.ranks import RankSearch, Trial, draw_search, grow, search, search_ranks
from e2gan.training.trainer import Trainer
from tests.training import concepts
from tests.training.concepts import CONFIG

# Growing


def a_trained_adapter(ranks: Ranks) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state = adapter_state(attach(Generator(CONFIG), ranks))
    return {name: torch.randn_like(factor) for name, factor in state.items()}


def test_growing_adds_ranks_and_leaves_what_was_learned() -> None:
    before, after = Ranks((1, 2, 2, 3), 1), Ranks((1, 4, 4, 5), 2)
    small = a_trained_adapter(before)
    torch.manual_seed(2)
    model = attach(Generator(CONFIG), after)
    grow(model, small)
    large = adapter_state(model)

    old, new = delta_weights(CONFIG, small), delta_weights(CONFIG, large)
    for layer in crucial_layers(CONFIG):
        r = layer.rank(before)
        a, b = (large[f"base_model.model.{layer.name}.lora_{factor}.weight"] for factor in "AB")
        added = a[:, r:] if layer.kind == "conv_transpose" else a[r:]
        # Added columns of B that are zero add nothing, whatever the added rows of A are.
        assert not b[:, r:].any(), layer.name
        assert layer.rank(after) == r or added.any(), layer.name
        torch.testing.assert_close(new[layer.name], old[layer.name], rtol=0, atol=1e-5)
        if layer.rank(after) == r:
            assert torch.equal(new[layer.name], old[layer.name]), layer.name


def test_a_grown_adapter_edits_as_before_and_learns_with_its_new_ranks() -> None:
    before, after = Ranks((1, 2, 2, 2), 1), Ranks((1, 4, 4, 4), 1)
    photo, prompt = torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, 3, CONFIG.prompt_dim)
    torch.manual_seed(0)
    generator = Generator(CONFIG).state_dict()

    def model(ranks: Ranks, seed: int) -> torch.nn.Module:
        base = Generator(CONFIG)
        base.load_state_dict(generator)
        torch.manual_seed(seed)
        return attach(base, ranks)

    small, large = model(before, 1), model(after, 2)
    grow(small, a_trained_adapter(before))
    grow(large, adapter_state(small))
    bias = torch.zeros(2, 3)
    made = large(photo, prompt, bias)
    torch.testing.assert_close(made, small(photo, prompt, bias), rtol=0, atol=1e-4)
    made.square().mean().backward()
    gradients = {name: p.grad for name, p in large.named_parameters() if "down1.lora_B" in name}
    assert all(gradient[:, 2:].abs().sum() > 0 for gradient in gradients.values())
    assert len(gradients) == 1


# Algorithm 1

thresholds = st.builds(Ranks, st.tuples(*[st.integers(1, 40)] * 4), transformer=st.integers(1, 5))
distances = st.lists(st.integers(0, 5).map(float), min_size=7, max_size=7)
"""As long as the longest search, to rank 40, and with ties."""


def tried(fids: list[float], limit: Ranks) -> list[Trial]:
    def trial(number: int, ranks: Ranks) -> Trial:
        return Trial(number, ranks, adapter_parameters(CONFIG, ranks), fids[number], 0.1, 1.0)

    return list(search(trial, limit))


def flat(ranks: Ranks) -> tuple[int, ...]:
    return (*ranks.sampling, ranks.transformer)


@given(distances, thresholds)
def test_ranks_double_up_to_their_thresholds_while_fid_falls(fids: list[float], limit: Ranks) -> None:
    trials = tried(fids, limit)
    assert flat(trials[0].ranks) == (1, 1, 1, 1, 1)
    for before, after in pairwise(trials):
        assert flat(after.ranks) == tuple(min(2 * r, most) for r, most in zip(flat(before.ranks), flat(limit)))
        assert before.ranks != limit, "it goes on with all ranks at their thresholds"
    falls = [after.fid < before.fid for before, after in pairwise(trials)]
    assert all(falls[:-1]), "it goes on though FID no longer falls"
    assert trials[-1].ranks == limit or (falls and not falls[-1]), "it stops too soon"
    assert [trial.round for trial in trials] == list(range(len(trials)))


@given(st.lists(distances, min_size=1, max_size=4), thresholds)
def test_the_answer_is_the_largest_of_the_concepts_best(runs: list[list[float]], limit: Ranks) -> None:
    found = RankSearch({f"c{n}": tried(fids, limit) for n, fids in enumerate(runs)})
    best = [found.chosen(concept) for concept in found.trials]
    for chosen, trials in zip(best, found.trials.values()):
        assert chosen.fid == min(trial.fid for trial in trials)
        assert chosen.parameters == min(trial.parameters for trial in trials if trial.fid == chosen.fid)
    assert flat(found.ranks) == tuple(max(layer) for layer in zip(*(flat(trial.ranks) for trial in best)))
    assert all(rank <= most for rank, most in zip(flat(found.ranks), flat(limit)))


def test_the_thresholds_of_the_paper_are_reached_in_six_rounds() -> None:
    trials = tried([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], Ranks((1, 4, 16, 32), 1))
    assert [trial.ranks.sampling for trial in trials] == [
        (1, 1, 1, 1),
        (1, 2, 2, 2),
        (1, 4, 4, 4),
        (1, 4, 8, 8),
        (1, 4, 16, 16),
        (1, 4, 16, 32),
    ]


# What is kept of a trial

TRIAL = Trial(3, Ranks((1, 4, 8, 8), 1), 91_670, 12.5, 0.125, 3.0)


def test_a_trial_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "trial.json"
    file.write_text(json.dumps(TRIAL.to_dict()))
    assert Trial.read(file) == TRIAL


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*TRIAL.to_dict(), None]), json_values)
def test_what_is_no_trial_is_named(tmp_path_factory: pytest.TempPathFactory, key: str | None, value: Any) -> None:
    file = tmp_path_factory.mktemp("trial") / "trial.json"
    file.write_text(json.dumps({**TRIAL.to_dict(), key: value} if key else value))
    try:
        trial = Trial.read(file)
    except DataError as error:
        assert str(error) == f"{file}: not a valid trial"
        assert "delete" in str(error.hint)
    else:
        assert key is not None and trial.to_dict() == {**TRIAL.to_dict(), key: value}


@given(st.binary(max_size=40))
def test_bytes_that_are_no_trial_are_named(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("trial") / "trial.json"
    file.write_bytes(data)
    with pytest.raises(DataError, match="not a valid trial"):
        Trial.read(file)


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    limit = Ranks((1, 4, 16, 32), 1)
    draw_search(RankSearch({"a": tried([6, 5, 4, 3, 4, 4], limit), "b": tried([9, 9], limit)}), tmp_path / "r.png")
    with Image.open(tmp_path / "r.png") as plot:
        assert plot.size[0] > 400


# Searching


def load_small_discriminator(path: Path) -> Discriminator:
    discriminator = Discriminator(width=8)
    load_weights(discriminator, path)
    return discriminator


EDITS = {"negative": ImageOps.invert, "dim": lambda photo: photo.point(lambda v: v // 3)}

CONCEPT = """
schema = 1
id = "{name}"
title = "{name}"
version = "1.0.0"
prompt = "{name}"
license = "apache-2.0"
[base]
id = "{base}"
sha256 = "{zeros}"
[recipe]
teacher = "edit"
teacher_options = {{ name = "{name}" }}
training = {{ epochs = 50, batch_size = 4, crop = 32, learning_rate = 1e-3, warmup = 0.5 }}
"""


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    concepts.install(EDITS)
    monkeypatch.setattr("e2gan.training.concept.PromptEncoder", concepts.Encoder)
    monkeypatch.setattr(rank_search, "load_discriminator", load_small_discriminator)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    concepts.tiny_base(folder / "tiny", width=8)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return concepts.photos(tmp_path_factory.mktemp("photos"), 64, train=8, val=3)


@pytest.fixture
def folders(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr("e2gan.base.BUNDLED", bases)
    return [describe(tmp_path, name) for name in EDITS]


def describe(folder: Path, name: str, base: str = "tiny") -> Path:
    bundle = folder / name
    bundle.mkdir()
    (bundle / "concept.toml").write_text(CONCEPT.format(name=name, base=base, zeros="0" * 64))
    return bundle


Look = Callable[..., RankSearch]


@pytest.fixture
def look(folders: list[Path], photos: Path) -> Look:
    """Search for one concept, two steps a round, three rounds at most."""

    def look(work: Path, **options: Any) -> RankSearch:
        options = {"steps": 2, "thresholds": Ranks((1, 2, 4, 4), 1), "progress": Progress(), **options}
        return search_ranks(folders[:1], photos, work=work, embedder="tiny", workers=1, device="cpu", **options)

    return look


def trace(work: Path) -> list[dict[str, Any]]:
    """The trials, without how long they took."""
    rows = json.loads((work / "ranks.json").read_text())["trials"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture
def falling(monkeypatch: pytest.MonkeyPatch) -> None:
    """FID falls from round to round; L1 is measured."""
    score = rank_search._Trials._score

    def fall(trials: Any, trainer: Trainer) -> tuple[float, float]:
        return 10.0 - int(trainer.folder.name.removeprefix("round-")), score(trials, trainer)[1]

    monkeypatch.setattr(rank_search._Trials, "_score", fall)


class Stop(Exception):
    pass


def stopping(stage: str, done: int) -> Progress:
    """Raises at the step numbered ``done`` of the stage whose name ends so."""
    now = ""

    def begin(text: str) -> None:
        nonlocal now
        now = text

    def advance(step: int, total: int, metrics: dict[str, float]) -> None:
        if stage in now and step == done:
            raise Stop

    return Progress(begin, advance)


@pytest.mark.usefixtures("falling")
def test_a_stopped_search_goes_on_as_if_it_never_stopped(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_search, "Trainer", functools.partial(Trainer, checkpoint_every=0.0))
    monkeypatch.setattr(loop, "draw_metrics", lambda *files: None)  # after every step, it takes longer than the step
    whole = look(tmp_path / "whole")
    assert len(trace(tmp_path / "whole")) == 3
    parts = tmp_path / "parts"
    for stage, done in [
        ("ranks 1 1 1 1 1: train", 2),  # in the middle of the first trial
        ("ranks 1 2 2 2 1: train", 1),  # before a trial has a checkpoint of its own
        ("ranks 1 2 2 2 1: edit", 2),  # trained, but not scored
    ]:
        with pytest.raises(Stop):
            look(parts, progress=stopping(stage, done))
    assert look(parts).ranks == whole.ranks
    assert trace(parts) == trace(tmp_path / "whole")
    assert not list(parts.rglob("checkpoint.pt")), "what a finished search keeps is small"

    def run(trainer: Trainer) -> None:
        raise AssertionError("a finished trial is trained again")

    monkeypatch.setattr(Trainer, "run", run)
    look(parts)
    assert trace(parts) == trace(tmp_path / "whole")


@pytest.mark.usefixtures("falling")
def test_each_round_goes_on_from_what_the_last_one_learned(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[dict[str, torch.Tensor]] = []
    ends: list[dict[str, torch.Tensor]] = []
    discriminators: list[list[torch.Tensor]] = []
    run = Trainer.run

    def both(trainer: Trainer) -> Any:
        starts.append(delta_weights(CONFIG, adapter_state(trainer.generator)))
        discriminators.append([p.detach().clone() for p in trainer.discriminator.parameters()])
        result = run(trainer)
        ends.append(delta_weights(CONFIG, adapter_state(trainer.generator)))
        discriminators.append([p.detach().clone() for p in trainer.discriminator.parameters()])
        return result

    monkeypatch.setattr(Trainer, "run", both)
    look(tmp_path / "w", thresholds=Ranks((1, 2, 2, 2), 1))
    assert len(starts) == 2
    assert not any(delta.any() for delta in starts[0].values())
    assert all(delta.any() for delta in ends[0].values())
    for name, delta in starts[1].items():
        torch.testing.assert_close(delta, ends[0][name], rtol=0, atol=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(discriminators[1], discriminators[2]))


@pytest.mark.usefixtures("falling")
def test_trials_of_other_settings_are_not_taken_for_these(look: Look, tmp_path: Path) -> None:
    short = Ranks((1, 1, 1, 1), 1)
    look(tmp_path / "w", thresholds=short)
    first = trace(tmp_path / "w")
    look(tmp_path / "w", thresholds=short, steps=3)
    assert trace(tmp_path / "w") != first
    look(tmp_path / "w", thresholds=short)
    assert trace(tmp_path / "w") == first


@pytest.mark.usefixtures("falling")
def test_a_checkpoint_that_is_gone_is_named(look: Look, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        look(tmp_path / "w", progress=stopping("ranks 1 2 2 2 1: train", 1))
    (checkpoint,) = (tmp_path / "w").glob("negative/ranks-*/round-0/checkpoint.pt")
    checkpoint.unlink()
    with pytest.raises(TrainingError, match=r"round-0.checkpoint\.pt: the checkpoint is missing") as caught:
        look(tmp_path / "w")
    assert str(checkpoint.parents[1]) in str(caught.value.hint)


# The command


@pytest.fixture
def command(
    folders: list[Path], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def command(*words: str | Path) -> Result:
        data = [] if "--data" in words else ["--data", photos]
        options = [*data, "--embedder", "tiny", "--workers", "1", "--device", "cpu", "--steps", "2"]
        return CliRunner().invoke(cli, ["search-ranks", *map(str, (*options, *words))], prog_name="e2gan")

    return command


def test_the_command(command: Callable[..., Result]) -> None:
    words = ["negative", "dim", "--thresholds", "1", "2", "2", "2"]
    result = command(*words)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["concept", "ranks", "transformer", "parameters", "FID", "L1"]
    assert {line.split()[0] for line in lines[1:5]} == {"negative", "dim"}
    assert sum(line.endswith("best") for line in lines) == 2
    assert result.stderr.endswith("wrote runs/ranks.json and runs/ranks.png\n")
    kept = json.loads(Path("runs/ranks.json").read_text())
    assert lines[-3:] == ["[recipe.training]", f"ranks = {kept['ranks']}", "transformer_rank = 1"]
    first = kept["trials"][0]
    assert first["parameters"] == adapter_parameters(CONFIG, Ranks((1, 1, 1, 1), 1))
    assert first["fid"] > 0 and 0 < first["l1"] < 1 and first["seconds"] >= 0
    assert Path("runs/negative/pairs/train").is_dir(), "where training looks for them"

    again = command(*words, "--json")
    assert (again.exit_code, again.stderr) == (0, "")
    assert json.loads(again.stdout) == kept


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["negative", "negative"], "error: the concept 'negative' is given 2 times\n"),
        (["nowhere"], "error: nowhere: holds no concept.toml\n"),
        (["negative", "--embedder", "tine"], "error: no embedder 'tine'\nhint: did you mean 'tiny'?\n"),
        (
            ["negative", "other"],
            "error: a rank search needs concepts for one base: 'negative' is for 'tiny', 'other' is",
        ),
        (["sketch"], "error: sketch/concept.toml: it has skips, but the generator of the base 'tiny' has none\n"),
        (["negative", "--data", "few"], "error: few: a rank search needs at least two validation photographs"),
    ],
)
def test_a_search_that_cannot_be(command: Callable[..., Result], tmp_path: Path, words: list[str], error: str) -> None:
    describe(tmp_path, "other", base="elsewhere")
    sketch = describe(tmp_path, "sketch") / "concept.toml"
    sketch.write_text("skips = [1, 1, 1]\n" + sketch.read_text())
    concepts.photos(tmp_path / "few", 64, train=2)
    result = command(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert error in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("words", [["--thresholds", "1", "2", "0", "4"], ["--thresholds", "1", "2"], ["--every", "0"]])
def test_a_search_that_is_misuse(command: Callable[..., Result], words: list[str]) -> None:
    assert command("negative", *words).exit_code == 2


def test_a_search_in_several_processes_is_refused(look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_search, "all_processes", lambda device: types.SimpleNamespace(num_processes=2))
    with pytest.raises(E2GANError, match="runs in one process"):
        look(tmp_path / "w")
