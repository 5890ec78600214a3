"""Null-text inversion and prompt-to-prompt: the photo comes back, and the maps are the ones they should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers", reason="the diffusion teachers need diffusers: e2gan-teachers[diffusion]")

from e2gan.errors import TeacherError  # noqa: E402
from e2gan_teachers.diffusion.attention import PromptToPrompt, controlled  # noqa: E402
from e2gan_teachers.diffusion.inversion import (  # noqa: E402
    Schedule,
    denoise,
    invert,
    move,
    optimise,
    predictor,
)
from e2gan_teachers.diffusion.null_text import NullTextInversion  # noqa: E402
from e2gan_teachers.diffusion.words import token_map  # noqa: E402

SOURCE, TARGET = "a photo of a lake", "a painting of a dark lake"
GUIDANCE = 7.5


class Letters:
    """A tokenizer with a token a letter."""

    model_max_length = 24

    def __call__(self, text: str, add_special_tokens: bool) -> Any:
        assert not add_special_tokens
        return SimpleNamespace(input_ids=[ord(letter) for letter in text.lower()])


prompts = st.lists(st.sampled_from(["a", "cat", "dog", "lake", "of", "in"]), min_size=1, max_size=5).map(" ".join)


def edit(models: Path, photo: Image.Image, **options: Any) -> np.ndarray:
    given = {"prompt": TARGET, "source_prompt": SOURCE, "steps": 3, "size": 32, "inner_steps": 1}
    teacher = NullTextInversion(**(given | {"model": str(models / "stable-diffusion")} | options))
    return np.asarray(teacher(photo), float)


class Bench:
    """The tiny pipeline, two photos' latents and the prompts' embeddings."""

    def __init__(self, models: Path, photos: list[Image.Image], steps: int = 4) -> None:
        teacher = NullTextInversion(prompt=TARGET, model=str(models / "stable-diffusion"), size=32)
        teacher.load()
        self.unet = teacher._pipeline.unet
        self.tokenizer = teacher._pipeline.tokenizer
        self.predict = predictor(self.unet)
        self.schedule = Schedule.of(teacher._pipeline.scheduler, steps, torch.device("cpu"))
        self.latents = teacher._encode(photos)
        self.source, self.target, self.null = (teacher._embedding(text, len(photos)) for text in (SOURCE, TARGET, ""))
        self.path = invert(self.predict, self.latents, self.source, self.schedule)

    def nulls(self, **options: Any) -> list[torch.Tensor]:
        return optimise(
            self.predict, self.path, self.source, self.null, self.schedule, guidance=GUIDANCE, epsilon=0, **options
        )

    def reconstruct(self, nulls: list[torch.Tensor]) -> torch.Tensor:
        return denoise(self.predict, self.path[0], self.source, nulls, self.schedule, guidance=GUIDANCE)

    def errors(self, nulls: list[torch.Tensor]) -> torch.Tensor:
        """Mean square, a photo."""
        return (self.reconstruct(nulls) - self.latents).square().mean((1, 2, 3))


@pytest.fixture(scope="module")
def bench(models: Path, square_photos: list[Image.Image]) -> Bench:
    return Bench(models, square_photos[:2])


# Inversion


@given(level=st.floats(0.01, 0.999), to=st.floats(0.01, 0.999), seed=st.integers(0, 1000))
def test_a_step_can_be_taken_back(level: float, to: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    latents, noise = (torch.randn(1, 4, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    levels = torch.tensor([level, to], dtype=torch.float64)
    there = move(latents, noise, levels[0], levels[1])
    torch.testing.assert_close(move(there, noise, levels[1], levels[0]), latents)


def test_a_step_is_the_samplers(bench: Bench) -> None:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    schedule = Schedule.of(scheduler, 5, torch.device("cpu"))
    noise = torch.randn(bench.latents.shape, generator=torch.Generator().manual_seed(0))
    assert (schedule.levels.diff() > 0).all()
    for step, timestep in enumerate(schedule.timesteps):
        expected = scheduler.step(noise, timestep, bench.latents).prev_sample
        torch.testing.assert_close(
            move(bench.latents, noise, schedule.levels[step], schedule.levels[step + 1]), expected
        )


def test_the_path_goes_from_noise_to_the_photo(bench: Bench) -> None:
    assert len(bench.path) == len(bench.schedule.timesteps) + 1
    assert torch.equal(bench.path[-1], bench.latents)
    # Without guidance the noise leads back, but for the steps' length.
    back = denoise(bench.predict, bench.path[0], bench.source, [bench.null] * 4, bench.schedule, guidance=1.0)
    assert (back - bench.latents).square().mean() < 0.01 * bench.latents.square().mean()


def test_optimised_null_texts_give_the_photo_back_where_plain_inversion_does_not(bench: Bench) -> None:
    plain, few, many = (bench.errors(bench.nulls(inner_steps=steps)) for steps in (0, 3, 12))
    assert (few < 0.95 * plain).all()
    assert (many < 0.6 * plain).all()


def test_no_inner_steps_are_plain_inversion(bench: Bench) -> None:
    assert all(torch.equal(null, bench.null) for null in bench.nulls(inner_steps=0))


def test_photos_do_not_affect_each_other(bench: Bench, models: Path, square_photos: list[Image.Image]) -> None:
    # One of the two stops early: the other must go on, and the one must stay.
    options = {"guidance": GUIDANCE, "inner_steps": 6}
    between = float(first_errors(bench).mean())
    both = optimise(bench.predict, bench.path, bench.source, bench.null, bench.schedule, epsilon=between, **options)
    for k in range(2):
        alone = optimise(
            bench.predict,
            [latents[k : k + 1] for latents in bench.path],
            bench.source[:1],
            bench.null[:1],
            bench.schedule,
            epsilon=between,
            **options,
        )
        for one, other in zip(alone, both):
            torch.testing.assert_close(one[0], other[k], atol=2e-4, rtol=1e-3)


def first_errors(bench: Bench) -> torch.Tensor:
    """The errors of the first step before any optimisation, one a photo: not the same for both."""
    timestep, (level, to) = bench.schedule.timesteps[0], bench.schedule.levels[:2]
    with torch.no_grad():
        without, conditional = (bench.predict(bench.path[0], timestep, text) for text in (bench.null, bench.source))
    reached = move(bench.path[0], without + GUIDANCE * (conditional - without), level, to)
    errors = (reached - bench.path[1]).square().mean((1, 2, 3))
    assert errors[0] != errors[1]
    return errors


def test_it_stops_early_when_near_enough(bench: Bench) -> None:
    calls = []

    def count(*given: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return bench.predict(*given)

    given = (bench.path, bench.source, bench.null, bench.schedule)
    optimise(count, *given, guidance=GUIDANCE, inner_steps=8, epsilon=1.0)
    assert len(calls) == 4 * 3  # with the prompt, one inner step, and on
    calls.clear()
    optimise(count, *given, guidance=GUIDANCE, inner_steps=8, epsilon=0.0, learning_rate=0.0)
    assert len(calls) > 4 * 3


def test_nothing_of_the_network_is_trained(bench: Bench) -> None:
    bench.nulls(inner_steps=2)
    assert all(not weight.requires_grad and weight.grad is None for weight in bench.unet.parameters())


# Words


@given(prompt=prompts)
def test_a_prompt_maps_to_itself(prompt: str) -> None:
    found = token_map(Letters(), prompt, prompt, amplification=5.0)
    assert torch.equal(found.mapper, torch.eye(24))
    assert (found.covered == 1).all() and (found.weights == 1).all()


@given(source=prompts, target=prompts)
def test_what_is_covered_has_a_source_and_nothing_else_has(source: str, target: str) -> None:
    found = token_map(Letters(), source, target, amplification=2.0)
    assert torch.equal((found.mapper.sum(0) > 0).float(), found.covered)
    assert found.mapper.min() >= 0 and found.covered[0] == 1
    assert (found.covered[1 + len(target.replace(" ", "")) :] == 1).all()
    if len(source.split()) == len(target.split()):
        assert (found.covered == 1).all()


def test_a_longer_prompt_refines_the_source() -> None:
    found = token_map(Letters(), "a cat", "a red cat", amplification=5.0)
    #            start a  r  e  d  c  a  t  end
    assert found.covered[:9].tolist() == [1, 1, 0, 0, 0, 1, 1, 1, 1]
    assert found.weights[:9].tolist() == [1, 1, 5, 5, 5, 1, 1, 1, 1]
    assert [int(found.mapper[:, j].argmax()) for j in (0, 1, 5, 6, 7, 8)] == [0, 1, 2, 3, 4, 5]


def test_as_many_words_are_a_swap() -> None:
    found = token_map(Letters(), "my cat here", "my tiger here")
    #   start m y c a t h e r e end      start m y t i g e r h e r e end
    assert found.mapper[3:6, 3:8].unique().tolist() == pytest.approx([0.2])
    assert found.mapper[6:11, 8:13].equal(torch.eye(5))
    assert (found.covered == 1).all()


def test_chosen_words_are_amplified_whatever_their_case() -> None:
    found = token_map(Letters(), "a cat", "a Cat, red", amplify=["cat"], amplification=2.0)
    assert found.weights[:6].tolist() == [1, 1, 2, 2, 2, 2]
    assert found.weights[6:].unique().tolist() == [1]
    assert (token_map(Letters(), "a cat", "a red cat", amplify=[], amplification=2.0).weights == 1).all()


def test_a_prompt_too_long_is_one_error() -> None:
    with pytest.raises(TeacherError, match="25 tokens, at most 24 fit"):
        token_map(Letters(), "a cat", "x" * 23)


def test_the_map_is_clips_own_tokens(bench: Bench) -> None:
    """Word by word they are the tokens of the whole prompt."""
    from e2gan_teachers.diffusion.words import _words

    prompt = "A photo of 2 lakes, in the artist's (late) style!"
    whole = bench.tokenizer(prompt).input_ids
    assert [whole[k] for _, span in _words(bench.tokenizer, prompt) for k in span] == whole[1:-1]
    assert [token for ids, _ in _words(bench.tokenizer, prompt) for token in ids] == whole[1:-1]


# Attention


@dataclass
class Watched(PromptToPrompt):
    """Keeps the maps before and after."""

    def __post_init__(self) -> None:
        self.seen: list[tuple[bool, torch.Tensor, torch.Tensor]] = []

    def __call__(self, maps: torch.Tensor, cross: bool) -> torch.Tensor:
        after = super().__call__(maps, cross)
        self.seen.append((cross, maps, after))
        return after


def run(
    bench: Bench, tokens: Any, **options: Any
) -> tuple[list[tuple[bool, torch.Tensor, torch.Tensor]], torch.Tensor]:
    """One step of the network under a control: the maps, and the predictions of source and target."""
    control = Watched(tokens, **({"cross_steps": 1, "self_steps": 1, "self_pixels": 64} | options))
    texts = torch.cat([bench.null, bench.null, bench.source, bench.target])
    with torch.no_grad(), controlled(bench.unet, control):
        noise = bench.predict(torch.cat([bench.path[0]] * 4), bench.schedule.timesteps[0], texts)
    return control.seen, noise


def test_the_targets_self_attention_is_the_sources(bench: Bench) -> None:
    seen, _ = run(bench, token_map(bench.tokenizer, SOURCE, TARGET), self_pixels=10_000)
    maps = [(before, after) for cross, before, after in seen if not cross]
    assert maps
    for before, after in maps:
        assert torch.equal(after[3], before[2])
        assert torch.equal(after[:3], before[:3])
    assert any(not torch.allclose(before[3], before[2]) for before, _ in maps)


def test_the_targets_cross_attention_is_the_sources_word_by_word(bench: Bench) -> None:
    tokens = token_map(bench.tokenizer, SOURCE, TARGET)
    seen, _ = run(bench, tokens)
    maps = [(before, after) for cross, before, after in seen if cross]
    assert maps
    shared, own = tokens.covered == 1, tokens.covered == 0
    assert own.any()
    for before, after in maps:
        assert torch.equal(after[:3], before[:3])
        assert torch.equal(after[3][..., own], before[3][..., own])
        from_source = tokens.mapper.argmax(0)[shared]
        torch.testing.assert_close(after[3][..., shared], before[2][..., from_source])


def test_amplified_words_have_larger_maps(bench: Bench) -> None:
    seen, _ = run(bench, token_map(bench.tokenizer, SOURCE, TARGET, amplify=["lake"], amplification=5.0))
    plain, _ = run(bench, token_map(bench.tokenizer, SOURCE, TARGET))
    louder = token_map(bench.tokenizer, SOURCE, TARGET, amplify=["lake"], amplification=5.0).weights > 1
    # Of the first layer only: what follows it is another network's input.
    after, before = (next(after for cross, _, after in maps if cross)[3] for maps in (seen, plain))
    torch.testing.assert_close(after[..., louder], 5 * before[..., louder])
    torch.testing.assert_close(after[..., ~louder], before[..., ~louder])


def test_a_control_is_on_for_its_steps_and_sizes(bench: Bench) -> None:
    tokens = token_map(bench.tokenizer, SOURCE, TARGET)
    assert {cross for cross, *_ in run(bench, tokens, cross_steps=0, self_pixels=10_000)[0]} == {False}
    assert {cross for cross, *_ in run(bench, tokens, self_steps=0)[0]} == {True}
    assert {cross for cross, *_ in run(bench, tokens, cross_steps=0, self_pixels=0)[0]} == set()


def test_a_control_that_is_off_is_no_control(bench: Bench) -> None:
    before = bench.unet.attn_processors
    tokens = token_map(bench.tokenizer, SOURCE, TARGET)
    _, off = run(bench, tokens, cross_steps=0, self_steps=0)
    # The processor's own arithmetic, with maps that are left as they are.
    same = token_map(bench.tokenizer, SOURCE, SOURCE)
    source = torch.cat([bench.null, bench.null, bench.source, bench.source])
    with torch.no_grad():
        timestep = bench.schedule.timesteps[0]
        texts = torch.cat([bench.null, bench.null, bench.source, bench.target])
        plain = bench.predict(torch.cat([bench.path[0]] * 4), timestep, texts)
        plain_source = bench.predict(torch.cat([bench.path[0]] * 4), timestep, source)
        with controlled(bench.unet, PromptToPrompt(same, 1, 1, 10_000)):
            through = bench.predict(torch.cat([bench.path[0]] * 4), timestep, source)
    torch.testing.assert_close(off, plain)
    torch.testing.assert_close(through, plain_source, atol=1e-5, rtol=1e-4)
    assert bench.unet.attn_processors == before


# The teacher


def test_the_same_description_gives_the_photo_back(
    models: Path, square_photos: list[Image.Image], bench: Bench
) -> None:
    teacher = NullTextInversion(
        prompt=SOURCE,
        source_prompt=SOURCE,
        model=str(models / "stable-diffusion"),
        size=32,
        steps=4,
        inner_steps=6,
        epsilon=0.0,
    )
    edited = np.asarray(teacher(square_photos[0]), float)
    (reconstructed, _) = teacher._decode(bench.reconstruct(bench.nulls(inner_steps=6)))
    assert np.abs(edited - np.asarray(reconstructed, float)).max() <= 1


def test_every_option_matters(models: Path, square_photos: list[Image.Image]) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"prompt": SOURCE},
        {"source_prompt": "a lake"},
        {"amplification": 5.0},
        {"amplify": "lake"},
        {"cross_replace": 0.0},
        {"self_replace": 0.0},
        {"inner_steps": 0},
        {"learning_rate": 0.1},
    ]
    pictures = [edit(models, square_photos[0], **options) for options in changes]
    for k, one in enumerate(pictures):
        for other in pictures[:k]:
            assert np.abs(one - other).max() > 0


def test_a_model_that_does_not_predict_noise_is_one_error(
    models: Path, square_photos: list[Image.Image], tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(models / "stable-diffusion", tmp_path / "velocity")
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"epsilon"', '"v_prediction"'))
    with pytest.raises(TeacherError, match="velocity: null-text inversion needs a model that predicts the noise"):
        edit(tmp_path, square_photos[0], model=str(folder))
