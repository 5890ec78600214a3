"""The training loop: it learns, it resumes as if never stopped, and it says what is wrong."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from e2gan.data.pairs import Pair
from e2gan.errors import DataError, TrainingError
from e2gan.models.discriminator import Discriminator
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Ranks
from e2gan.models.lora import adapter_state, attach
from e2gan.models.norms import Watched
from e2gan.recipe import TrainingRecipe
from e2gan.training.batches import ConceptPairs, Sampler
from e2gan.training.trainer import Trainer

CONFIG = GeneratorConfig(prompt_dim=8, width=8, heads=2)
RECIPE = TrainingRecipe(steps=6, batch_size=2, crop=32, learning_rate=1e-3, l1=10.0, ema=0.5)


@pytest.fixture(scope="module")
def concept(tmp_path_factory) -> ConceptPairs:
    return negatives(tmp_path_factory.mktemp("pairs"), (64, 48))


@pytest.fixture(scope="module")
def squares(tmp_path_factory) -> ConceptPairs:
    return negatives(tmp_path_factory.mktemp("squares"), (64, 64))


def negatives(folder, size) -> ConceptPairs:
    """Twelve pairs whose edit is the negative."""
    rng = np.random.default_rng(0)
    pairs = []
    for n in range(12):
        photo = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        photo.save(folder / f"{n}.png")
        Image.fromarray(255 - np.asarray(photo)).save(folder / f"{n}_edit.png")
        pairs.append(Pair(folder / f"{n}.png", folder / f"{n}_edit.png"))
    return ConceptPairs("negative", rng.standard_normal((3, 8)).astype(np.float32), pairs[:9], pairs[9:])


def trainer(concept, folder, recipe=RECIPE, **options) -> Trainer:
    torch.manual_seed(0)
    generator = Generator(CONFIG)
    generator.initialize()
    discriminator = Discriminator(width=8)
    discriminator.initialize()
    options = {"device": "cpu", "mixed_precision": "no", **options}
    return Trainer(generator, discriminator, [concept], recipe, folder, **options)


def run_and_stop(concept, folder, recipe) -> None:
    """Train until something raises in step 4; a checkpoint at every step, so that the last one is of step 3."""

    class Stop(Exception):
        pass

    def stop(step, steps, metrics):
        if step == 4:
            raise Stop

    with pytest.raises(Stop):
        trainer(concept, folder, recipe, checkpoint_every=0.0, report=stop).run()


def weights(t: Trainer) -> dict[str, np.ndarray]:
    return {**t.generator_state(), **{f"d.{k}": v for k, v in t.discriminator_state().items()}}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_it_learns(concept, tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=60, l1=100.0, ema=0.9, learning_rate=2e-3)
    metrics = trainer(concept, tmp_path, recipe).run()
    assert metrics["val_l1_ratio/negative"] < 0.6
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["l1"] > 1.3 * [r for r in rows if "l1" in r][-1]["l1"]
    width, height = Image.open(tmp_path / "grid.png").size
    assert width > 3 * 64 and height > 3 * 48
    assert Image.open(tmp_path / "losses.png").size[0] > 300


@pytest.mark.parametrize("precisions", [("no", "bf16"), ("bf16", "no")])
def test_each_run_of_a_process_has_its_own_precision(concept, tmp_path, precisions):
    made = [trainer(concept, tmp_path / p, mixed_precision=p).accelerator.mixed_precision for p in precisions]
    assert tuple(made) == precisions


@pytest.mark.parametrize(
    "extras",
    [
        {},
        {"style": 1.0, "perceptual": 1.0, "diffaugment": True, "gan_loss": "vanilla"},
        {"warmup": 0.7},
        {"saturation": 1.0, "peaks": 1.0, "clip_gradient": 0.5},
        {"half_size": 0.7, "crop": 64, "style": 1.0, "perceptual_shrink": 2, "discriminator_every": 3},
    ],
)
def test_a_stopped_run_resumes_as_if_it_never_stopped(concept, squares, tmp_path, extras):
    recipe = dataclasses.replace(RECIPE, **extras)
    concept = squares if recipe.crop == 64 else concept
    whole = trainer(concept, tmp_path / "whole", recipe)
    whole.run()

    run_and_stop(concept, tmp_path / "halves", recipe)
    second = trainer(concept, tmp_path / "halves", recipe)
    second.run()
    assert same(weights(whole), weights(second))
    steps = [json.loads(line)["step"] for line in (tmp_path / "halves" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert set(steps) == set(range(1, 7))


def test_a_finished_run_run_again_changes_nothing(concept, tmp_path):
    first = trainer(concept, tmp_path)
    first.run()
    again = trainer(concept, tmp_path)
    again.run()
    assert same(weights(first), weights(again))


def test_the_warm_up_leaves_the_discriminator_alone(concept, tmp_path):
    t = trainer(concept, tmp_path, dataclasses.replace(RECIPE, warmup=0.5))
    untouched = {name: tensor.copy() for name, tensor in t.discriminator_state().items()}
    during = t.train_step().keys()
    assert same(t.discriminator_state(), untouched)
    t.step = 3
    after = t.train_step().keys()
    assert "gan" not in during and {"gan", "discriminator"} <= after
    assert not same(t.discriminator_state(), untouched)


def test_the_discriminator_is_updated_as_often_as_the_recipe_says(concept, tmp_path):
    t = trainer(concept, tmp_path, dataclasses.replace(RECIPE, discriminator_every=3))
    updated = {}
    for t.step in range(6):
        before = {name: tensor.copy() for name, tensor in t.discriminator_state().items()}
        metrics = t.train_step()
        updated[t.step] = not same(t.discriminator_state(), before)
        assert "gan" in metrics
        assert ("discriminator" in metrics) == updated[t.step]
    assert [step for step, was in updated.items() if was] == [0, 3]


def test_a_run_begins_with_pictures_at_half_size(squares):
    recipe = dataclasses.replace(RECIPE, steps=10, crop=64, half_size=0.3)
    sampler, usual = Sampler([squares], recipe), Sampler([squares], dataclasses.replace(recipe, half_size=0.0))
    assert [sampler.batch(step).photo.shape[-1] for step in (0, 2, 3, 9)] == [32, 32, 64, 64]
    assert torch.equal(sampler.batch(3).photo, usual.batch(3).photo)
    small, large = sampler.batch(1), usual.batch(1)
    for a, b in ((small.photo, large.photo), (small.target, large.target)):
        assert (a - torch.nn.functional.avg_pool2d(b, 2)).abs().mean() < 0.05, "the same pictures, not parts of them"


def test_deep_features_may_be_of_averaged_pictures(concept, tmp_path):
    losses = {}
    for shrink in (1, 2):
        recipe = dataclasses.replace(RECIPE, perceptual=1.0, style=1.0, perceptual_shrink=shrink)
        t = trainer(concept, tmp_path / str(shrink), recipe)
        seen = []
        t.objective.trunk.register_forward_pre_hook(lambda _, pictures: seen.append(pictures[0].shape[-1]))  # noqa: B023
        losses[shrink] = t.train_step()
        assert seen == [32 // shrink] * 2
    assert losses[1]["l1"] == losses[2]["l1"]
    assert losses[1]["style"] != losses[2]["style"]


@pytest.mark.parametrize("recovers", [True, False])
@pytest.mark.parametrize("adapter", [False, True])
def test_a_saturated_picture_recovers(concept, tmp_path, recovers, adapter):
    """All white, so far out that tanh passes no gradient: no other loss brings it back."""
    recipe = dataclasses.replace(RECIPE, steps=40, gan=0.0, ema=0.0, saturation=float(recovers), learning_rate=3e-3)
    torch.manual_seed(0)
    generator = Generator(CONFIG)
    generator.initialize()
    generator.conv_out.bias.data.fill_(12)
    if adapter:
        attach(generator, Ranks())
    seen = []
    options = {"device": "cpu", "mixed_precision": "no", "report": lambda step, steps, figures: seen.append(figures)}
    Trainer(generator, Discriminator(width=8), [concept], recipe, tmp_path, **options).run()
    first, last = seen[0], seen[-1]
    if recovers:
        assert first["saturation"] > 50 and last["saturation"] < 0.7 * first["saturation"]
    else:
        assert "saturation" not in first and last["l1"] > 0.95 * first["l1"]


@pytest.mark.parametrize("adapter", [False, True])
def test_activations_that_a_spot_dominates_are_penalised(concept, tmp_path, adapter):
    seen = {}
    for weight in (0.0, 1.0, 10.0):
        recipe = dataclasses.replace(RECIPE, gan=0.0, peaks=weight)
        torch.manual_seed(0)
        generator = Generator(CONFIG)
        generator.initialize()
        generator.res[0].conv1.register_forward_hook(spot)
        if adapter:
            attach(generator, Ranks())
        options = {"device": "cpu", "mixed_precision": "no"}
        figures = Trainer(
            generator, Discriminator(8), [concept], recipe, tmp_path / str(weight), **options
        ).train_step()
        assert isinstance(generator.norms, Watched) == ("peaks" in figures) == (weight > 0)
        seen[weight] = figures.get("peaks", 0)
    assert seen[1.0] == seen[10.0] > 0.01, "as it is plotted: without its weight"


def spot(layer, inputs, output):
    """A layer's output with one strong spot."""
    mark = torch.zeros_like(output)
    mark[..., 2, 3] = 10 * output.detach().std()
    return output + mark


