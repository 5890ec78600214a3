"""Importing: squares and pairs as they should look, once, whole, and again; what cannot be read is left out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2gan.data import import_dataset as module
from e2gan.data.dataset_layouts import LAYOUTS
from e2gan.data.folders import find_photos
from e2gan.data.import_dataset import import_dataset
from e2gan.data.pairs import CONTACT_SHEET, Pairs
from e2gan.errors import DataError, E2GANError
from e2gan.progress import Progress

RED, BLUE = (200, 20, 20), (20, 20, 200)


def save(file: Path, picture: Image.Image) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
    return file


def flat(colour: tuple[int, int, int], width: int = 64, height: int = 64) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def facades(folder: Path, count: int = 3) -> Path:
    """Photos on the left, red; labels on the right, blue; both of another shade in each."""
    for part in ("train", "val", "test"):
        for n in range(count):
            save(folder / part / f"{n}.png", side_by_side(flat((200, 20 + n, 20)), flat((20, 20 + n, 200))))
    return folder


def colour(file: Path) -> tuple[int, ...]:
    with Image.open(file) as picture:
        return tuple(int(value) for value in np.asarray(picture.convert("RGB")).mean(axis=(0, 1)))


def near(found: tuple[int, ...], wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 8 for a, b in zip(found, wanted))


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_photos_become_squares_that_distilling_finds(tmp_path: Path) -> None:
    for n in range(30):
        save(tmp_path / "set" / f"{n}.png", flat((8 * n, 20, 20), 90, 60))
    done = import_dataset("scenery", tmp_path / "set", tmp_path / "out", size=32)
    found = find_photos(tmp_path / "out")
    assert len(found) == done.made == 30
    assert done.counts == {split: sum(s == split for s, _ in found) for split in ("train", "val", "test")}
    with Image.open(found[0][1]) as picture:
        assert (picture.size, picture.format) == ((32, 32), "JPEG")


@pytest.mark.parametrize(("direction", "photo"), [(None, BLUE), ("BtoA", BLUE), ("AtoB", RED)])
def test_facades_go_from_labels_to_photos_unless_told(
    tmp_path: Path, direction: str, photo: tuple[int, int, int]
) -> None:
    done = import_dataset("facades", facades(tmp_path / "set"), tmp_path / "out", size=32, direction=direction)
    assert done.counts == {"train": 3, "val": 3, "test": 3}
    pairs = Pairs.open(tmp_path / "out")
    for pair in (pair for split in ("train", "val", "test") for pair in pairs.split(split)):
        assert near(colour(pair.input), photo)
        assert near(colour(pair.output), RED if photo == BLUE else BLUE)
    assert pairs.split("train")[0].source == "train/0.png"
    assert (tmp_path / "out" / CONTACT_SHEET).is_file()


def test_the_pairs_are_an_image_folder(tmp_path: Path) -> None:
    import_dataset("facades", facades(tmp_path / "set"), tmp_path / "out", size=32)
    for split in ("train", "val", "test"):
        rows = [json.loads(line) for line in (tmp_path / "out" / split / "metadata.jsonl").read_text().splitlines()]
        assert all(row.keys() == {"input_file_name", "output_file_name", "source"} for row in rows)
        assert all((tmp_path / "out" / split / row["input_file_name"]).is_file() for row in rows)


def test_street_labels_keep_their_colours(tmp_path: Path) -> None:
    frame, stripes = "train/ulm/ulm_000001_000019", np.zeros((64, 128, 3), np.uint8)
    stripes[:, ::2] = (128, 64, 128)
    stripes[:, 1::2] = (0, 0, 142)
    save(tmp_path / "set/leftImg8bit" / f"{frame}_leftImg8bit.png", flat(RED, 128, 64))
    save(tmp_path / "set/gtFine" / f"{frame}_gtFine_color.png", Image.fromarray(stripes).convert("RGBA"))
    import_dataset("cityscapes", tmp_path / "set", tmp_path / "out", size=32)
    ((pair,),) = Pairs.open(tmp_path / "out").splits.values()
    with Image.open(pair.input) as labels:
        assert labels.size == (32, 32)
        assert {pixel for _, pixel in labels.convert("RGB").getcolors()} <= {(128, 64, 128), (0, 0, 142)}


def test_streets_are_squeezed_and_other_pictures_cut(tmp_path: Path) -> None:
    wide = Image.fromarray(np.repeat(np.linspace(0, 255, 128, dtype=np.uint8)[None], 64, 0)).convert("RGB")
    for home, name in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_color")):
        save(tmp_path / "streets" / home / f"train/a/a_{name}.png", wide)
    for home in ("before", "after"):
        save(tmp_path / "own" / home / "a.png", wide)
    edges = []
    for id, folder in (("cityscapes", "streets"), ("pairs", "own")):
        import_dataset(id, tmp_path / folder, tmp_path / id, size=64)
        ((pair,),) = Pairs.open(tmp_path / id).splits.values()
        with Image.open(pair.output) as picture:
            edges.append(picture.getpixel((0, 32))[0])
    assert edges[0] < 10 and edges[1] > 50


@pytest.mark.parametrize(("direction", "photo"), [(None, RED), ("BtoA", BLUE)])
def test_the_other_side_is_kept_apart(tmp_path: Path, direction: str, photo: tuple[int, int, int]) -> None:
    for side, shade in (("A", RED), ("B", BLUE)):
        for part in ("train", "test"):
            for n in range(20):
                save(tmp_path / "set" / f"{part}{side}" / f"{n}.jpg", flat(shade))
    done = import_dataset("horse2zebra", tmp_path / "set", tmp_path / "out", size=32, direction=direction)
    assert done.counts["test"] == 20 and done.counts["train"] + done.counts["val"] == 20 and done.counts["real"] == 40
    photos, real = find_photos(tmp_path / "out"), find_photos(tmp_path / "out" / "real")
    assert len(photos) == len(real) == 40
    assert all(near(colour(file), photo) for _, file in photos)
    assert not any(near(colour(file), photo) for _, file in real)


def gradient(width: int, height: int) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def test_pairs_are_kept_whole_and_of_one_size_on_request(tmp_path: Path) -> None:
    for n, (width, height) in enumerate([(400, 240), (240, 400), (90, 60), (900, 100), (120, 90)]):
        save(tmp_path / "set/before" / f"{n}.png", gradient(width, height))
        larger = gradient(2 * width, 2 * height)  # as programs that enlarge give it back
        save(tmp_path / "set/after" / f"{n}.png", Image.eval(larger, lambda v: 255 - v))
    out = tmp_path / "out"
    done = import_dataset("pairs", tmp_path / "set", out, size=120, whole=True)
    assert sum(done.counts.values()) == 5 and not done.skipped
    sizes = {}
    for pairs in Pairs.open(out).splits.values():
        for pair in pairs:
            with Image.open(pair.input) as before, Image.open(pair.output) as after:
                assert before.size == after.size
                a, b = (np.asarray(picture.convert("L"), np.float64) for picture in (before, after))
                assert np.abs(a + b - 255).max() < 12  # the same part of both
                sizes[pair.input.name[0]] = before.size
    assert sizes == {"0": (200, 120), "1": (120, 200), "2": (88, 56), "3": (288, 96), "4": (120, 88)}
    assert import_dataset("pairs", tmp_path / "set", out, size=120, whole=True).made == 0
    squares = import_dataset("pairs", tmp_path / "set", out, size=120)
    assert squares.made == 5 and len([*out.glob("*/*put/*.jpg")]) == 10


def test_photos_are_kept_whole_on_request(tmp_path: Path) -> None:
    save(tmp_path / "set/a.png", gradient(400, 240))
    import_dataset("scenery", tmp_path / "set", tmp_path / "out", size=120, whole=True)
    ((_, file),) = find_photos(tmp_path / "out")
    with Image.open(file) as picture:
        assert picture.size == (200, 120)


def test_squeezed_pictures_are_not_kept_whole(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="squeezed"):
        import_dataset("cityscapes", facades(tmp_path / "set"), tmp_path / "out", whole=True)
    assert not (tmp_path / "out").exists()


def test_a_limit_takes_the_same_ones_first(tmp_path: Path) -> None:
    facades(tmp_path / "set", 12)
    sources = []
    for limit in (4, 8):
        import_dataset("facades", tmp_path / "set", tmp_path / str(limit), size=32, limit=limit)
        pairs = Pairs.open(tmp_path / str(limit))
        assert {split: len(pairs.split(split)) for split in pairs.splits} == dict.fromkeys(
            ("train", "val", "test"), limit
        )
        sources.append({pair.source for pair in pairs.split("train")})
    assert sources[0] < sources[1]
    assert sources[0] != {f"train/{n}.png" for n in range(4)}, "the first by name are seldom like the others"
    done = import_dataset(
        "facades", tmp_path / "set", tmp_path / "three", size=32, limit={"train": 3, "val": 2, "test": 1}
    )
    assert done.counts == {"train": 3, "val": 2, "test": 1}


def test_again_gives_the_same_and_makes_nothing(tmp_path: Path) -> None:
    facades(tmp_path / "set")
    first = import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32)
    before = files(tmp_path / "out")
    again = import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32)
    assert (first.made, first.kept, again.made, again.kept) == (9, 0, 0, 9)
    assert files(tmp_path / "out") == before
    import_dataset("facades", tmp_path / "set", tmp_path / "other", size=32)
    assert files(tmp_path / "other") == before


def test_stopped_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facades(tmp_path / "set")

    def stop(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32, progress=Progress(advance=stop))
    with pytest.raises(DataError, match="no pairs here"):
        Pairs.open(tmp_path / "out")
    done = import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32)
    assert done.kept >= 4 and done.made + done.kept == 9
    import_dataset("facades", tmp_path / "set", tmp_path / "whole", size=32)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_what_is_no_longer_asked_for_is_removed(tmp_path: Path) -> None:
    facades(tmp_path / "set")
    import_dataset("facades", tmp_path / "set", tmp_path / "out", size=64)
    import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32, limit=2)
    import_dataset("facades", tmp_path / "set", tmp_path / "fresh", size=32, limit=2)
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = facades(tmp_path / "set")
    (folder / "train/0.png").write_bytes(b"no picture")
    (folder / "train/1.png").write_bytes((folder / "train/2.png").read_bytes()[:60])
    save(folder / "val/0.png", flat(RED, 100, 64))
    done = import_dataset("facades", folder, tmp_path / "out", size=32)
    assert done.counts == {"train": 1, "val": 2, "test": 3}
    assert list(done.skipped) == ["train/0.png", "train/1.png", "val/0.png"]
    assert "not two squares side by side" in done.skipped["val/0.png"]
    assert json.loads((tmp_path / "out" / module.RECORD).read_text())["skipped"] == 3


def test_pairs_need_both_pictures_in_one_shape(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / "set/before" / f"{n}.png", flat(RED, 60, 40))
        save(tmp_path / "set/after" / f"{n}.png", flat(BLUE, *((120, 80) if n else (40, 60))))
    save(tmp_path / "set/before/alone.png", flat(RED))
    save(tmp_path / "set/after/other.png", flat(BLUE))
    done = import_dataset("pairs", tmp_path / "set", tmp_path / "out", size=32)
    assert sum(done.counts.values()) == 2
    assert list(done.skipped) == ["0", "alone", "other"]
    assert "have different proportions: 60×40 and 40×60" in done.skipped["0"]
    assert done.skipped["alone"] == "alone.png: it has no partner in after: no file there has its name"


def test_a_set_of_which_nothing_can_be_read_leaves_nothing(tmp_path: Path) -> None:
    for n in range(3):
        save(tmp_path / "set/train" / f"{n}.png", flat(RED))
    with pytest.raises(DataError, match=r"none of the 3 pictures can be read; the first fault: train/0\.png"):
        import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    facades(tmp_path / "set")
    save(tmp_path / "mine/train/a-0123456789abcdef.jpg", flat(RED))
    before = files(tmp_path / "mine")
    with pytest.raises(DataError, match="already exists, and is not an empty folder"):
        import_dataset("facades", tmp_path / "set", tmp_path / "mine", size=32)
    assert files(tmp_path / "mine") == before
    import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32)
    before = files(tmp_path / "out")
    for id, direction in (("edges2shoes", None), ("facades", "AtoB")):
        with pytest.raises(DataError, match="another data set"):
            import_dataset(id, tmp_path / "set", tmp_path / "out", size=32, direction=direction)
    assert files(tmp_path / "out") == before
    with pytest.raises(DataError, match="inside the data set"):
        import_dataset("facades", tmp_path / "set", tmp_path / "set/out", size=32)


def test_a_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes | str) -> None:
        raise E2GANError(f"cannot write {path}: No space left on device")

    facades(tmp_path / "set")
    import_dataset("facades", tmp_path / "set", tmp_path / "out", size=32)
    monkeypatch.setattr(module, "atomic_write", full)
    with pytest.raises(E2GANError, match="No space left"):
        import_dataset("facades", tmp_path / "set", tmp_path / "out", size=64)
    assert len(Pairs.open(tmp_path / "out").split("train")) == 3


def test_photos_have_no_direction_and_sizes_have_limits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no direction"):
        import_dataset("ffhq", tmp_path, tmp_path / "out", direction="AtoB")
    with pytest.raises(DataError, match="32 to 4096"):
        import_dataset("ffhq", tmp_path, tmp_path / "out", size=8)


def picture_bytes() -> st.SearchStrategy[bytes]:
    def encode(size: tuple[int, int], mode: str, format: str) -> bytes:
        buffer = io.BytesIO()
        Image.new(mode, size).save(buffer, format)
        return buffer.getvalue()

    whole = st.builds(
        encode,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        st.sampled_from(["L", "RGB", "1"]),
        st.sampled_from(["PNG", "GIF", "TIFF"]),
    )
    return st.one_of(st.binary(max_size=200), whole, st.builds(lambda data, at: data[:at], whole, st.integers(0, 100)))


@settings(max_examples=25)
@given(pictures=st.lists(picture_bytes(), min_size=1, max_size=4), id=st.sampled_from(list(LAYOUTS)))
def test_any_files_are_imported_or_one_error(
    pictures: list[bytes], id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for n, data in enumerate(pictures):
        for home in ("", "train", "train/cat", "trainA", "before", "after"):
            file = folder / "set" / home / f"{n:05d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    try:
        done = import_dataset(id, folder / "set", folder / "out", size=32)
    except DataError:
        assert not (folder / "out").exists()
        return
    assert sum(done.counts.values()) == done.made > 0
    for file in (folder / "out").rglob("*-*.[jp][pn]g"):
        if file.name != CONTACT_SHEET:
            with Image.open(file) as square:
                assert square.size == (32, 32)
