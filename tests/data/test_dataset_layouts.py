"""Published layouts: look-alikes with a few tiny pictures are read, and what is not laid out so is one clear error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.cli import cli
from e2gan.data.dataset_layouts import LAYOUTS, find_items
from e2gan.data.folders import split_of
from e2gan.errors import DataError


def touch(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def splits(id: str, folder: Path) -> dict[str, str]:
    return {item.source: item.split for item in find_items(id, folder)}


def held_out(name: str) -> str:
    return "val" if split_of(name) == "val" else "train"


@pytest.mark.parametrize("home", ["images1024x1024/{0:05d}", "thumbnails128x128/{0:05d}", "{0:05d}", "."])
def test_ffhq_is_split_as_it_was_published(tmp_path: Path, home: str) -> None:
    numbers = [*range(20), 59_999, 60_000, 69_999]
    names = [f"{home.format(n // 1000 * 1000)}/{n:05d}.png" for n in numbers]
    touch(tmp_path, [*names, "LICENSE.txt", "in-the-wild-images/00000/00000.png"])
    found = splits("ffhq", tmp_path)
    assert {name: split for name, split in found.items() if split == "test"} == {
        "60000.png": "test",
        "69999.png": "test",
    }
    assert len(found) == len(numbers)
    assert all(found[f"{n:05d}.png"] == held_out(f"{n:05d}.png") for n in numbers[:-2])


def test_faces_come_from_the_large_pictures_where_there_are_both(tmp_path: Path) -> None:
    touch(
        tmp_path, [f"{home}/00000/0000{n}.png" for home in ("images1024x1024", "thumbnails128x128") for n in range(3)]
    )
    assert {item.a.file.parts[-3] for item in find_items("ffhq", tmp_path)} == {"images1024x1024"}


def test_scenery_is_photos_with_splits_or_without(tmp_path: Path) -> None:
    touch(tmp_path / "flat", [f"{n}.jpg" for n in range(50)])
    assert splits("scenery", tmp_path / "flat") == {f"{n}.jpg": split_of(f"{n}.jpg") for n in range(50)}
    touch(tmp_path / "parts", ["train/a.jpg", "val/b.jpg", "test/c.jpg", "notes/d.jpg"])
    found = splits("scenery", tmp_path / "parts")
    assert found == {"train/a.jpg": "train", "val/b.jpg": "val", "test/c.jpg": "test"}


@pytest.mark.parametrize("other", ["val", "test"])
def test_afhq_of_either_version_has_an_animal_of_three(tmp_path: Path, other: str) -> None:
    touch(
        tmp_path, [f"{part}/{kind}/{n}.jpg" for part in ("train", other) for kind in ("cat", "dog") for n in range(30)]
    )
    found = find_items("afhq-cat", tmp_path)
    assert {item.a.file.parent.name for item in found} == {"cat"}
    counts = Counter(item.split for item in found)
    assert counts["test"] == 30 and counts["train"] + counts["val"] == 30 and counts["val"]
    with pytest.raises(DataError, match="this is not AFHQ") as caught:
        find_items("afhq-wild", tmp_path)
    assert "train/wild" in str(caught.value.hint)


def test_three_published_parts_are_kept(tmp_path: Path) -> None:
    touch(tmp_path, ["train/1.jpg", "val/1.jpg", "test/1.jpg"])
    items = find_items("facades", tmp_path)
    assert {item.split: item.a.file.parent.name for item in items} == {s: s for s in ("train", "val", "test")}
    assert all(item.a.half == "left" and item.b is not None and item.b.half == "right" for item in items)


def test_what_is_held_out_of_two_parts_is_the_test(tmp_path: Path) -> None:
    touch(tmp_path, [f"train/{n}_AB.jpg" for n in range(40)] + ["val/1_AB.jpg"])
    found = splits("edges2shoes", tmp_path)
    assert found.pop("val/1_AB.jpg") == "test"
    assert found == {name: held_out(name) for name in found}
    assert set(found.values()) == {"train", "val"}


def test_original_cityscapes_find_their_labels(tmp_path: Path) -> None:
    frames = [f"{part}/ulm/ulm_{n:06d}_000019" for part in ("train", "val", "test") for n in range(30)]
    touch(tmp_path / "leftImg8bit", [f"{frame}_leftImg8bit.png" for frame in frames])
    touch(tmp_path / "gtFine", [f"{frame}_gtFine_{kind}.png" for frame in frames for kind in ("color", "labelIds")])
    items = find_items("cityscapes", tmp_path)
    assert len(items) == 60, "the labels of the test split are not published"
    for item in items:
        assert item.b is not None
        assert item.b.labels and item.b.file.is_file()
        assert item.b.file.name.replace("gtFine_color", "leftImg8bit") == item.a.file.name
    assert {item.split for item in items if item.source.startswith("val/")} == {"test"}


def test_cityscapes_side_by_side_have_labels_on_the_right(tmp_path: Path) -> None:
    touch(tmp_path, ["train/1.jpg", "val/1.jpg", "test/2.jpg"])
    assert all(item.b and item.b.labels and item.b.half == "right" for item in find_items("cityscapes", tmp_path))


def test_an_unpaired_set_has_two_sides(tmp_path: Path) -> None:
    names = [f"{part}{side}/n{n}.jpg" for part in ("train", "test") for side in "AB" for n in range(20)]
    found = find_items("horse2zebra", touch(tmp_path, names))
    assert {(item.side, item.split) for item in found} == {(s, p) for s in "AB" for p in ("train", "val", "test")}
    assert all(item.source.split("/")[0][-1] == item.side for item in found)


@pytest.mark.parametrize("names", [("A", "B"), ("before", "after"), ("input", "output")])
@pytest.mark.parametrize("order", ["{name}/{file}", "{name}/{split}/{file}", "{split}/{name}/{file}"])
def test_own_pairs_are_matched_by_name(tmp_path: Path, names: tuple[str, str], order: str) -> None:
    for name, suffix in zip(names, (".jpg", ".PNG")):
        for split in ("train", "val", "test"):
            touch(tmp_path, [order.format(name=name, split=split, file=f"{split}{n}{suffix}") for n in range(3)])
    items = find_items("pairs", tmp_path)
    assert len(items) == 9
    for item in items:
        assert item.b is not None
        assert item.a.file.stem == item.b.file.stem and (item.a.file.suffix, item.b.file.suffix) == (".jpg", ".PNG")
        assert names[0] in item.a.file.parts and names[1] in item.b.file.parts
        if "split" in order:
            assert item.a.file.stem.startswith(item.split)


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, ["before/a.jpg", "before/a.png", "after/a.jpg"])
    with pytest.raises(DataError, match=r"a\.jpg beside it"):
        find_items("pairs", tmp_path)


@pytest.mark.parametrize("id", LAYOUTS)
def test_a_folder_of_something_else_says_what_it_should_hold(tmp_path: Path, id: str) -> None:
    touch(tmp_path, ["readme.txt", "pictures/.hidden.jpg"])
    with pytest.raises(DataError, match=f"{tmp_path.name}: this is not ") as caught:
        find_items(id, tmp_path)
    assert str(caught.value.hint).startswith("it should hold ")
    with pytest.raises(DataError, match="no such folder"):
        find_items(id, tmp_path / "nowhere")


def test_a_misspelt_layout_is_named() -> None:
    with pytest.raises(DataError, match="no layout 'facade'") as caught:
        find_items("facade", Path())
    assert caught.value.hint == "did you mean 'facades'?"


part = st.sampled_from(["train", "val", "test", "A", "B", "cat", "trainA", "testB", "leftImg8bit", "gtFine", "before"])
name = st.sampled_from(["00000.png", "1.jpg", "1_leftImg8bit.png", "1_gtFine_color.png", "ä b.webp", "x.txt", ".h.jpg"])


@given(names=st.lists(st.tuples(st.lists(part, max_size=3), name), max_size=8))
def test_any_folder_is_a_set_or_one_error(
    names: list[tuple[list[str], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = touch(tmp_path_factory.mktemp("any"), ["/".join([*parts, name]) for parts, name in names])
    for id, layout in LAYOUTS.items():
        try:
            items = find_items(id, folder)
        except DataError as error:
            assert str(folder) in str(error)
            continue
        assert all(item.split in ("train", "val", "test") for item in items)
        assert len({(item.side, item.source) for item in items}) == len(items)
        assert all(
            (item.b is None) == (id in ("ffhq", "scenery", "horse2zebra") or id.startswith("afhq")) for item in items
        )
        assert layout.direction or all(item.side == "A" for item in items)


def test_the_command_lists_them_all() -> None:
    text = cli.commands["import"].help or ""
    assert set(LAYOUTS) <= set(text.split())


def test_own_pairs_match_whatever_the_letters_case_and_the_rest_is_named(tmp_path: Path) -> None:
    for name in (
        "before/one.jpg",
        "after/ONE.png",
        "before/two.heic",
        "before/three.jpg",
        "after/three.psd",
        "after/x[1].webp",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    items = {item.source: item for item in find_items("pairs", tmp_path)}
    assert items["one"].b is not None and items["one"].b.file.name == "ONE.png" and not items["one"].fault
    assert {source: item.fault for source, item in items.items() if item.fault} == {
        "two": "two.heic: it has no partner in after: no file there has its name",
        "three": "three.jpg: it has no partner in after: three.psd there is a picture of a format that is not read",
        "x[1]": "x[1].webp: it has no partner in before: no file there has its name",
    }