def test_a_long_gradient_is_scaled_down(concept, tmp_path):
    """By itself, Adam takes steps of one length whatever the gradient's; so its first moment is looked at."""
    moments = {}
    for limit in (0.0, 0.01, 1e6):
        t = trainer(concept, tmp_path / str(limit), dataclasses.replace(RECIPE, clip_gradient=limit))
        figures = t.train_step()
        state = [t.optimizer_g.state[p]["exp_avg"] for p in t.ema.parameters]
        moments[limit] = float(torch.cat([moment.flatten() for moment in state]).norm()) / (1 - RECIPE.betas[0])
        assert ("gradient" in figures) == (limit > 0)
    assert figures["gradient"] > 0.1
    assert moments[0.01] == pytest.approx(0.01, rel=1e-3)
    assert moments[1e6] == pytest.approx(moments[0.0]) == pytest.approx(figures["gradient"], rel=1e-3)


def test_what_is_kept_of_the_light_makes_an_unedited_photo_easy(concept, tmp_path):
    """Photos of very different brightness, edited to themselves: only with the light kept can they be met."""
    pairs = []
    for n, pair in enumerate([*concept.train, *concept.val]):
        level = n % 4
        photo = Image.open(pair.input).point(lambda v: v // 4 + 60 * level)  # noqa: B023
        photo.save(tmp_path / f"{n}.png")
        pairs.append(Pair(tmp_path / f"{n}.png", tmp_path / f"{n}.png"))
    recipe = dataclasses.replace(RECIPE, steps=40, gan=0.0, ema=0.9, learning_rate=2e-3)
    errors = {}
    for keeps in ("nothing", "colour"):
        kept = dataclasses.replace(concept, train=pairs[:9], val=pairs[9:], keeps=keeps)
        errors[keeps] = trainer(kept, tmp_path / keeps, recipe).run()["val_l1/negative"]
    assert errors["colour"] < 0.5 * errors["nothing"]


def test_an_adapter_trains_and_the_base_stays(concept, tmp_path):
    torch.manual_seed(0)
    base = Generator(CONFIG)
    before = {k: v.clone() for k, v in base.state_dict().items()}
    model = attach(base, Ranks((1, 1, 1, 1), 1))
    t = Trainer(model, Discriminator(width=8), [concept], RECIPE, tmp_path, device="cpu", mixed_precision="no")
    t.run()
    after = {k.replace(".base_layer", ""): v for k, v in base.state_dict().items()}
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert any(v.abs().sum() > 0 for k, v in adapter_state(model).items() if "lora_B" in k)


def test_another_recipe_does_not_resume(concept, tmp_path):
    trainer(concept, tmp_path).run()
    with pytest.raises(TrainingError, match="another recipe") as caught:
        trainer(concept, tmp_path, dataclasses.replace(RECIPE, seed=1)).run()
    assert "delete" in caught.value.hint


def test_a_run_may_be_lengthened_before_its_rate_falls_and_not_after(concept, tmp_path):
    longer = dataclasses.replace(RECIPE, steps=12)
    straight = trainer(concept, tmp_path / "straight", longer)
    straight.run()

    run_and_stop(concept, tmp_path / "lengthened", RECIPE)
    lengthened = trainer(concept, tmp_path / "lengthened", longer)
    lengthened.run()
    assert same(weights(straight), weights(lengthened))
    with pytest.raises(TrainingError, match="another recipe"):
        trainer(concept, tmp_path / "lengthened", dataclasses.replace(RECIPE, steps=20)).run()


def test_other_pairs_do_not_resume(concept, tmp_path):
    trainer(concept, tmp_path).run()
    with pytest.raises(TrainingError, match="9 pairs, but there are now 8"):
        trainer(dataclasses.replace(concept, train=concept.train[:8]), tmp_path).run()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"not a checkpoint"])
