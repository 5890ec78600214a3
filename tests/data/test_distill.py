"""Distillation: pairs from photos; interrupted, changed or damaged, what is on the disk is whole and right."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image, ImageOps

from e2gan.data import teachers as module
from e2gan.data.folders import METADATA
from e2gan.data.make_pairs import write_pairs
from e2gan.data.pairs import Pairs
from e2gan.errors import DataError, E2GANError, RecipeError, TeacherError
from e2gan.progress import Progress
from e2gan.recipe import Framing, Recipe, TeacherChoice
from tests import throwaway
from tests.dead import dead_name


class Posterize:
    """A teacher for the tests."""

    calls = 0

    def __init__(self, bits: int, mirror: bool = False) -> None:
        if not 1 <= bits <= 8:
            raise TeacherError("bits must be 1 to 8")
        self.bits, self.mirror = bits, mirror

    def __call__(self, photo: Image.Image) -> Image.Image:
        Posterize.calls += 1
        edited = ImageOps.posterize(photo, self.bits)
        return ImageOps.mirror(edited) if self.mirror else edited


class Broken:
    def __call__(self, photo: Image.Image) -> Image.Image:
        raise RuntimeError("no\nluck")


class Batched:
    """Edits several at a time, but not a batch with a white photo in it."""

    batch_size = 4
    batches: ClassVar[list[int]] = []
    in_process = True
    loaded = 0

    def load(self) -> None:
        Batched.loaded += 1

    def edit_batch(self, photos: list[Image.Image]) -> list[Image.Image]:
        Batched.batches.append(len(photos))
        if any(photo.getpixel((0, 0)) == (255, 255, 255) for photo in photos):
            raise RuntimeError("white")
        return [ImageOps.invert(photo) for photo in photos]

    def __call__(self, photo: Image.Image) -> Image.Image:
        return self.edit_batch([photo])[0]


class Weightless:
    def load(self) -> None:
        raise TeacherError("the model is not on this computer", hint="take a bundled one")

    def __call__(self, photo: Image.Image) -> Image.Image:
        return photo


class Shrinking:
    def __call__(self, photo: Image.Image) -> Image.Image:
        return photo.resize((8, 8))


FACTORIES = {
    "posterize": Posterize,
    "broken": Broken,
    "shrinking": Shrinking,
    "batched": Batched,
    "weightless": Weightless,
}


@pytest.fixture(autouse=True)
def teachers():
    throwaway.offer("e2gan-throwaway", teachers=FACTORIES)
    Posterize.calls = 0
    Batched.batches, Batched.loaded = [], 0


@pytest.fixture
def photos(tmp_path) -> Path:
    """Eight photos of many shapes in splits: 6, 1, 1."""
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (90, 64), (64, 80), (200, 100), (40, 33), (64, 64), (64, 64), (70, 70)]
    for n, size in enumerate(sizes):
        folder = tmp_path / "photos" / {6: "val", 7: "test"}.get(n, "train")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        pixels.save(folder / f"photo {n}.{'png' if n % 2 else 'jpg'}", quality=95)
    return tmp_path / "photos"


def make(
    photos: Path,
    out: Path,
    options: dict | None = None,
    teacher: str = "posterize",
    advance=None,
    size=64,
    quality=95,
    **more,
):
    teachers = (TeacherChoice(teacher, {"bits": 2} if options is None else options),)
    recipe = Recipe(teachers, pictures=Framing(size, quality=quality))
    progress = Progress(advance=lambda done, total, _: advance(done, total)) if advance else None
    return write_pairs(photos, out, recipe, progress=progress, **{"workers": 1, **more})


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_pairs_are_square_and_the_teachers(photos, tmp_path):
    report = make(photos, tmp_path / "pairs")
    assert dict(report.counts) == {"train": 6, "val": 1, "test": 1}
    assert (report.made, report.kept, dict(report.skipped)) == (8, 0, {})
    for pair in Pairs.open(tmp_path / "pairs").split("train"):
        photo, edited = Image.open(pair.input), Image.open(pair.output)
        assert photo.size == edited.size == (64, 64)
        wanted = np.asarray(ImageOps.posterize(photo.convert("RGB"), 2), float)
        # JPEG stands between: hard steps ring, on average a few levels of 255; edges of a step may flip.
        assert np.abs(np.asarray(edited, float) - wanted).mean() < 8


def test_a_photo_already_square_is_kept_byte_for_byte(photos, tmp_path):
    make(photos, tmp_path / "pairs")
    kept = next((tmp_path / "pairs/train/input").glob("photo_0-*.jpg"))
    assert kept.read_bytes() == (photos / "train/photo 0.jpg").read_bytes()


def test_a_turned_photo_is_put_upright(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    (tmp_path / "photos/train").mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "photos/train/turned.jpg", exif=exif)
    make(tmp_path / "photos", tmp_path / "pairs")
    (pair,) = Pairs.open(tmp_path / "pairs").split("train")
    with Image.open(pair.input) as upright:
        assert upright.getexif().get(0x0112, 1) == 1
        assert np.asarray(upright)[:, :24].mean() < 10


def test_the_layout_is_an_image_folder(photos, tmp_path):
    """What `datasets` needs: metadata beside the pictures, every `*_file_name` relative to it, plain columns."""
    make(photos, tmp_path / "pairs")
    for split, count in {"train": 6, "val": 1, "test": 1}.items():
        rows = [json.loads(line) for line in (tmp_path / "pairs" / split / METADATA).read_text().splitlines()]
        assert len(rows) == count
        for row in rows:
            assert (tmp_path / "pairs" / split / row["input_file_name"]).is_file()
            assert (tmp_path / "pairs" / split / row["output_file_name"]).is_file()
            assert (photos / row["source"]).is_file()
            assert all(isinstance(value, str) for value in row.values())
            assert json.loads(row["teacher_options"]) == {"bits": 2}


def test_again_makes_nothing(photos, tmp_path):
    make(photos, tmp_path / "pairs")
    before = files(tmp_path / "pairs")
    report = make(photos, tmp_path / "pairs")
    assert (report.made, report.kept, Posterize.calls) == (0, 8, 8)
    assert files(tmp_path / "pairs") == before


@pytest.mark.parametrize("change", [{"options": {"bits": 3}}, {"size": 32}, {"quality": 80}])
def test_changed_settings_make_all_again_and_leave_nothing_of_the_old(photos, tmp_path, change):
    make(photos, tmp_path / "pairs")
    report = make(photos, tmp_path / "pairs", **change)
    assert (report.made, report.kept) == (8, 0)
    make(photos, tmp_path / "fresh", **change)
    assert files(tmp_path / "pairs") == files(tmp_path / "fresh")


def test_a_changed_and_a_removed_photo(photos, tmp_path):
    make(photos, tmp_path / "pairs")
    Image.new("RGB", (64, 64), "red").save(photos / "train/photo 0.jpg")
    (photos / "test/photo 7.png").unlink()
    report = make(photos, tmp_path / "pairs")
    assert (report.made, report.kept, dict(report.counts)) == (1, 6, {"train": 6, "val": 1, "test": 0})
    make(photos, tmp_path / "fresh")
    assert files(tmp_path / "pairs") == files(tmp_path / "fresh")


def test_a_file_among_the_options_counts_by_what_it_holds(photos, tmp_path, monkeypatch):
    class Painted(Posterize):
        def __init__(self, painting: str) -> None:
            super().__init__(2)

    monkeypatch.setitem(FACTORIES, "painted", Painted)
    painting = tmp_path / "painting.bin"
    painting.write_bytes(b"one")
    options = {"painting": str(painting)}
    make(photos, tmp_path / "pairs", options, "painted")
    assert str(tmp_path) not in (tmp_path / "pairs/train" / METADATA).read_text()
    moved = painting.rename(tmp_path / "moved.bin")
    assert make(photos, tmp_path / "pairs", {"painting": str(moved)}, "painted").made == 0
    moved.write_bytes(b"two")
    assert make(photos, tmp_path / "pairs", {"painting": str(moved)}, "painted").made == 8


def test_interrupted_it_leaves_whole_files_and_goes_on(photos, tmp_path):
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(photos, tmp_path / "pairs", advance=interrupt)
    assert len(files(tmp_path / "pairs")) == 6
    report = make(photos, tmp_path / "pairs")
    assert (report.made, report.kept) == (5, 3)
    make(photos, tmp_path / "fresh")
    assert files(tmp_path / "pairs") == files(tmp_path / "fresh")


def test_interrupted_with_new_options_the_old_pairs_still_stand(photos, tmp_path):
    make(photos, tmp_path / "pairs")

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(photos, tmp_path / "pairs", {"bits": 3}, advance=interrupt)
    assert len(Pairs.open(tmp_path / "pairs").split("train")) == 6


def test_ctrl_c_in_a_terminal_stops_every_process_and_leaves_whole_pictures(tmp_path):
    """The signal reaches the whole group of processes, as from a terminal."""
    (tmp_path / "photos/train").mkdir(parents=True)
    for n in range(40):
        Image.new("RGB", (64, 64), (n, 0, 0)).save(tmp_path / f"photos/train/{n}.png")
    (tmp_path / "slow.py").write_text(
        "import signal, sys, time\n"
        "from e2gan.recipe import Recipe, TeacherChoice\n"
        "from e2gan.data import make_pairs\n"
        "from tests import throwaway\n"
        "class Slow:\n"
        "    made = 0\n"
        "    def __call__(self, photo):\n"
        "        self.made += 1\n"
        "        time.sleep(self.made > 2)\n"  # long before all are done, the signal comes
        "        return photo\n"
        "if __name__ == '__main__':\n"
        "    import slow\n"
        # As a terminal has it: a shell's background jobs, of which this test may be one, ignore the signal.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    throwaway.offer(teachers={'slow': slow.Slow})\n"
        "    make_pairs.write_pairs(sys.argv[1], sys.argv[2], Recipe((TeacherChoice('slow'),)), workers=2)\n"
    )
    root = Path(module.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}
    command = [sys.executable, "slow.py", str(tmp_path / "photos"), str(tmp_path / "pairs")]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "pairs").rglob("output/*-*.jpg")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    made = list((tmp_path / "pairs").rglob("*"))
    assert not [p for p in made if ".tmp" in p.name or p.name == METADATA]
    pictures = [p for p in made if p.is_file()]
    assert 0 < len(pictures) < 80
    for picture in pictures:
        Image.open(picture).load()


def test_processes_make_the_same_bytes_as_one(photos, tmp_path, monkeypatch):
    # A factory made of what another process can import, which this file is not: called, it gives the teacher.
    monkeypatch.setitem(FACTORIES, "poster", functools.partial(functools.partial, ImageOps.posterize, bits=2))
    seen: list[tuple[int, int]] = []
    report = make(photos, tmp_path / "two", {}, "poster", workers=2, advance=lambda *at: seen.append(at))
    make(photos, tmp_path / "one", {}, "poster", workers=1)
    assert report.made == 8
    assert seen == [(n, 8) for n in range(9)]
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_factory_that_cannot_travel_is_one_error(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(FACTORIES, "local", lambda: ImageOps.invert)
    with pytest.raises(TeacherError, match="another process"):
        make(photos, tmp_path / "pairs", {}, "local", workers=2)


def test_damaged_photos_are_skipped_and_reported(photos, tmp_path):
    (photos / "train/damaged.jpg").write_bytes(b"no picture")
    (photos / "train/empty.png").touch()
    whole = (photos / "train/photo 3.png").read_bytes()
    (photos / "train/cut.png").write_bytes(whole[: len(whole) // 2])
    report = make(photos, tmp_path / "pairs")
    assert report.made == 8
    assert set(report.skipped) == {"train/damaged.jpg", "train/empty.png", "train/cut.png"}
    assert all(reason and "\n" not in reason for reason in report.skipped.values())
    assert len(Pairs.open(tmp_path / "pairs").split("train")) == 6


def test_a_folder_of_damaged_photos_is_one_error(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"none of the 1 photos gave a pair; the first fault: a\.jpg: not a picture"):
        make(tmp_path / "photos", tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_photos_is_one_error(tmp_path, exists):
    if exists:
        (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="photos"):
        make(tmp_path / "photos", tmp_path / "pairs")


def test_pairs_do_not_go_among_the_photos(photos):
    with pytest.raises(DataError, match="inside"):
        make(photos, photos / "pairs")


@pytest.mark.parametrize(
    ("teacher", "fault"),
    [("broken", "the teacher failed .RuntimeError: no luck"), ("shrinking", "the teacher returned")],
)
def test_a_teacher_that_fails_on_every_photo_is_one_error(photos, tmp_path, teacher, fault):
    with pytest.raises(DataError, match=fault):
        make(photos, tmp_path / "pairs", {}, teacher)


def test_a_process_that_dies_is_one_error(photos, tmp_path, monkeypatch):
    # Here the teacher is made by a stand-in; in the worker, making it ends the process.
    for name in ("distill", "make_pairs"):
        monkeypatch.setattr(f"e2gan.data.{name}.make_teacher", lambda id, options: Broken())
    monkeypatch.setitem(FACTORIES, "dies", functools.partial(os._exit, 9))
    with pytest.raises(TeacherError, match="died"):
        make(photos, tmp_path / "pairs", {}, "dies", workers=2)


def test_options_are_checked_before_any_photo(photos, tmp_path):
    with pytest.raises(TeacherError, match="bits must be"):
        make(photos, tmp_path / "pairs", {"bits": 9})
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({}, "needs the option 'bits'", "bits: a whole number"),
        ({"bits": 1, "miror": True}, "no option 'miror'", "did you mean 'mirror'?"),
        ({"bits": 1, "zzz": 0}, "no option 'zzz'", "its options: bits, mirror"),
    ],
)
def test_misspelt_options_are_named(options, message, hint):
    with pytest.raises(TeacherError, match=message) as error:
        module.make_teacher("posterize", options)
    assert error.value.hint == hint


@pytest.mark.parametrize("settings", [{"size": 0}, {"size": 10_000}, {"quality": 0}, {"quality": 101}])
def test_settings_out_of_range(photos, tmp_path, settings):
    with pytest.raises(RecipeError, match="must be"):
        make(photos, tmp_path / "pairs", **settings)


def test_a_teacher_that_is_faster_in_batches_gets_them(photos, tmp_path):
    make(photos, tmp_path / "pairs", {}, "batched", workers=2)  # and in this process, as it asks
    assert sorted(Batched.batches) == [4, 4]
    assert Batched.loaded > 0
    for pair in Pairs.open(tmp_path / "pairs").split("train"):
        wanted = np.asarray(ImageOps.invert(Image.open(pair.input).convert("RGB")), float)
        assert np.abs(np.asarray(Image.open(pair.output), float) - wanted).mean() < 8


def test_one_photo_does_not_spoil_its_batch(photos, tmp_path):
    Image.new("RGB", (64, 64), "white").save(photos / "train/white.png")
    report = make(photos, tmp_path / "pairs", {}, "batched")
    assert dict(report.skipped) == {"train/white.png": "the teacher failed (RuntimeError: white)"}
    assert report.made == 8


@pytest.mark.parametrize("pictures", [lambda photos: photos[1:], lambda photos: [p.resize((8, 8)) for p in photos]])
def test_a_batch_that_is_not_what_was_asked_for_is_made_one_by_one(photos, tmp_path, monkeypatch, pictures):
    whole = Batched.edit_batch
    monkeypatch.setattr(
        Batched, "edit_batch", lambda self, some: whole(self, some) if len(some) == 1 else pictures(some)
    )
    assert make(photos, tmp_path / "pairs", {}, "batched").made == 8
    monkeypatch.undo()


def test_a_teacher_without_its_weights_is_one_error_at_once(photos, tmp_path):
    with pytest.raises(TeacherError, match="not on this computer") as error:
        make(photos, tmp_path / "pairs", {}, "weightless")
    assert error.value.hint == "take a bundled one"
    assert not (tmp_path / "pairs").exists()


def test_another_version_of_the_teacher_makes_its_pairs_again(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.0")
    make(photos, tmp_path / "pairs")
    assert make(photos, tmp_path / "pairs").made == 0
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.1")
    assert make(photos, tmp_path / "pairs").made == 8
    assert len(list((tmp_path / "pairs").rglob("output/*.jpg"))) == 8


def test_a_photo_that_changes_while_the_pairs_are_made_is_left_out(photos, tmp_path, monkeypatch):
    class Meddling(Posterize):
        def __call__(self, photo: Image.Image) -> Image.Image:
            if not Posterize.calls:
                (photos / "test/photo 7.png").write_bytes((photos / "val/photo 6.jpg").read_bytes())
            return super().__call__(photo)

    monkeypatch.setitem(FACTORIES, "meddling", Meddling)
    report = make(photos, tmp_path / "pairs", teacher="meddling")
    assert list(report.skipped) == ["test/photo 7.png"]
    assert "changed while the pairs were made" in report.skipped["test/photo 7.png"]
    assert make(photos, tmp_path / "pairs", teacher="meddling").made == 1


def test_what_happened_to_the_photos_is_said(photos, tmp_path):
    def said() -> list[str]:
        lines: list[str] = []
        recipe = Recipe((TeacherChoice("posterize", {"bits": 2}),))
        write_pairs(photos, tmp_path / "pairs", recipe, workers=1, progress=Progress(stage=lines.append))
        return lines

    (photos / "train/notes.txt").touch()
    left_out = "left out: 1 file, not a photo by its suffix: train/notes.txt"
    assert said() == [left_out, "distill with posterize (bits = 2)"]
    assert said() == [left_out]  # nothing is made
    (photos / "train/notes.txt").unlink()
    Image.new("RGB", (64, 64), "red").save(photos / "train/photo 0.jpg")
    (photos / "test/photo 7.png").unlink()
    assert said()[0] == "photos since these pairs were made: 1 changed, 1 gone"
    assert not said()


def test_what_a_killed_run_was_writing_is_removed(photos, tmp_path):
    left = tmp_path / "pairs/train/output" / dead_name(".jpg")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a pict")
    make(photos, tmp_path / "pairs")
    assert not left.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_one_error_and_the_rest_is_made_later(photos, tmp_path, monkeypatch, workers):
    # For other processes too, so by what the system itself allows: no file of more than so many bytes.
    resource = pytest.importorskip("resource")
    monkeypatch.setitem(FACTORIES, "poster", functools.partial(functools.partial, ImageOps.posterize, bits=2))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(E2GANError, match=r"cannot write .*pairs.*\.jpg: "):
            make(photos, tmp_path / "pairs", {}, "poster", workers=workers)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not files(tmp_path / "pairs")
    assert make(photos, tmp_path / "pairs", {}, "poster").made == 8


def test_a_single_photo_is_a_pair(photos, tmp_path):
    for photo in sorted((photos / "train").iterdir())[1:]:
        photo.unlink()
    (photos / "val/photo 6.jpg").unlink()
    (photos / "test/photo 7.png").unlink()
    assert dict(make(photos, tmp_path / "pairs").counts) == {"train": 1, "val": 0, "test": 0}
