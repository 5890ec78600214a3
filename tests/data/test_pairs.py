"""Pairs: what is written is read back, by anyone; what is malformed is one clear error."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.data.folders import METADATA, find_photos, split_of, splits_of
from e2gan.data.pairs import Pairs, read_metadata
from e2gan.errors import DataError

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)
file_names = st.text(st.characters(categories=("L", "N"), include_characters="._- "), min_size=1, max_size=20).filter(
    lambda name: name.strip(".")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("metadata")


def write(folder: Path, *rows: object) -> Path:
    path = folder / METADATA
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@given(rows=st.lists(st.tuples(file_names, file_names, st.text(max_size=20)), max_size=5))
def test_any_plain_names_are_read_back(folder, rows):
    path = write(
        folder,
        *({"input_file_name": f"input/{a}", "output_file_name": f"output/{b}", "source": s} for a, b, s in rows),
    )
    pairs = read_metadata(path)
    assert [(p.input, p.output, p.source) for p in pairs] == [
        (folder / "input" / a, folder / "output" / b, s) for a, b, s in rows
    ]


@given(data=st.binary(max_size=300) | json_values.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_pairs_or_one_error(folder, data):
    path = folder / METADATA
    path.write_bytes(data)
    try:
        read_metadata(path)
    except DataError as error:
        assert str(path) in str(error)


@given(extra=st.dictionaries(st.text(max_size=10), json_values, max_size=4))
def test_unknown_columns_are_left_alone(folder, extra):
    row = {**extra, "input_file_name": "a.jpg", "output_file_name": "b.jpg", "source": "c"}
    assert len(read_metadata(write(folder, row))) == 1


hostile = ["/etc/passwd", "../up.jpg", "input/../../up.jpg", "", ".", "C:\\x.jpg", "C:x.jpg", "a\\b", "a\0b", "\ud800"]


@pytest.mark.parametrize("name", [*hostile, None, 3, ["a"]])
@pytest.mark.parametrize("key", ["input_file_name", "output_file_name"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, key, name):
    good = {"input_file_name": "a.jpg", "output_file_name": "b.jpg"}
    path = write(tmp_path, good, {**good, key: name})
    with pytest.raises(DataError, match=f"line 2: '{key}'"):
        read_metadata(path)


@pytest.mark.parametrize("line", ["{", "[1]", "3", '"a"', "[" * 100_000, "9" * 10_000])
def test_a_line_that_is_no_object_names_its_number(tmp_path, line):
    (tmp_path / METADATA).write_text(f"\n{line}\n")
    with pytest.raises(DataError, match="line 2: not "):
        read_metadata(tmp_path / METADATA)


def pairs_folder(folder: Path, **counts: int) -> Path:
    for split, count in counts.items():
        (folder / split).mkdir(parents=True)
        names = [(f"{n}.png", f"{n}e.png") for n in range(count)]
        for name in (name for pair in names for name in pair):
            Image.new("RGB", (8, 8)).save(folder / split / name)
        write(folder / split, *({"input_file_name": a, "output_file_name": b} for a, b in names))
    return folder


def test_a_folder_of_pairs_opens(tmp_path):
    pairs = Pairs.open(pairs_folder(tmp_path, train=3, validation=2))
    assert [p.output.name for p in pairs.split("train")] == ["0e.png", "1e.png", "2e.png"]
    assert len(pairs.split("val")) == 2


def test_a_split_that_is_not_there_says_which_are(tmp_path):
    pairs = Pairs.open(pairs_folder(tmp_path, train=3))
    with pytest.raises(DataError, match="'test'") as error:
        pairs.split("test")
    assert "train (3)" in (error.value.hint or "")


def test_a_missing_picture_is_named(tmp_path):
    pairs_folder(tmp_path, train=2)
    (tmp_path / "train" / "1e.png").unlink()
    with pytest.raises(DataError, match=r"1e\.png"):
        Pairs.open(tmp_path)


@pytest.mark.parametrize("make", [lambda p: p / "none", lambda p: p, lambda p: pairs_folder(p / "empty", train=0)])
def test_a_folder_without_pairs_is_one_error(tmp_path, make):
    with pytest.raises(DataError, match="no pairs here"):
        Pairs.open(make(tmp_path))


def test_the_split_by_name_is_eighty_ten_ten():
    splits = [split_of(f"photo{n}.jpg") for n in range(5000)]
    assert [round(splits.count(s) / 5000, 1) for s in ("train", "val", "test")] == [0.8, 0.1, 0.1]
    # Pinned: another split for the same photos would leak test photos into training.
    assert [split_of(f"{n}.jpg") for n in range(6)] == ["train", "test", "train", "train", "train", "val"]


def test_folders_of_splits_are_kept_and_hidden_files_left_out(tmp_path):
    for name in ("train/a.jpg", "train/deep/b.PNG", "test/c.webp", "outside.jpg", "train/.hidden.jpg", "train/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {(split, photo.relative_to(tmp_path).as_posix()) for split, photo in find_photos(tmp_path)}
    assert found == {("train", "train/a.jpg"), ("train", "train/deep/b.PNG"), ("test", "test/c.webp")}


@given(st.sets(st.text("abcxyz0189", min_size=1, max_size=6), max_size=40))
def test_few_photos_do_not_all_fall_into_one_split(names: set[str]) -> None:
    ordered = sorted(names)
    splits = splits_of(ordered)
    alone = [split_of(name) for name in ordered]
    if len(names) < 5 or (alone.count("test") >= 2 and "val" in alone and "train" in alone):
        assert splits == alone
    else:
        assert splits.count("test") >= 2 and "val" in splits and "train" in splits
        assert splits.count("train") >= len(names) / 3
    # The order of the names does not matter.
    backwards = dict(zip(reversed(ordered), splits_of(ordered[::-1]), strict=True))
    assert [backwards[name] for name in ordered] == splits