def test_a_damaged_checkpoint_is_named(concept, tmp_path, damage):
    trainer(concept, tmp_path).run()
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: cannot be read"):
        trainer(concept, tmp_path).run()


def test_a_diverged_run_stops_and_keeps_no_checkpoint(concept, tmp_path):
    diverged = trainer(concept, tmp_path)
    with torch.no_grad():
        diverged.generator.conv_out.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="not finite at step 1"):
        diverged.run()
    assert not (tmp_path / "checkpoint.pt").exists()


def test_no_pairs_and_pairs_smaller_than_the_crop(concept, tmp_path):
    with pytest.raises(DataError, match="no training pairs"):
        trainer(dataclasses.replace(concept, train=[]), tmp_path)
    with pytest.raises(DataError, match="64×48, smaller than the crop of 64"):
        trainer(concept, tmp_path, dataclasses.replace(RECIPE, crop=64)).run()


def test_batches_depend_on_seed_and_step_alone_and_an_epoch_sees_every_pair_once(concept):
    recipe = dataclasses.replace(RECIPE, batch_size=3)
    a, b = Sampler([concept], recipe), Sampler([concept], recipe)
    late = a.batch(5)
    for step in range(5):
        b.batch(step)
    assert torch.equal(b.batch(5).photo, late.photo)
    assert not torch.equal(Sampler([concept], dataclasses.replace(recipe, seed=1)).batch(5).photo, late.photo)
    assert a.steps_per_epoch == 3
    seen = np.concatenate([a._permutation(0, 0), a._permutation(0, 1)])
    assert sorted(seen) == sorted(list(range(9)) * 2)


