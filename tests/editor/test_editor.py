"""The editor: what goes in comes out edited, at its size; no concept leaves a trace."""

from __future__ import annotations

import json
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan import __version__, runtime
from e2gan import editor as module
from e2gan.base import Base
from e2gan.blend import ConceptBlend, Part
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import BaseModelError, ConceptError, E2GANError, ImageError
from e2gan.images import read_provenance, save_image
from e2gan.models.deltas import delta_weights
from e2gan.models.layout import Keeps
from e2gan.models.lora import CrucialWeights
from tests.editor.tiny import photo, write_tiny_base, write_tiny_concept


def weights(editor: Editor) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in editor._runtime.edits.network.generator.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def by_hand(base: Base, concepts: list[tuple[Concept, float]], picture: np.ndarray) -> np.ndarray:
    """The edit without the editor: one fold, one forward; height and width must be multiples of the stride."""
    generator = base.generator()
    adapters = [(concept.load(base), weight) for concept, weight in concepts]
    parts = []
    for adapter, weight in adapters:
        tensors = {name: torch.from_numpy(value) for name, value in adapter.tensors.items()}
        parts.append((weight, delta_weights(base.config, tensors)))
    CrucialWeights(generator).fold(parts)
    prompt = torch.from_numpy(np.concatenate([adapter.prompt for adapter, _ in adapters]))[None]
    bias = torch.tensor([[np.log(weight) for adapter, weight in adapters for _ in adapter.prompt]]).float()
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode():
        y = generator(x, prompt, bias)
    return ((y[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def nearly(a: Any, b: Any) -> bool:
    """Within one step of 8 bits: sums may be rounded in another order."""
    return np.abs(np.asarray(a).astype(int) - np.asarray(b)).max() <= 1


# What comes out


def test_one_concept_is_the_generator_with_it_folded_in(editor: Editor, base: Base, dusk: Concept) -> None:
    picture = photo()
    edited = editor.apply(Image.fromarray(picture), dusk)
    assert edited.mode == "RGB" and edited.size == (48, 40)
    assert nearly(edited, by_hand(base, [(dusk, 1.0)], picture))
    assert not nearly(edited, picture)


def test_a_blend_adds_the_changes_and_weighs_the_prompts(
    editor: Editor, base: Base, dusk: Concept, dawn: Concept
) -> None:
    picture = photo()
    edited = editor.apply(Image.fromarray(picture), {dusk: 0.6, dawn: 0.4})
    assert nearly(edited, by_hand(base, [(dusk, 0.6), (dawn, 0.4)], picture))
    assert not nearly(edited, editor.apply(Image.fromarray(picture), {dusk: 0.6, dawn: 0.2}))


def test_weights_are_shares(editor: Editor, base: Base, dusk: Concept, dawn: Concept) -> None:
    picture = photo()
    assert nearly(editor.apply(Image.fromarray(picture), {dusk: 0.5}), by_hand(base, [(dusk, 1.0)], picture))
    thirds = editor.apply(Image.fromarray(picture), {dusk: 0.2, dawn: 0.1})
    assert nearly(thirds, by_hand(base, [(dusk, 2 / 3), (dawn, 1 / 3)], picture))


def test_a_concept_that_keeps_the_light_follows_the_photo(editor: Editor, base: Base, tmp_path: Path) -> None:
    light = Image.fromarray(photo())
    dark = light.point(lambda v: v // 2)
    brightness = {}
    for keeps in ("nothing", "light", "colour", "detail"):
        concept = write_tiny_concept(tmp_path / keeps, base, keeps=keeps)
        brightness[keeps] = [np.asarray(editor.apply(picture, concept)).mean() for picture in (light, dark)]
    assert abs(brightness["nothing"][0] - brightness["nothing"][1]) < 3
    for keeps in ("light", "colour", "detail"):
        assert brightness[keeps][0] - brightness[keeps][1] > 30


def test_what_is_kept_is_kept_in_the_concepts_tone(editor: Editor, base: Base, tmp_path: Path) -> None:
    picture = Image.fromarray(photo())
    tone = {"red": [0.2, 0.0, 0.0, 0.8], "blue": [0.0, 0.0, 0.2, -0.8]}
    plain = write_tiny_concept(tmp_path / "plain", base, keeps="colour")
    warm = write_tiny_concept(tmp_path / "warm", base, keeps="colour", tone=tone)
    own = write_tiny_concept(tmp_path / "own", base, tone=tone)
    means = {
        name: np.asarray(editor.apply(picture, blend)).mean((0, 1))
        for name, blend in {"plain": plain, "warm": warm, "both": {plain: 1, warm: 1}}.items()
    }
    assert means["warm"][0] > means["plain"][0] + 30 and means["warm"][2] < means["plain"][2] - 30
    assert means["plain"][0] < means["both"][0] < means["warm"][0]
    untoned = write_tiny_concept(tmp_path / "untoned", base)
    assert nearly(editor.apply(picture, own), editor.apply(picture, untoned)), "nothing is kept, so nothing is toned"


def test_strength_mixes_the_edit_with_the_photo(editor: Editor, dusk: Concept) -> None:
    picture = photo()
    none, half, whole = (
        np.asarray(editor.apply(Image.fromarray(picture), dusk, strength=strength)) for strength in (0, 0.5, 1)
    )
    assert np.array_equal(none, picture)
    assert nearly(half, (picture.astype(float) + whole) / 2)


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_transparency_is_kept_as_it_was(editor: Editor, dusk: Concept, strength: float) -> None:
    alpha = np.maximum(photo(seed=5)[..., 0], 1)
    edited = editor.apply(Image.fromarray(np.dstack([photo(), alpha])), dusk, strength)
    assert edited.mode == "RGBA"
    assert np.array_equal(np.asarray(edited)[..., 3], alpha)
    opaque = editor.apply(Image.fromarray(photo()), dusk, strength)
    assert np.array_equal(np.asarray(edited)[..., :3], opaque)


@settings(max_examples=40)
@given(
    st.integers(1, 70), st.integers(1, 70), st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "La"])
)
def test_every_size_and_mode_goes_in_and_comes_out_at_its_size(
    editor: Editor, dusk: Concept, width: int, height: int, mode: str
) -> None:
    edited = editor.apply(Image.new(mode, (width, height)), dusk)
    assert edited.size == (width, height)
    assert edited.mode == ("RGBA" if mode in ("LA", "RGBA", "La") else "RGB")


def test_a_padded_edit_begins_like_the_whole(editor: Editor, dusk: Concept) -> None:
    """Padding goes to the right and below by reflection: the picture that is reflected already gives the same."""
    picture = photo(45, 37)
    reflected = np.pad(picture, ((0, 3), (0, 3), (0, 0)), mode="reflect")
    edited = editor.apply(Image.fromarray(picture), dusk)
    assert np.array_equal(edited, np.asarray(editor.apply(Image.fromarray(reflected), dusk))[:37, :45])


@pytest.mark.parametrize("size", [None, 32])
def test_what_looks_alike_is_edited_alike(editor: Editor, dusk: Concept, size: int | None) -> None:
    """Under full transparency there may be any colours."""
    y, x = np.mgrid[:48, :48]
    clear = np.hypot(x - 24, y - 24) > 16
    edits = []
    for hidden in ((0, 0, 0), (255, 255, 255), (0, 255, 0)):
        pixels = np.dstack([photo(48, 48), np.where(clear, 0, 255).astype(np.uint8)])
        pixels[clear, :3] = hidden
        edits.append(np.asarray(editor.apply(Image.fromarray(pixels), dusk, size=size)))
    assert all(np.array_equal(edits[0], other) for other in edits[1:])


def test_orientation_is_applied(editor: Editor, dusk: Concept, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo()).save(tmp_path / "turned.png", exif=exif)
    edited = editor.apply(tmp_path / "turned.png", dusk)
    assert np.array_equal(edited, editor.apply(Image.fromarray(np.rot90(photo(), -1).copy()), dusk))


# Large photos


def test_large_photos_are_edited_small_and_brought_back_to_size(
    editor: Editor, dusk: Concept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 48 * 40)
    monkeypatch.setattr(module, "STROKES", {"medium": 48 * 40})
    shapes: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        editor, "_forward", lambda batch, blend: shapes.append(batch.shape) or np.zeros(batch.shape, np.float32)
    )
    edited = editor.apply(Image.fromarray(photo(480, 400)), dusk)
    assert edited.size == (480, 400)
    assert shapes == [(1, 40, 48, 3)]
    assert np.asarray(edited).max() == 0


@pytest.mark.parametrize(
    ("size", "longest", "worked_at"),
    [
        ((1024, 1024), None, (1024, 1024)),
        ((4000, 3000), None, (1182, 887)),
        ((3000, 4000), None, (887, 1182)),
        ((4000, 3000), 512, (512, 384)),
        ((4000, 3000), 3000, (1182, 887)),
        ((640, 480), 3000, (640, 480)),
        ((1, 1), None, (1, 1)),
        ((1, 1_000_000), None, (1, 32_768)),
        ((100_000, 1000), None, (10_240, 102)),
    ],
)
def test_working_size(size: tuple[int, int], longest: int | None, worked_at: tuple[int, int]) -> None:
    assert module._working_size(*size, module.MAX_PIXELS, longest) == worked_at


@pytest.mark.parametrize(
    ("size", "stroke", "longest", "worked_at"),
    [
        ((4000, 3000), "fine", None, (4000, 3000)),
        ((4000, 3000), "fine", 2000, (2000, 1500)),
        ((1, 1_000_000), "fine", None, (1, 32_768)),
        ((4000, 3000), "broad", None, (591, 443)),
        ((300, 200), "broad", None, (300, 200)),
    ],
)
def test_working_size_by_stroke(
    size: tuple[int, int], stroke: str, longest: int | None, worked_at: tuple[int, int]
) -> None:
    assert module._working_size(*size, module.STROKES[stroke], longest) == worked_at


@pytest.fixture
def tiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos of more than 64×64 pixels are edited in tiles."""
    monkeypatch.setattr(module, "MAX_PIXELS", 64 * 64)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_tiles_in_half_precision_are_near_those_in_float32(
    base: Base, editor: Editor, dusk: Concept, tiled: None, dtype: torch.dtype
) -> None:
    picture = Image.fromarray(photo(203, 150))
    edits = [each.apply(picture, dusk, stroke="fine") for each in (editor, Editor(base, "cpu", dtype))]
    exact, half = (np.asarray(edit).astype(int) for edit in edits)
    assert np.abs(half - exact).mean() <= 2


@pytest.mark.parametrize("strength", [1.0, 0.3])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_photo_in_tiles_is_edited_as_in_one_piece(
    editor: Editor, dusk: Concept, monkeypatch: pytest.MonkeyPatch, strength: float, mode: str
) -> None:
    picture = Image.fromarray(photo(203, 150)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    expected = editor.apply(picture, dusk, strength)
    monkeypatch.setattr(module, "MAX_PIXELS", 64 * 64)
    edited = editor.apply(picture, dusk, strength, stroke="fine")
    assert (edited.mode, edited.size, edited.info) == (expected.mode, expected.size, expected.info)
    difference = np.abs(np.asarray(edited).astype(int) - np.asarray(expected))
    assert difference.max() <= 1


@pytest.mark.parametrize("keeps", ["light", "colour"])
def test_tiles_keep_what_the_whole_photo_has(
    editor: Editor, dusk: Concept, monkeypatch: pytest.MonkeyPatch, keeps: str
) -> None:
    concept = replace(dusk, keeps=Keeps(keeps), tone=((0.8, 0.1, 0, 0.1), (0, 0.7, 0.1, 0), (0.1, 0, 0.9, -0.1)))
    picture = Image.fromarray(photo(160, 96))
    expected = editor.apply(picture, concept)
    monkeypatch.setattr(module, "MAX_PIXELS", 64 * 64)
    edited = editor.apply(picture, concept, stroke="fine")
    assert np.abs(np.asarray(edited).astype(int) - np.asarray(expected)).max() <= 1


def test_a_size_between_is_brought_back_with_the_photo_as_guide(editor: Editor, dusk: Concept, tiled: None) -> None:
    picture = Image.fromarray(photo(203, 150))
    edited = editor.apply(picture, dusk, size=120)
    assert edited.size == picture.size
    assert not nearly(edited, editor.apply(picture, dusk, stroke="fine"))


def test_detail_is_not_kept_in_tiles(editor: Editor, dusk: Concept, tiled: None) -> None:
    picture, detail = Image.fromarray(photo(203, 150)), replace(dusk, keeps=Keeps.DETAIL)
    assert nearly(editor.apply(picture, detail, stroke="fine"), editor.apply(picture, detail))


def test_strokes_have_names(editor: Editor, dusk: Concept) -> None:
    with pytest.raises(ValueError, match="stroke must be one of fine, medium, broad, not 'thin'"):
        editor.apply(Image.fromarray(photo(40, 40)), dusk, stroke="thin")


def test_size_makes_the_edit_smaller_but_not_the_result(editor: Editor, dusk: Concept) -> None:
    picture = Image.fromarray(photo(96, 80))
    edited = editor.apply(picture, dusk, size=48)
    assert edited.size == (96, 80)
    assert not nearly(edited, editor.apply(picture, dusk))
    assert nearly(editor.apply(picture, dusk, size=5000), editor.apply(picture, dusk))


# Batches


def test_a_batch_is_each_photo_by_itself(editor: Editor, dusk: Concept, dawn: Concept) -> None:
    photos = [Image.fromarray(photo(*size, seed=i)) for i, size in enumerate([(48, 40), (33, 47), (48, 40), (48, 40)])]
    concepts = [dusk, dawn, dawn, dusk]
    batch = editor.apply_batch(photos, concepts, 0.9)
    assert len(batch) == 4
    for edited, picture, concept in zip(batch, photos, concepts):
        assert nearly(edited, editor.apply(picture, concept, 0.9))
        assert json.loads(edited.info["e2gan"])["concepts"][0]["id"] == concept.id


def test_one_blend_for_a_whole_batch(editor: Editor, dusk: Concept, dawn: Concept) -> None:
    photos = [Image.fromarray(photo(seed=i)) for i in range(2)]
    batch = editor.apply_batch(photos, {dusk: 1, dawn: 1})
    assert all(nearly(edited, editor.apply(each, {dusk: 1, dawn: 1})) for edited, each in zip(batch, photos))
    assert editor.apply_batch([], dusk) == []


def test_a_batch_goes_through_the_generator_a_megapixel_at_once(
    editor: Editor, dusk: Concept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 2 * 48 * 40)
    forward, sizes = editor._forward, []
    monkeypatch.setattr(editor, "_forward", lambda batch, blend: sizes.append(len(batch)) or forward(batch, blend))
    editor.apply_batch([Image.fromarray(photo(seed=i)) for i in range(5)], dusk)
    assert sizes == [2, 2, 1]


def test_a_batch_wants_one_concept_or_one_for_each(editor: Editor, dusk: Concept) -> None:
    with pytest.raises(ValueError, match="2 concepts for 1 photos"):
        editor.apply_batch([Image.fromarray(photo())], [dusk, dusk])


# No trace


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_base_to_a_to_b_to_base_is_bit_exact(base: Base, dusk: Concept, dawn: Concept, dtype: torch.dtype) -> None:
    editor = Editor(base, device="cpu", dtype=dtype)
    pristine = weights(editor)
    picture = Image.fromarray(photo())
    first = editor.apply(picture, dusk)
    assert not equal(weights(editor), pristine)
    editor.apply(picture, {dusk: 0.5, dawn: 1})
    editor.apply(picture, dawn)
    assert np.array_equal(first, editor.apply(picture, dusk))
    editor.use(None)
    assert equal(weights(editor), pristine)


def test_the_files_are_left_as_they_are(base: Base, dusk: Concept, editor: Editor) -> None:
    files = [*base.path.iterdir(), *dusk.path.iterdir()]
    before = {file: file.read_bytes() for file in files}
    editor.apply(Image.fromarray(photo()), dusk)
    assert {file: file.read_bytes() for file in [*base.path.iterdir(), *dusk.path.iterdir()]} == before


def test_a_fold_that_fails_is_made_good(
    base: Base, dusk: Concept, dawn: Concept, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = Editor(base, device="cpu", dtype=torch.float32)
    pristine, picture = weights(editor), Image.fromarray(photo())
    first = editor.apply(picture, dusk)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "add", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            editor.apply(picture, dawn)
    assert np.array_equal(first, editor.apply(picture, dusk))
    editor.use(None)
    assert equal(weights(editor), pristine)


def test_the_last_layer_keeps_full_precision(base: Base) -> None:
    editor = Editor(base, device="cpu", dtype=torch.bfloat16)
    types = {name: value.dtype for name, value in weights(editor).items()}
    assert types.pop("conv_out.weight") == types.pop("conv_out.bias") == torch.float32
    assert set(types.values()) == {torch.bfloat16}


def test_threads_take_turns(editor: Editor, dusk: Concept, dawn: Concept) -> None:
    picture = Image.fromarray(photo())
    expected = {id(concept): np.asarray(editor.apply(picture, concept)) for concept in (dusk, dawn)}
    wrong: list[Concept] = []

    def edit(concept: Concept) -> None:
        for _ in range(5):
            if not np.array_equal(editor.apply(picture, concept), expected[id(concept)]):
                wrong.append(concept)

    threads = [threading.Thread(target=edit, args=[concept]) for concept in (dusk, dawn) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Concepts ready at hand


def test_a_concept_is_loaded_once_and_again_when_its_files_change(base: Base, tmp_path: Path) -> None:
    editor = Editor(base, device="cpu", dtype=torch.float32)
    picture = Image.fromarray(photo())
    concept = write_tiny_concept(tmp_path / "noon", base, seed=3)
    loads = 0

    def load(concept: Concept, base: Base, real: Any = Concept.load) -> Any:
        nonlocal loads
        loads += 1
        return real(concept, base)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Concept, "load", load)
        before = editor.apply(picture, concept)
        assert np.array_equal(before, editor.apply(picture, str(concept.path)))
        assert loads == 1
        write_tiny_concept(tmp_path / "noon", base, seed=4)
        assert not nearly(before, editor.apply(picture, concept.path))
        assert loads == 2


def test_only_so_many_concepts_are_kept(
    base: Base, dusk: Concept, dawn: Concept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "LOADED", 1)
    editor = Editor(base, device="cpu", dtype=torch.float32)
    picture = Image.fromarray(photo())
    first = editor.apply(picture, {dusk: 1, dawn: 1})
    assert len(editor._runtime._loaded) == 1
    editor.apply(picture, dawn)
    assert np.array_equal(first, editor.apply(picture, {dusk: 1, dawn: 1}))


# Provenance


def test_the_result_says_how_it_was_made(
    editor: Editor, base: Base, dusk: Concept, dawn: Concept, tmp_path: Path
) -> None:
    edited = editor.apply(Image.fromarray(photo()), {dusk: 0.6, dawn: 0.4}, strength=0.5)
    save_image(edited, tmp_path / "out.jpg")
    assert read_provenance(tmp_path / "out.jpg") == {
        "program": "e2gan",
        "version": __version__,
        "concepts": [
            {"id": "dusk", "version": "1.2.0", "weight": 0.6},
            {"id": "dawn", "version": "1.2.0", "weight": 0.4},
        ],
        "base": {"id": "tiny", "sha256": base.sha256},
        "strength": 0.5,
    }


def test_the_cameras_exif_is_kept(editor: Editor, dusk: Concept) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Acme"
    picture = Image.fromarray(photo())
    picture.info["exif"] = exif.tobytes()
    assert editor.apply(picture, dusk).getexif()[0x010F] == "Acme"


# What cannot be


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range(editor: Editor, dusk: Concept, strength: float) -> None:
    with pytest.raises(ValueError, match="strength must be from 0 to 1"):
        editor.apply(Image.fromarray(photo()), dusk, strength)


def test_size_out_of_range(editor: Editor, dusk: Concept) -> None:
    with pytest.raises(ValueError, match="size must be at least 32"):
        editor.apply(Image.fromarray(photo()), dusk, size=31)


def test_an_unreadable_photo(editor: Editor, dusk: Concept, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"missing\.jpg: No such file"):
        editor.apply(tmp_path / "missing.jpg", dusk)


def test_an_untrained_concept(editor: Editor, base: Base, tmp_path: Path) -> None:
    concept = write_tiny_concept(tmp_path / "new", base, trained=False)
    with pytest.raises(ConceptError, match="the concept 'new' is not trained yet"):
        editor.apply(Image.fromarray(photo()), concept)


def test_a_concept_of_another_base(dusk: Concept, tmp_path: Path) -> None:
    other = write_tiny_base(tmp_path / "other")
    generator = other.path / "generator.safetensors"
    generator.write_bytes(generator.read_bytes()[:-2] + b"\0\0")
    import hashlib

    manifest = (other.path / "base.toml").read_text()
    digest = hashlib.sha256(generator.read_bytes()).hexdigest()
    (other.path / "base.toml").write_text(manifest.replace(other.sha256, digest))
    editor = Editor(other.path, device="cpu", dtype=torch.float32)
    with pytest.raises(ConceptError, match="made for the base 'tiny'"):
        editor.apply(Image.fromarray(photo()), dusk)


def test_an_edit_that_is_not_finite(editor: Editor, dusk: Concept) -> None:
    with pytest.raises(ConceptError, match="dusk: the edit is not finite in float32") as caught:
        editor.apply(Image.fromarray(photo()), ConceptBlend((Part(dusk, 1e38),)))
    assert caught.value.hint is not None
    assert editor.apply(Image.fromarray(photo()), dusk).size == (48, 40)


def test_an_unknown_base_or_device(base: Base) -> None:
    with pytest.raises(BaseModelError, match="no base 'nowhere'"):
        Editor("nowhere")
    for device in ("nonsense", "cuda:99", ""):
        with pytest.raises(E2GANError, match=f"no device '{device}' on this machine"):
            Editor(base, device=device)


def test_makes_no_noise(base: Base, dusk: Concept) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Editor(base, device="cpu").apply(Image.fromarray(photo()), dusk)
