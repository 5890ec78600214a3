"""The benchmarks of batches and of flicker, small."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("cv2")

from benchmarks import batch, flicker, large
from e2gan.editor import Editor
from tests.editor.tiny import write_tiny_base, write_tiny_concept


def test_flicker_is_that_of_the_photos_where_nothing_is_edited() -> None:
    for name, photos in flicker.clips(4, 96, 64).items():
        assert [photo.shape for photo in photos] == [(64, 96, 3)] * 4, name
        assert flicker.flicker(photos, photos) == pytest.approx(1)
        assert flicker.flicker(photos, [255 - photo for photo in photos]) == pytest.approx(1, rel=0.02)
        assert flicker.flicker(photos, [photo // 4 for photo in photos]) < 0.4
        noise = [
            np.random.default_rng(n).integers(0, 256, photo.shape, dtype=np.uint8) for n, photo in enumerate(photos)
        ]
        assert flicker.flicker(photos, noise) > 4


def test_flicker_is_measured(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "tiny")
    concept = write_tiny_concept(tmp_path / "dusk", base)
    sizes = {"frames": 3, "width": 64, "height": 48, "speed_frames": 2, "speed_height": 36}
    figures = flicker.measure(str(concept.path), base=str(base.path), **sizes)
    still, speed = figures.values()
    assert [figure.at_most for figure in still] == [None, 1.5] * 3
    assert all(figure.value > 0 for figure in (*still, *speed))


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4, to read a process's memory")
def test_a_batch_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_tiny_base(tmp_path / "bases" / "tiny")
    concept = write_tiny_concept(tmp_path / "dusk", base)
    program = f"import pathlib, e2gan.base; e2gan.base.BUNDLED = pathlib.Path({str(base.path.parent)!r}); "
    monkeypatch.setattr(batch, "PROGRAM", program + batch.PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(Path(batch.__file__).parents[1]))
    together, apart, ratio, *memory = batch.measure(3, 1, megapixels=0.01, concept=str(concept.path))
    assert ratio.value == pytest.approx(together.value / apart.value) and ratio.at_least == 3
    assert all(0.01 < figure.value < 10 for figure in memory)


def test_what_tiles_change_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = write_tiny_base(tmp_path / "tiny")
    monkeypatch.setattr(large, "Editor", lambda **wishes: Editor(base, **wishes))
    monkeypatch.setattr(large, "MAX_PIXELS", 64 * 64)
    monkeypatch.setattr(large, "CONCEPT", write_tiny_concept(tmp_path / "dusk", base))
    told = large._compared("float32", 0.02)
    assert told[large.ONE_PIECE][0] <= 1 and told[large.MOVED][0] <= 1
    assert told["precision"] == "float32"