def test_processes_share_a_batch(concept):
    sampler = Sampler([concept], dataclasses.replace(RECIPE, batch_size=4))
    whole = sampler.batch(3)
    parts = [sampler.batch(3, process, 2) for process in range(2)]
    assert torch.equal(torch.stack([parts[0].photo, parts[1].photo], dim=1).flatten(0, 1), whole.photo)


def test_the_learning_rate_falls_to_zero_over_the_second_half(concept, tmp_path):
    t = trainer(concept, tmp_path, dataclasses.replace(RECIPE, steps=100))
    assert [t.rate(2.0, s) for s in (0, 50, 75)] == [2.0, 2.0, 1.0]
    assert 0 < t.rate(2.0, 99) <= 0.04


def test_crops_are_taken_at_random_scales(tmp_path):
    """A picture whose pixels say where they are tells which part a crop is of."""
    across, down = np.meshgrid(np.arange(160), np.arange(128))
    position = np.stack([across, down, np.zeros_like(across)], 2).astype(np.uint8)
    Image.fromarray(position).save(tmp_path / "photo.png")
    Image.fromarray(255 - position).save(tmp_path / "edit.png")
    pair = Pair(tmp_path / "photo.png", tmp_path / "edit.png")
    concept = ConceptPairs("any", np.zeros((1, 8), np.float32), [pair], [])

    def sides(scales):
        sampler = Sampler([concept], dataclasses.replace(RECIPE, batch_size=1, crop=32, scales=scales))
        for step in range(40):
            batch = sampler.batch(step)
            assert batch.photo.shape == batch.target.shape == (1, 3, 32, 32)
            assert torch.allclose(batch.photo[:, :2], -batch.target[:, :2], atol=0.05)  # cut alike
            yield (batch.photo[0, 1, -1, 0] - batch.photo[0, 1, 0, 0]).item() * 127.5 * 32 / 31

    assert all(side == pytest.approx(32, abs=1.5) for side in sides((1.0, 1.0)))
    assert all(side == pytest.approx(64, abs=3) for side in sides((0.5, 0.5)))
    assert all(side == pytest.approx(128, abs=6) for side in sides((0.05, 0.05)))  # whole: no smaller scale fits
    drawn = sorted(sides((0.25, 1.0)))
    assert 30 < drawn[0] < 45 and 90 < drawn[-1] < 132


def test_noise_is_where_the_concept_wants_it(concept):
    noisy = dataclasses.replace(concept, noise=0.1)
    one, other = (Sampler([noisy], RECIPE).batch(step) for step in (0, 1))
    assert one.look.noise.tolist() == pytest.approx([0.1, 0.1])
    assert one.offsets.shape == (2, 2) and not torch.equal(one.offsets, other.offsets)
    assert Sampler([concept], RECIPE).batch(0).look.noise is None


def test_a_batch_mixes_concepts_with_skips_and_without(concept):
    drawing = dataclasses.replace(concept, id="drawing", skips=(1.0, 0.5, 0.0))
    batch = Sampler([concept, drawing], dataclasses.replace(RECIPE, batch_size=18)).batch(0)
    rows = batch.look.skips.tolist()
    assert sorted(rows) == 9 * [[0, 0, 0]] + 9 * [[1, 0.5, 0]]


def test_precision_is_what_the_processor_computes_in(concept, tmp_path, monkeypatch):
    for able, expected in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr("e2gan.training.trainer.computes_bfloat16", lambda device, able=able: able)
        assert trainer(concept, tmp_path / str(able), mixed_precision=None).accelerator.mixed_precision == expected
