"""The diffusion teachers: the paper's settings, options checked before any network, the same picture in every batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2gan.errors import TeacherError
from e2gan.installing import install_command
from e2gan.plugins import Registry
from e2gan_teachers.catalogue import TEACHERS as BUNDLED
from e2gan_teachers.diffusion import TEACHERS

PROMPT = "a painting of a forest"

# id → what it needs besides a prompt, each path a folder of the fixture `models`.
NEEDS: dict[str, dict[str, Any]] = {
    "sd-img2img": {"model": "stable-diffusion"},
    "instruct-pix2pix": {"model": "pix2pix"},
    "instruct-diffusion": {"model": "pix2pix"},
    "controlnet-normal": {"model": "stable-diffusion", "controlnet": "controlnet", "depth": "depth", "depth_size": 32},
    "null-text-inversion": {"model": "stable-diffusion", "inner_steps": 2},
}
SAMPLING = sorted(NEEDS.keys() - {"null-text-inversion"})

PAPER = {
    "sd-img2img": {"strength": 0.68, "guidance": 7.5, "steps": 50},
    "instruct-pix2pix": {"steps": 100, "guidance": 7.5, "image_guidance": 1.5},
    "null-text-inversion": {
        "steps": 50,
        "guidance": 7.5,
        "self_replace": 0.5,
        "cross_replace": 0.8,
        "amplification": 2.0,
    },
    "controlnet-normal": {"strength": 1.0, "background_threshold": 0.4, "steps": 20, "guidance": 9.0},
    "instruct-diffusion": {"steps": 100, "guidance": 5.0, "image_guidance": 1.25},
}
MODEL = {
    "sd-img2img": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "instruct-pix2pix": "timbrooks/instruct-pix2pix",
    "null-text-inversion": "CompVis/stable-diffusion-v1-4",
    "controlnet-normal": "stable-diffusion-v1-5/stable-diffusion-v1-5",
}

BAD = [
    ("sd-img2img", {"prompt": " "}, "needs the option 'prompt'"),
    ("sd-img2img", {"strenght": 0.5}, "strenght"),
    ("sd-img2img", {"strength": 1.1}, "'strength' must be a number from 0 to 1"),
    ("sd-img2img", {"strength": 0.1, "steps": 5}, "gives no step"),
    ("sd-img2img", {"steps": 0}, "'steps' must be a whole number"),
    ("sd-img2img", {"steps": 2.5}, "'steps' must be a whole number"),
    ("sd-img2img", {"guidance": 0.5}, "guidance"),
    ("sd-img2img", {"guidance": float("nan")}, "guidance"),
    ("sd-img2img", {"size": 100}, "multiple of 8"),
    ("sd-img2img", {"batch_size": 0}, "batch_size"),
    ("sd-img2img", {"device": "a GPU"}, "device"),
    ("sd-img2img", {"dtype": "float8"}, "'dtype' must be one of auto, float32"),
    ("sd-img2img", {"memory": "little"}, "'memory' must be one of none, slicing, offload"),
    ("sd-img2img", {"safety_checker": 0}, "true or false"),
    ("sd-img2img", {"seed": -1}, "seed"),
    ("sd-img2img", {"negative_prompt": 3}, "negative_prompt"),
    ("sd-img2img", {"model": "./no/such/folder"}, "'model' must be the id of a model"),
    ("sd-img2img", {"model": 7}, "'model' must be the id of a model"),
    ("sd-img2img", {"revision": ""}, "revision"),
    ("instruct-pix2pix", {"image_guidance": 0.9}, "image_guidance"),
    ("instruct-diffusion", {}, "needs the option 'model'"),
    ("instruct-diffusion", {"model": "a/b", "image_guidance": 0.4}, "image_guidance"),
    ("instruct-diffusion", {"model": "a/b", "config": "./nothing"}, "'config'"),
    ("controlnet-normal", {"background_threshold": 2}, "background_threshold"),
    ("controlnet-normal", {"strength": -0.1}, "strength"),
    ("controlnet-normal", {"depth": "no depth"}, "'depth'"),
    ("controlnet-normal", {"controlnet": "./control"}, "'controlnet'"),
    ("null-text-inversion", {"self_replace": 1.5}, "self_replace"),
    ("null-text-inversion", {"cross_replace": -1}, "cross_replace"),
    ("null-text-inversion", {"source_prompt": ""}, "source_prompt"),
    ("null-text-inversion", {"amplify": "winter"}, "the word 'winter' to amplify is not in the prompt"),
    ("null-text-inversion", {"amplification": 21}, "amplification"),
    ("null-text-inversion", {"inner_steps": -1}, "inner_steps"),
    ("null-text-inversion", {"epsilon": -1e-5}, "epsilon"),
    ("null-text-inversion", {"learning_rate": 2}, "learning_rate"),
    ("null-text-inversion", {"seed": 1}, "seed"),
]


def make(id: str, **options: Any) -> Any:
    return TEACHERS[id][0](**({"prompt": PROMPT} | options))


def tiny(models: Path, id: str, **options: Any) -> Any:
    """The teacher on the tiny pipelines: three steps at 32 px."""
    needs = {key: str(models / value) if isinstance(value, str) else value for key, value in NEEDS[id].items()}
    return make(id, **({"size": 32, "steps": 3} | needs | options))


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, float)


def differ(one: Image.Image, other: Image.Image) -> bool:
    return bool(np.abs(pixels(one) - pixels(other)).max() > 1)


# Options


@pytest.mark.parametrize("id", PAPER)
def test_the_defaults_are_the_papers(id: str) -> None:
    teacher = make(id, **({} if id in MODEL else {"model": "a/b"}))
    assert {name: getattr(teacher, name) for name in PAPER[id]} == PAPER[id]
    assert teacher.model == MODEL.get(id, "a/b")
    assert teacher.size == 512


def test_every_default_model_is_pinned_to_a_commit() -> None:
    from e2gan_teachers.diffusion.models import REVISIONS, revision_of

    pinned = {*MODEL.values(), make("controlnet-normal").controlnet, make("controlnet-normal").depth}
    pinned |= {make("instruct-diffusion", model="a/b").config}
    assert pinned == REVISIONS.keys()
    assert all(len(commit) == 40 and int(commit, 16) for commit in REVISIONS.values())
    name = "CompVis/stable-diffusion-v1-4"
    assert revision_of(name, None) == REVISIONS[name]
    assert revision_of(name, "main") == "main"
    assert revision_of("someone/else", None) is None


def test_all_are_registered_beside_the_bundled_ones() -> None:
    found = Registry.load()
    assert TEACHERS.keys() == NEEDS.keys()
    assert {*TEACHERS, *BUNDLED} <= set(found.all("teacher"))
    assert all(found.get("teacher", id).summary for id in TEACHERS)


def test_neither_finding_nor_making_one_imports_a_network_library() -> None:
    code = (
        "import sys; from e2gan.plugins import registry; registry().all('teacher')\n"
        "from e2gan_teachers.diffusion import TEACHERS\n"
        "for id, (factory, _) in TEACHERS.items(): factory(prompt='x', model='a/b')\n"
        "print([m for m in ('torch', 'diffusers', 'transformers', 'huggingface_hub') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(("id", "options", "message"), BAD)
def test_a_wrong_option_is_one_error_before_any_photo(id: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TeacherError, match=message) as error:
        make(id, **options)
    assert "\n" not in str(error.value)


# Pictures


@pytest.mark.parametrize("id", NEEDS)
def test_a_picture_depends_on_its_photo_alone(id: str, models: Path, square_photos: list[Image.Image]) -> None:
    import torch

    teacher = tiny(models, id, batch_size=2)
    assert teacher.in_process
    batch = teacher.edit_batch(square_photos)
    torch.manual_seed(1234)
    again = tiny(models, id)
    single = [again(photo) for photo in reversed(square_photos)][::-1]
    for photo, one, other in zip(square_photos, batch, single):
        assert (one.mode, one.size) == ("RGB", photo.size)
        # Sums of a batch may round otherwise in the last bit.
        assert np.abs(pixels(one) - pixels(other)).max() <= 1
        assert differ(one, photo)
    assert differ(batch[0], batch[1]) and differ(batch[1], batch[2])


@pytest.mark.parametrize("id", SAMPLING)
def test_another_seed_or_prompt_is_another_picture(id: str, models: Path, square_photos: list[Image.Image]) -> None:
    picture = tiny(models, id)(square_photos[0])
    assert differ(tiny(models, id, seed=1)(square_photos[0]), picture)
    assert differ(tiny(models, id, prompt="winter")(square_photos[0]), picture)


def test_photos_of_any_side_come_back_as_large(models: Path, square_photos: list[Image.Image]) -> None:
    teacher = tiny(models, "sd-img2img")
    sides = (24, 32, 64)
    photos = [photo.resize((side, side)) for photo, side in zip(square_photos, sides)]
    assert [picture.size for picture in teacher.edit_batch(photos)] == [(side, side) for side in sides]
    assert teacher(photos[0].convert("L")).mode == "RGB"
    assert teacher.edit_batch([]) == []


def test_a_photo_that_is_not_square_is_one_error(models: Path) -> None:
    with pytest.raises(TeacherError, match="square photos, not 64 × 32"):
        tiny(models, "sd-img2img")(Image.new("RGB", (64, 32)))


CALLS = [
    (
        "sd-img2img",
        "StableDiffusionImg2ImgPipeline",
        {"strength": 0.9, "guidance": 3.0},
        {"strength": 0.9, "guidance_scale": 3.0},
    ),
    (
        "instruct-pix2pix",
        "StableDiffusionInstructPix2PixPipeline",
        {"guidance": 3.0, "image_guidance": 2.0},
        {"guidance_scale": 3.0, "image_guidance_scale": 2.0},
    ),
    (
        "instruct-diffusion",
        "StableDiffusionInstructPix2PixPipeline",
        {"guidance": 3.0, "image_guidance": 2.0},
        {"guidance_scale": 5.0, "image_guidance_scale": 2.5},
    ),
    (
        "controlnet-normal",
        "StableDiffusionControlNetPipeline",
        {"guidance": 3.0, "strength": 0.5},
        {"guidance_scale": 3.0, "controlnet_conditioning_scale": 0.5, "width": 32, "height": 32},
    ),
]


@pytest.mark.parametrize(("id", "pipeline", "options", "expected"), CALLS, ids=[call[0] for call in CALLS])
def test_every_option_reaches_the_pipeline(
    id: str,
    pipeline: str,
    options: dict[str, Any],
    expected: dict[str, Any],
    models: Path,
    square_photos: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import diffusers

    teacher = tiny(models, id, steps=4, negative_prompt="blur", batch_size=2, **options)
    teacher.load()
    calls = []

    def record(self: Any, **given: Any) -> Any:
        calls.append(given)
        return SimpleNamespace(images=given["image"], nsfw_content_detected=None)

    monkeypatch.setattr(getattr(diffusers, pipeline), "__call__", record)
    teacher.edit_batch(square_photos)
    assert [len(call["image"]) for call in calls] == [2, 1]
    expected |= {"prompt": [PROMPT] * 2, "negative_prompt": ["blur"] * 2, "num_inference_steps": 4}
    given = calls[0]
    assert {name: given[name] for name in expected} == expected
    assert given.keys() - expected.keys() == {"image", "generator"}
    assert all(image.size == (32, 32) for image in given["image"])


def test_the_samplers_are_those_of_the_settings(models: Path) -> None:
    names = {}
    for id in NEEDS:
        teacher = tiny(models, id)
        teacher.load()
        names[id] = type(teacher._pipeline.scheduler).__name__
    assert names == {
        "sd-img2img": "PNDMScheduler",  # the model's own
        "instruct-pix2pix": "EulerAncestralDiscreteScheduler",  # the model's own
        "instruct-diffusion": "EulerAncestralDiscreteScheduler",
        "controlnet-normal": "DDIMScheduler",
        "null-text-inversion": "DDIMScheduler",
    }


@pytest.mark.parametrize("id", ["sd-img2img", "null-text-inversion"])
def test_saving_memory_does_not_change_the_picture(id: str, models: Path, square_photos: list[Image.Image]) -> None:
    plain, saving = (tiny(models, id, memory=memory)(square_photos[0]) for memory in ("none", "slicing"))
    assert np.abs(pixels(plain) - pixels(saving)).max() <= 1


def test_bfloat16_is_nearly_the_same(models: Path, square_photos: list[Image.Image]) -> None:
    exact, rough = (tiny(models, "sd-img2img", dtype=dtype)(square_photos[0]) for dtype in ("float32", "bfloat16"))
    assert 0 < np.abs(pixels(exact) - pixels(rough)).mean() < 4


def test_instruct_diffusions_guidance_is_the_authors(models: Path, square_photos: list[Image.Image]) -> None:
    import torch

    teacher = tiny(models, "instruct-diffusion", steps=1, negative_prompt="blur")
    teacher.load()
    pipeline, seen = teacher._pipeline, {}
    predict, step = pipeline.unet.forward, pipeline.scheduler.step

    def watch(sample: Any, timestep: Any, encoder_hidden_states: Any, **more: Any) -> Any:
        noise = predict(sample, timestep, encoder_hidden_states, **more)
        seen.update(photo=sample[:, 4:], text=encoder_hidden_states, noise=noise[0])
        return noise

    def follow(noise: Any, *rest: Any, **more: Any) -> Any:
        seen["guided"] = noise
        return step(noise, *rest, **more)

    pipeline.unet.forward, pipeline.scheduler.step = watch, follow
    teacher(square_photos[0])
    both, no_text, no_photo = seen["noise"].chunk(3)
    text, negative, text_again = seen["text"].chunk(3)
    photo, photo_again, none = seen["photo"].chunk(3)
    assert torch.equal(text, text_again) and not torch.equal(text, negative)
    assert torch.equal(photo, photo_again) and photo.any() and not none.any()
    expected = 0.5 * (no_text + no_photo) + 5.0 * (both - no_text) + 1.25 * (both - no_photo)
    torch.testing.assert_close(seen["guided"], expected)


# Faults


def test_a_folder_that_is_no_model_is_one_error_and_is_read_once(
    tmp_path: Path, square_photos: list[Image.Image], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = make("sd-img2img", model=str(tmp_path))
    for _ in range(2):
        with pytest.raises(TeacherError, match="not a model that this teacher can read") as error:
            teacher(square_photos[0])
        assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
        assert "save_pretrained" in str(error.value.hint)
        monkeypatch.setattr(type(teacher), "_read", lambda *_: pytest.fail("read a second time"))


def test_damaged_weights_are_one_error(models: Path, tmp_path: Path, square_photos: list[Image.Image]) -> None:
    import shutil

    folder = shutil.copytree(models / "stable-diffusion", tmp_path / "damaged")
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(TeacherError, match="damaged: not a model that this teacher can read") as error:
        make("sd-img2img", model=str(folder))(square_photos[0])
    assert "\n" not in str(error.value)


def test_a_wrong_part_is_named(models: Path, tmp_path: Path, square_photos: list[Image.Image]) -> None:
    for part in ("controlnet", "depth"):
        with pytest.raises(TeacherError, match=f"{tmp_path}: not a model"):
            tiny(models, "controlnet-normal", **{part: str(tmp_path)})(square_photos[0])


@pytest.mark.parametrize("id", NEEDS)
def test_offline_without_weights_the_error_names_the_teachers_that_need_none(
    id: str, models: Path, square_photos: list[Image.Image], capfd: pytest.CaptureFixture[str]
) -> None:
    # The tests' Hub is offline: tests/conftest.py.
    teacher = make(id, **({} if id in MODEL else {"model": "someone/instruct-diffusion"}))
    capfd.readouterr()
    with pytest.raises(TeacherError, match="is not on this computer and could not be downloaded") as error:
        teacher(square_photos[0])
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    assert all(bundled in str(error.value.hint) for bundled in BUNDLED)
    assert not any(diffusion in str(error.value.hint) for diffusion in TEACHERS)
    assert capfd.readouterr() == ("", "")


def test_a_model_that_the_hub_does_not_have_is_one_error(
    models: Path, square_photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers
    from huggingface_hub.errors import RepositoryNotFoundError

    answer: Any = SimpleNamespace(headers={}, request=None, status_code=404)

    def unknown(*_: Any, **__: Any) -> Any:
        try:
            raise RepositoryNotFoundError("404.\n\nRepository Not Found", response=answer)
        except RepositoryNotFoundError as fault:
            raise OSError("no\nsuch") from fault

    monkeypatch.setattr(diffusers.StableDiffusionImg2ImgPipeline, "from_pretrained", unknown)
    with pytest.raises(TeacherError, match="the Hugging Face Hub has no model 'some/model'") as error:
        make("sd-img2img", model="some/model")(square_photos[0])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("package", ["diffusers", "transformers", "torch"])
def test_a_missing_package_is_one_error(
    package: str, square_photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"{package}.utils", raising=False)  # would be found without its parent
    with pytest.raises(TeacherError, match=f"needs the package '{package}'") as error:
        make("sd-img2img")(square_photos[0])
    assert install_command("e2gan-teachers[diffusion]") in str(error.value.hint)
    assert "grade" in str(error.value.hint)


def test_what_the_machine_cannot_do_is_one_error(models: Path, square_photos: list[Image.Image]) -> None:
    for options, message in (
        ({"device": "cpu", "memory": "offload"}, "this machine has no GPU"),
        ({"device": "cpu", "dtype": "float16"}, "needs a GPU"),
        ({"device": "warp"}, "the device 'warp' does not exist"),
    ):
        with pytest.raises(TeacherError, match=message):
            tiny(models, "sd-img2img", **options)(square_photos[0])


def test_too_little_memory_is_one_error(
    models: Path, square_photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    teacher = tiny(models, "sd-img2img")
    teacher.load()

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(teacher._pipeline), "__call__", full)
    with pytest.raises(TeacherError, match="memory of the device is too small") as error:
        teacher(square_photos[0])
    assert "offload" in str(error.value.hint)


@pytest.mark.parametrize("id", ["sd-img2img", "null-text-inversion"])
def test_a_picture_that_the_safety_checker_refuses_is_no_picture(
    id: str, models: Path, square_photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = tiny(models, id)
    teacher.load()
    monkeypatch.setattr(type(teacher._pipeline), "run_safety_checker", lambda self, image, *_: (image, [True]))
    with pytest.raises(TeacherError, match="safety checker refused"):
        teacher(square_photos[0])


def test_the_safety_checker_can_be_left_out(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers

    given: dict[str, Any] = {}
    read = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained

    def record(*arguments: Any, **options: Any) -> Any:
        given.update(options)
        return read(*arguments, **options)

    monkeypatch.setattr(diffusers.StableDiffusionImg2ImgPipeline, "from_pretrained", record)
    tiny(models, "sd-img2img", safety_checker=False).load()
    assert given["safety_checker"] is None and given["requires_safety_checker"] is False
    given.clear()
    tiny(models, "sd-img2img").load()
    assert "safety_checker" not in given
