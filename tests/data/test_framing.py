"""Pairs of whole photos, of several folders, and how many photographs they are of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from e2gan.base import Base
from e2gan.data.folders import METADATA, find_photos, folders_of
from e2gan.data.framing import WIDEST, frame, framed_photo
from e2gan.data.make_pairs import check_crop, find_inputs, write_pairs
from e2gan.data.pairs import Pair, Pairs, open_pairs
from e2gan.errors import DataError, ImageError, RecipeError
from e2gan.progress import Progress
from e2gan.recipe import BaseRecipe, Framing, Recipe, TeacherChoice, TrainingRecipe
from e2gan.training.base import recipe_digest
from e2gan.training.batches import ConceptPairs, Sampler
from tests import throwaway

SEVERAL = {"train/a.jpg": (128, 96), "train/wide.png": (400, 80), "val/b.jpg": (96, 120), "test/c.jpg": (64, 64)}


class Invert:
    """A teacher."""

    def __call__(self, photo: Image.Image) -> Image.Image:
        return ImageOps.invert(photo)


@pytest.fixture(autouse=True)
def teachers() -> None:
    throwaway.offer("e2gan-throwaway", teachers={"invert": Invert})


def photos(folder: Path, sizes: dict[str, tuple[int, int]], seed: int = 0) -> Path:
    """Photos of these sizes by their names."""
    rng = np.random.default_rng(seed)
    for name, size in sizes.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
        small.resize(size, Image.Resampling.BICUBIC).save(file)
    return folder


def recipe(side: int = 64, whole: bool = True, **training: int) -> Recipe:
    return Recipe(
        (TeacherChoice("invert"),), pictures=Framing(side, whole), training=TrainingRecipe(**{"crop": 32} | training)
    )


def make(data: object, out: Path, made_by: Recipe | None = None, progress: Progress | None = None):
    return write_pairs(data, out, made_by or recipe(), workers=1, progress=progress)


def sources(out: Path, split: str = "train") -> list[str]:
    return [json.loads(line)["source"] for line in (out / split / METADATA).read_text().splitlines()]


# Whole photos


@given(width=st.integers(32, 900), height=st.integers(32, 900), side=st.integers(4, 60).map(lambda n: 8 * n))
def test_a_whole_photo_keeps_its_proportions(width: int, height: int, side: int) -> None:
    photo = Image.new("L", (width, height))
    picture = frame(photo, Framing(max(side, 32), whole=True))
    side = max(side, 32)
    assert picture.width % 8 == picture.height % 8 == 0
    shorter, longer = sorted(picture.size)
    assert shorter == min(side, min(width, height) // 8 * 8), "the shorter side is the one asked for, never enlarged"
    assert longer <= WIDEST * shorter
    wanted = min(max(width, height) / min(width, height), WIDEST)
    assert abs(longer - wanted * min(side, min(width, height))) < 8 * WIDEST, "what is cut is some pixels at the edges"
    assert (picture.width >= picture.height) == (width >= height) or shorter == longer


def test_what_is_cut_is_cut_alike_from_both_edges() -> None:
    photo = Image.new("RGB", (1000, 100), "white")
    photo.paste("black", (350, 0, 650, 100))
    assert frame(photo, Framing(96, whole=True)).size == (288, 96)
    assert np.asarray(frame(photo, Framing(96, whole=True)))[:, 8:-8].max() == 0
    tall = frame(photo.transpose(Image.Transpose.ROTATE_90), Framing(96, whole=True))
    assert tall.size == (96, 288)


def test_a_square_is_what_it_was() -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8))
    expected = ImageOps.fit(photo, (64, 64), Image.Resampling.LANCZOS)
    assert frame(photo, Framing(64)).tobytes() == expected.tobytes()
    assert frame(expected, Framing(64)) is expected
    assert frame(photo.crop((0, 0, 96, 72)), Framing(128, whole=True)).size == (96, 72)


def test_a_photo_that_is_as_it_shall_be_is_kept_byte_for_byte(tmp_path: Path) -> None:
    Image.new("RGB", (96, 64), "teal").save(tmp_path / "a.jpg")
    picture, data = framed_photo(tmp_path / "a.jpg", Framing(64, whole=True))
    assert (picture.size, data) == ((96, 64), (tmp_path / "a.jpg").read_bytes())


def test_pairs_of_whole_photos(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", SEVERAL)
    report = make(folder, tmp_path / "pairs")
    assert dict(report.counts) == {"train": 2, "val": 1, "test": 1}
    sizes = []
    for pairs in Pairs.open(tmp_path / "pairs").splits.values():
        for pair in pairs:
            with Image.open(pair.input) as photo, Image.open(pair.output) as edit:
                assert photo.size == edit.size
                sizes.append(photo.size)
    assert sizes == [(80, 64), (192, 64), (64, 80), (64, 64)]
    assert Image.open(tmp_path / "pairs" / "contact-sheet.jpg").size[1] > 0
    again = make(folder, tmp_path / "pairs")
    assert (again.made, again.kept) == (0, 4)


def test_a_photo_that_is_too_small_to_crop_is_left_out(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {**SEVERAL, "train/small.png": (300, 47)})
    with pytest.raises(ImageError, match="300×47: the shorter side must have 48 pixels"):
        framed_photo(folder / "train/small.png", Framing(64, whole=True, least=48))
    assert list(make(folder, tmp_path / "pairs", recipe(crop=48)).skipped) == ["train/small.png"]
    assert make(folder, tmp_path / "pairs").made == 1
    assert "train/small.png" in sources(tmp_path / "pairs")
    # Larger crops are asked for: what is there already is too small for them.
    report = make(folder, tmp_path / "pairs", recipe(crop=48))
    assert (list(report.skipped), report.made, report.kept) == (["train/small.png"], 0, 4)
    assert not list((tmp_path / "pairs/train/input").glob("small*"))
    # Squares are enlarged, as they always were.
    assert make(folder, tmp_path / "squares", recipe(whole=False)).skipped == {}


def test_crops_of_whole_photos(tmp_path: Path) -> None:
    make(photos(tmp_path / "photos", SEVERAL), tmp_path / "pairs")
    train = Pairs.open(tmp_path / "pairs").split("train")
    concept = ConceptPairs("a", np.zeros((2, 8), np.float32), train, [])
    sampler = Sampler([concept], TrainingRecipe(crop=48, batch_size=2, scales=(0.8, 1.0)))
    for step in range(4):
        batch = sampler.batch(step)
        assert batch.photo.shape == batch.target.shape == (2, 3, 48, 48)
        assert abs((batch.photo + batch.target).mean().item()) < 0.05, "both pictures are cropped alike"


# Old pairs and recipes stay what they are


def test_a_share_of_the_photos_is_edited(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {f"train/{number}.png": (64, 64) for number in range(40)})

    def edited(share: float, teacher: str = "invert") -> set[str]:
        recipe = Recipe((TeacherChoice(teacher),), pictures=Framing(64, share=share))
        write_pairs(folder, tmp_path / teacher, recipe, workers=1)
        return set(sources(tmp_path / teacher))

    quarter, half, whole = (edited(share) for share in (0.25, 0.5, 1.0))
    assert quarter < half < whole and len(whole) == 40
    assert 5 <= len(quarter) <= 15 and 13 <= len(half) <= 27
    assert edited(0.25) == quarter, "what a smaller share leaves out is removed"
    assert edited(0.5, "opencv-dodge-sketch") != half, "other teachers see other photos"


def test_a_share_of_none_is_told(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"train/a.png": (64, 64)})
    recipe = Recipe((TeacherChoice("invert"),), pictures=Framing(64, share=0.01))
    with pytest.raises(DataError, match=r"share, 0\.01 of the photos, selects none"):
        write_pairs(folder, tmp_path / "pairs", recipe, workers=1)


def test_squares_have_the_names_that_they_had(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "train"
    folder.mkdir(parents=True)
    # A picture whose bytes are the same with every version of the encoder.
    (folder / "a.bmp").write_bytes(
        bytes.fromhex("424d3a000000000000003600000028000000010000000100000001001800") + bytes(28)
    )
    squares = Recipe((TeacherChoice("invert"),), pictures=Framing(64))
    write_pairs(tmp_path / "photos", tmp_path / "pairs", squares, workers=1)
    (pair,) = Pairs.open(tmp_path / "pairs").split("train")
    assert (pair.input.name, pair.output.name) == ("a-d8add72ad9744123.jpg", "a-dde7b21a2c124595.jpg")


def test_the_shipped_base_was_trained_by_its_recipe(repository: Path) -> None:
    """Whatever has been added to recipes since."""
    shipped = repository / "e2gan/bases/everyday"
    assert recipe_digest(BaseRecipe.read(shipped / "recipe.toml")) == Base.read(shipped).manifest["recipe"]["sha256"]


# The recipe's table


def read(pictures: object, **more: object) -> Recipe:
    return Recipe.from_dict({"teacher": "invert", "pictures": pictures, **more}, "concept.toml")


def test_a_recipe_says_how() -> None:
    assert Recipe.from_dict({"teacher": "invert"}, "concept.toml").pictures == Framing(256, False, 95)
    assert read({"side": 432, "whole": True}).pictures == Framing(432, True, 95)
    assert read({"quality": 80}).pictures == Framing(quality=80)
    assert read({"share": 0.25}).pictures == Framing(share=0.25)
    assert str(Framing(share=0.25)) == "squares of 256 pixels, from 25 % of the photos"


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({"share": 0}, r"share must be a number from 0\.01 to 1, not 0"),
        ({"side": 31}, r"\[recipe.pictures\]: side must be a whole number from 32 to 4096, not 31"),
        ({"side": 100}, "side must be a multiple of 8, not 100"),
        ({"side": True}, "side must be a whole number"),
        ({"whole": 1}, "whole must be true or false"),
        ({"quality": 0}, "quality must be a whole number from 1 to 100"),
        ({"least": 64}, "unknown key 'least'"),
        ("whole", "pictures must be a table"),
    ],
)
def test_a_wrong_table_is_one_error(pictures: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read(pictures)


def test_given_pairs_are_taken_as_they_are() -> None:
    with pytest.raises(RecipeError, match="used as they are"):
        Recipe.from_dict({"teacher": "given", "pictures": {"whole": True}}, "concept.toml")


def test_a_base_says_how_for_all_its_candidates(tmp_path: Path) -> None:
    text = (
        'id = "sea"\ntitle = "Sea"\nversion = "1.0.0"\nlicense = "apache-2.0"\n'
        "[choice]\nconcepts = 1\n[pictures]\nside = 432\nwhole = true\n"
        '[[candidate]]\nid = "negative"\nprompt = "a negative"\nteacher = "invert"\n'
    )
    (tmp_path / "recipe.toml").write_text(text)
    base = BaseRecipe.read(tmp_path / "recipe.toml")
    assert base.pairs_of(base.candidates[0]).pictures == Framing(432, True)
    (tmp_path / "recipe.toml").write_text(text.replace("whole", "wohle"))
    with pytest.raises(RecipeError, match=r"\[pictures\]: unknown key 'wohle'"):
        BaseRecipe.read(tmp_path / "recipe.toml")
    assert recipe_digest(base) != recipe_digest(BaseRecipe(**{**vars(base), "pictures": Framing(432)}))


def test_crops_larger_than_the_pictures_are_known_at_once() -> None:
    with pytest.raises(DataError, match="crops of 512 pixels, but its pairs' side is 432"):
        check_crop(recipe(432, crop=512), "the recipe")
    check_crop(recipe(432, crop=432), "the recipe")
    check_crop(Recipe((TeacherChoice("given"),), training=TrainingRecipe(crop=512)), "the recipe")


# Several folders


def test_several_folders_give_pairs_of_all(tmp_path: Path) -> None:
    one = photos(tmp_path / "one", SEVERAL)
    other = photos(tmp_path / "other", {"train/a.jpg": (96, 96), "val/d.jpg": (80, 80)}, seed=1)
    lines: list[str] = []
    alone = make(one, tmp_path / "pairs")
    before = {file.name for file in (tmp_path / "pairs/train/output").iterdir()}
    report = make([one, str(other)], tmp_path / "pairs", progress=Progress(stage=lines.append))
    assert dict(report.counts) == {"train": 3, "val": 2, "test": 1}
    assert (alone.made, report.made, report.kept) == (4, 2, 4), "what is there stays when a folder is added"
    assert before < {file.name for file in (tmp_path / "pairs/train/output").iterdir()}
    assert sources(tmp_path / "pairs") == ["one/train/a.jpg", "one/train/wide.png", "other/train/a.jpg"]
    assert not any("gone" in line or "changed" in line for line in lines)
    make([one], tmp_path / "pairs")
    assert sources(tmp_path / "pairs") == ["train/a.jpg", "train/wide.png"]


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = photos(tmp_path / "x/photos", SEVERAL), photos(tmp_path / "y/photos", SEVERAL, seed=1)
    make((first, second), tmp_path / "pairs")
    assert sources(tmp_path / "pairs", "test") == ["x/photos/test/c.jpg", "y/photos/test/c.jpg"]


def test_a_photo_in_two_folders_counts_once(tmp_path: Path) -> None:
    first, second = photos(tmp_path / "x", SEVERAL), photos(tmp_path / "y", SEVERAL)
    report = make((first, second), tmp_path / "pairs")
    assert (report.made, sum(report.counts.values())) == (4, 4)


def test_each_folder_has_its_own_splits(tmp_path: Path) -> None:
    parted = photos(tmp_path / "parted", SEVERAL)
    flat = photos(tmp_path / "flat", {f"{n}.jpg": (64, 64) for n in range(30)})
    together = find_photos((parted, flat))
    assert together == find_photos(parted) + find_photos(flat)
    assert {split for split, photo in together if photo.parent == flat} == {"train", "val", "test"}


def test_a_folder_given_twice_or_inside_another_is_an_error(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", SEVERAL)
    with pytest.raises(DataError, match="given twice"):
        find_photos((folder, folder / ".." / "photos"))
    with pytest.raises(DataError, match="inside"):
        folders_of((folder, folder / "train"))
    with pytest.raises(DataError, match="no folder of photos"):
        folders_of(())
    with pytest.raises(DataError, match="inside the folder of photos, where the next run"):
        make((photos(tmp_path / "more", SEVERAL), folder), folder / "pairs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no photos here"):
        find_photos((folder, tmp_path / "empty"))


def test_given_pairs_of_several_folders_are_taken_together(tmp_path: Path) -> None:
    homes = []
    for seed, name in enumerate(("one", "other")):
        make(photos(tmp_path / "photos" / name, SEVERAL, seed), tmp_path / name)
        homes.append(tmp_path / name)
    given_recipe = Recipe((TeacherChoice("given"),))
    assert [split for split, _ in find_inputs(homes, given_recipe)].count("train") == 4
    assert [pair.source for pair in open_pairs(homes).split("test")] == ["one/test/c.jpg", "other/test/c.jpg"]
    assert open_pairs(homes[0]).split("test")[0].source == "test/c.jpg"


# How many photographs


def sampler(names: list[list[str]], **training: int) -> Sampler:
    concepts = [
        ConceptPairs(
            str(c), np.zeros((2, 8), np.float32), [Pair(Path(str(i)), Path("o"), n) for i, n in enumerate(part)], []
        )
        for c, part in enumerate(names)
    ]
    return Sampler(concepts, TrainingRecipe(**training))


def test_photographs_are_counted_not_crops_and_not_pairs() -> None:
    crops = [f"train/p{n // 3}_{n % 3:02}.jpg" for n in range(12)]
    assert sampler([crops]).photographs(100) == 4
    assert sampler([crops, crops]).photographs(100) == 4, "two concepts' edits of one photograph"
    assert sampler([["a/IMG_2041.jpg", "b/IMG_2041.jpg"]]).photographs(100) == 2
    assert sampler([["", "", ""]]).photographs(100) == 3, "of which nothing is known, each is its own"
    singles = [f"{n}.jpg" for n in range(10)]
    assert sampler([singles], batch_size=2).photographs(3) == 6, "no more than were seen"
    assert sampler([singles], batch_size=4).photographs(3) == 10
