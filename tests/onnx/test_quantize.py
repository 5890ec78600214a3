"""Eight bits: which layers, and from which photos."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import DataError
from e2gan_onnx.check import compare, run
from e2gan_onnx.photos import CALIBRATE, CHECK, calibration_photos, check_photos
from e2gan_onnx.quantize import quantized
from tests.onnx.conftest import inputs, pictures


@pytest.fixture(scope="module")
def small(models: dict[str, Path]) -> onnx.ModelProto:
    return quantized(onnx.load(models["paint"]), inputs(64, 64, 4))


def test_the_convolutions_but_the_first_and_the_last_are_in_eight_bits(small: onnx.ModelProto) -> None:
    made_by = {output: node for node in small.graph.node for output in node.output}
    convolutions = [node for node in small.graph.node if node.op_type == "Conv"]
    eight = [
        all(made_by[i].op_type == "DequantizeLinear" for i in node.input[:2] if i in made_by) for node in convolutions
    ]
    assert len(eight) > 5 and not eight[0] and not eight[-1]
    assert all(made_by[node.input[1]].op_type == "DequantizeLinear" for node in convolutions[1:-1])


def test_the_picture_is_nearly_the_same_at_other_sizes(
    small: onnx.ModelProto, concepts: dict[str, Concept], editor: Editor
) -> None:
    edit = run(small.SerializeToString())
    likeness = compare(edit, concepts["paint"], editor, [*pictures(64, 64, 2), *pictures(96, 40)])
    assert 20 < likeness.psnr < 60, "a tiny random network is coarse, but it is this one, and in eight bits"


def test_a_folder_is_spread_over_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2gan_onnx.photos.MOST", 3)
    for number in range(7):
        Image.new("RGB", (300, 200 + number), (10 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "8.txt").write_text("no photo")
    photos = list(calibration_photos(tmp_path))
    assert [photo.size for photo in photos] == [(256, 256)] * len(photos)
    assert [photo.getpixel((0, 0))[0] for photo in photos] == [0, 30, 60]


@settings(max_examples=20)
@given(st.binary(max_size=64))
def test_a_folder_without_photos_is_one_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("no-photos")
    (folder / "photo.jpg").write_bytes(data)
    with pytest.raises(DataError, match="no photos to calibrate with"):
        list(calibration_photos(folder))


def test_the_photos_that_come_along_are_real_and_of_several_sizes() -> None:
    assert len(list(calibration_photos(CALIBRATE))) == 8
    sizes = {photo.size for photo in check_photos()}
    assert len(sizes) > 1 and all(side % 16 == 0 for size in sizes for side in size)
    assert (CHECK.parent / "CREDITS.md").is_file()
