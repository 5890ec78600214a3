"""mIoU: what is counted, how label maps are read, and a tiny network of transformers' own, built here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from e2gan.errors import E2GANError, ImageError
from e2gan.evaluation.miou import CLASSES, IGNORED, Segmenter, agreement, measure_miou, read_labels

ROAD, CAR, SKY = (CLASSES.index(name) for name in ("road", "car", "sky"))
COLOURS = {ROAD: (128, 64, 128), CAR: (0, 0, 142), SKY: (70, 130, 180), IGNORED: (0, 0, 0)}


def ids(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_the_score_is_worked_out_by_hand() -> None:
    wanted = ids([ROAD, ROAD, CAR, IGNORED])
    found = ids([ROAD, CAR, CAR, SKY])
    score = agreement([(found, wanted)])
    # Roads: one of two; cars: one of two; the sky is seen only where nothing counts.
    assert score.classes == {"road": 1 / 2, "car": 1 / 2}
    assert (score.miou, score.accuracy) == (1 / 2, 2 / 3)


def test_pictures_are_counted_together() -> None:
    pairs = [(ids([ROAD, ROAD, ROAD]), ids([ROAD, ROAD, CAR])), (ids([CAR]), ids([CAR]))]
    assert agreement(pairs).classes == {"road": 2 / 3, "car": 1 / 2}


maps = arrays.arrays(np.uint8, (4, 5), elements=st.sampled_from([*range(19), IGNORED]))


@given(wanted=maps, found=arrays.arrays(np.uint8, (4, 5), elements=st.integers(0, 18)))
def test_it_is_a_share_and_one_only_when_all_is_right(wanted: np.ndarray, found: np.ndarray) -> None:
    known = wanted != IGNORED
    if not known.any():
        with pytest.raises(E2GANError, match="no pixel"):
            agreement([(found, wanted)])
        return
    score = agreement([(found, wanted)])
    assert 0 <= score.miou <= 1
    assert (score.miou == 1) == bool((found == wanted)[known].all()) == (score.accuracy == 1)
    assert score.classes == agreement([(np.where(known, found, 0).astype(np.uint8), wanted)]).classes


def test_other_sizes_are_no_score() -> None:
    with pytest.raises(ValueError, match="label map"):
        agreement([(ids([0, 0]), ids([0, 0, 0]))])


def picture(labels: np.ndarray, side: int = 16) -> Image.Image:
    """A label map in Cityscapes' colours, each pixel a square."""
    large = labels.repeat(side, 0).repeat(side, 1)
    return Image.fromarray(np.array([COLOURS.get(i, (0, 0, 0)) for i in range(256)], np.uint8)[large])


LABELS = ids([ROAD, CAR], [SKY, IGNORED])


@pytest.mark.parametrize(("name", "mode"), [("a_color.png", "RGBA"), ("a_color.png", "RGB"), ("a.jpg", "RGB")])
def test_colours_are_classes(tmp_path: Path, name: str, mode: str) -> None:
    picture(LABELS).convert(mode).save(tmp_path / name)
    assert (read_labels(tmp_path / name)[8::16, 8::16] == LABELS).all()


