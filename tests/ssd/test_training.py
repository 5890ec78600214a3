"""Training: it learns, goes on where it was stopped, and says what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2gan.errors import DataError, E2GANError, E2GANWarning, TrainingError
from e2gan.files import sha256_file
from e2gan.progress import Progress
from e2gan.training.metrics import read_metrics
from e2gan_ssd import training
from e2gan_ssd.sampling import read_model
from e2gan_ssd.training import Settings, read_photos, train


class Killed(Exception):
    """In the place of a kill."""


def kill_after(steps: int) -> Progress:
    def advance(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == steps:
            raise Killed

    return Progress(advance=advance)


def test_the_best_generator_is_kept_with_its_record(photos: np.ndarray, short: Settings, tmp_path: Path) -> None:
    model = read_model(train(photos, short, tmp_path / "run"))
    rows = [row for row in read_metrics(tmp_path / "run/metrics.jsonl") if "val_generator" in row]
    assert [row["epoch"] for row in rows] == [1, 2]
    best = min(rows, key=lambda row: row["val_generator"])
    assert model.variant == "ssd"
    assert model.record["best_epoch"] == best["epoch"]
    assert model.record["val_generator"] == best["val_generator"]
    assert (model.record["photos"], model.record["steps"]) == (12, 4)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {
        "last.safetensors",
        "losses.png",
        "metrics.jsonl",
        "model.safetensors",
        "samples-last.png",
        "samples.png",
    }


def test_the_last_epochs_generator_is_kept_too(photos: np.ndarray, short: Settings, tmp_path: Path) -> None:
    train(photos, short, tmp_path / "two")
    train(photos, replace(short, epochs=1), tmp_path / "one")
    first, last = (read_model(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert (first.record["epoch"], last.record["epoch"]) == (1, 2)
    kept = read_model(tmp_path / "two")
    same = first if kept.record["epoch"] == 1 else last
    for name, tensor in kept.generator.state_dict().items():
        assert np.array_equal(tensor, same.generator.state_dict()[name]), name
    parts = zip(first.generator.parameters(), last.generator.parameters(), strict=True)
    assert not all(np.array_equal(a.detach(), b.detach()) for a, b in parts)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_stopped_run_ends_as_an_unbroken_one(photos: np.ndarray, short: Settings, tmp_path: Path, steps: int) -> None:
    train(photos, short, tmp_path / "whole")
    with pytest.raises(Killed):
        train(photos, short, tmp_path / "broken", progress=kill_after(steps), checkpoint_every=0)
    train(photos, short, tmp_path / "broken")
    whole, broken = (read_model(tmp_path / name) for name in ("whole", "broken"))
    for name, tensor in whole.generator.state_dict().items():
        assert np.array_equal(tensor, broken.generator.state_dict()[name]), name
    rows = [
        [{**row, "seconds": 0} for row in read_metrics(tmp_path / n / "metrics.jsonl")] for n in ("whole", "broken")
    ]
    assert rows[0] == rows[1]


def test_what_is_done_is_not_done_again(photos: np.ndarray, short: Settings, tmp_path: Path) -> None:
    path = train(photos, short, tmp_path)
    before = sha256_file(path)
    train(photos, short, tmp_path, progress=kill_after(1))
    assert sha256_file(path) == before
    with pytest.raises(Killed):
        train(photos, replace(short, seed=1), tmp_path, progress=kill_after(1))


def test_a_checkpoint_of_another_run_is_refused(photos: np.ndarray, short: Settings, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(photos, short, tmp_path, progress=kill_after(1), checkpoint_every=0)
        # The checkpoint is written after the step that is reported.
    with pytest.raises(Killed):
        train(photos, short, tmp_path, progress=kill_after(2), checkpoint_every=0)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: made with other settings or other photos"):
        train(photos[:10], short, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="cannot be read"):
        train(photos, short, tmp_path)


def test_a_share_is_part_of_the_larger_one(photos: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    class Looked(Exception):
        pass

    def look(photos: np.ndarray, *rest: object, **options: object) -> None:
        seen.append(photos)
        raise Looked

    monkeypatch.setattr(training, "Trainer", look)
    for share in (0.25, 0.5, 1.0):
        with pytest.raises(Looked):
            train(photos, Settings(share=share), tmp_path)
    sets = [{photo.tobytes() for photo in part} for part in seen]
    assert [len(part) for part in seen] == [3, 6, 12]
    assert sets[0] < sets[1] < sets[2]


class TestPhotos:
    def test_the_middle_square_is_read_small(self, tmp_path: Path) -> None:
        wide = np.zeros((100, 300, 3), np.uint8)
        wide[:, 100:200] = 200
        for name in ("a.png", "b.png"):
            Image.fromarray(wide).save(tmp_path / name)
        read = read_photos(tmp_path, Progress())
        assert read.shape == (2, 64, 64, 3)
        assert np.all(read[:, :, 2:-2] == 200)

    def test_of_splits_only_train_counts(self, folder: Path, photos: np.ndarray) -> None:
        for split, count in (("train", 7), ("test", 5)):
            (folder / split).mkdir()
            for photo in sorted(folder.glob("*.png"))[:count]:
                photo.rename(folder / split / photo.name)
        assert np.array_equal(read_photos(folder, Progress()), photos[:7])

    def test_several_folders_each_by_its_own_splits(self, folder: Path, photos: np.ndarray, tmp_path: Path) -> None:
        for split, count in (("train", 2), ("val", 1)):
            (tmp_path / "parted" / split).mkdir(parents=True)
            for photo in sorted(folder.glob("*.png"))[:count]:
                photo.rename(tmp_path / "parted" / split / photo.name)
        read = read_photos((tmp_path / "parted", folder), Progress())
        assert np.array_equal(read, np.concatenate([photos[:2], photos[3:]]))

    def test_a_damaged_photo_is_left_out_with_a_word(self, folder: Path) -> None:
        (folder / "03.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
        with pytest.warns(E2GANWarning, match=r"03\.png.*left out"):
            assert len(read_photos(folder, Progress())) == 11

    def test_one_photo_is_too_few(self, folder: Path) -> None:
        for photo in sorted(folder.glob("*.png"))[1:]:
            photo.unlink()
        with pytest.raises(DataError, match="at least two photos, but 1 can be read"):
            read_photos(folder, Progress())


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 1}, {"share": 0.0}, {"share": 1.5}, {"model": "stylegan"}]
)
def test_settings_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(E2GANError):
        Settings(**wrong)  # type: ignore[arg-type]