def test_noise_does_not_change_the_class(tmp_path: Path) -> None:
    clean = np.asarray(picture(LABELS), np.int16)
    noisy = clean + np.random.default_rng(0).integers(-9, 10, clean.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    assert (read_labels(tmp_path / "a.png") == LABELS.repeat(16, 0).repeat(16, 1)).all()


def test_ids_are_classes(tmp_path: Path) -> None:
    Image.fromarray(ids([7, 26], [23, 4])).save(tmp_path / "a_gtFine_labelIds.png")
    Image.fromarray(ids([0, 13], [10, 255])).save(tmp_path / "a_gtFine_labelTrainIds.png")
    assert (read_labels(tmp_path / "a_gtFine_labelIds.png") == LABELS).all()
    assert (read_labels(tmp_path / "a_gtFine_labelTrainIds.png") == LABELS).all()


def test_every_class_has_its_own_id(tmp_path: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint8)[None]).save(tmp_path / "a_labelIds.png")
    (found,) = read_labels(tmp_path / "a_labelIds.png")
    # Cityscapes' list of labels: the ids that are evaluated, in order.
    evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert [id for id in range(256) if found[id] != IGNORED] == evaluated
    assert [found[id] for id in evaluated] == list(range(19))


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_label_map_or_one_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("labels") / "a.png"
    file.write_bytes(data)
    try:
        read_labels(file)
    except ImageError as error:
        assert str(file) in str(error)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random SegFormer that knows the 19 classes, in another order than theirs."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    from transformers.models.segformer.image_processing_pil_segformer import SegformerImageProcessorPil

    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        id2label=dict(enumerate(reversed(CLASSES))),
    )
    folder = tmp_path_factory.mktemp("segformer")
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))


def test_a_network_labels_a_photo(network: Path, photo: Image.Image) -> None:
    import torch
    from transformers import SegformerForSemanticSegmentation

    segment = Segmenter(network)
    found = segment(photo)
    assert (found.shape, found.dtype) == ((48, 64), np.uint8)
    assert segment(photo, (30, 20)).shape == (20, 30)
    # By hand, for one class: the network's scores, scaled, their best; and its order is the other way round.
    model = SegformerForSemanticSegmentation.from_pretrained(network).eval()
    with torch.inference_mode():
        scores = model(**segment._processor(images=photo, return_tensors="pt")).logits
        best = torch.nn.functional.interpolate(scores, (48, 64), mode="bilinear").argmax(1)[0].numpy()
    assert (found == 18 - best).all()


def test_photos_are_scored_by_their_label_maps(network: Path, photo: Image.Image, tmp_path: Path) -> None:
    segment = Segmenter(network)
    Image.fromarray(segment(photo, (32, 24))).save(tmp_path / "a_labelTrainIds.png")
    score = measure_miou([photo, photo], [tmp_path / "a_labelTrainIds.png"] * 2, segment)
    assert (score.miou, score.accuracy) == (1, 1)
    assert measure_miou([photo.rotate(180)], [tmp_path / "a_labelTrainIds.png"], segment).miou < 1


def test_a_network_of_other_classes_is_refused(network: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(network, tmp_path / "other")
    config = json.loads((network / "config.json").read_text())
    config["id2label"]["3"], config["label2id"] = "spaceship", {}
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    with pytest.raises(E2GANError, match="19 classes, not Cityscapes'") as caught:
        Segmenter(tmp_path / "other")
    assert "traffic light" in str(caught.value.hint)
    config["id2label"] = {str(n): f"LABEL_{n}" for n in range(19)}
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    assert Segmenter(tmp_path / "other")(Image.new("RGB", (32, 32))).max() < 19


@pytest.mark.parametrize("model", ["nowhere/at-all", "empty"])
def test_a_network_that_is_not_there_is_one_error(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(E2GANError, match=f"the segmentation network '{model}' cannot be loaded") as caught:
        Segmenter(model)
    assert caught.value.hint


def test_a_damaged_network_is_one_error(network: Path, tmp_path: Path) -> None:
    import shutil

    for name, data in (("config.json", b"{"), ("preprocessor_config.json", b"[]"), ("model.safetensors", b"\0" * 20)):
        shutil.copytree(network, tmp_path / name)
        (tmp_path / name / name).write_bytes(data)
        with pytest.raises(E2GANError, match="cannot be loaded"):
            Segmenter(tmp_path / name)


def test_a_network_without_its_last_layer_is_refused(network: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    shutil.copytree(network, tmp_path / "half")
    tensors = load_file(network / "model.safetensors")
    del tensors["decode_head.classifier.weight"]
    save_file(tensors, tmp_path / "half/model.safetensors", {"format": "pt"})
    with pytest.raises(E2GANError, match=r"no weights for decode_head\.classifier\.weight"):
        Segmenter(tmp_path / "half")
