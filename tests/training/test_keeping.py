"""What edits keep of their photos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from e2gan.data.import_dataset import import_dataset
from e2gan.data.pairs import given_pairs
from e2gan.errors import DataError
from e2gan.models.layout import Keeps
from e2gan.training.keeping import ENOUGH, _some_of, kept_by, kept_by_teacher, kept_in, smallest_side

Edit = Callable[[Image.Image], Image.Image]


def photo(n: int, side: int = 96) -> Image.Image:
    """A photo with its own colours and brightness, large shapes and fine grain."""
    rng = np.random.default_rng(n)
    shapes = np.asarray(Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((side, side)), np.float64)
    picture = 0.5 * shapes + rng.uniform(0, 120, 3) + rng.normal(0, 8, (side, side, 1))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def strokes(picture: Image.Image) -> Image.Image:
    """The photo without its grain, with a pattern of its own."""
    blurred = np.asarray(picture.filter(ImageFilter.BoxBlur(6)), np.float64)
    pattern = 25 * np.sign(np.sin(np.arange(picture.width) * 1.3))[:, None]
    return Image.fromarray((blurred + pattern).clip(0, 255).astype(np.uint8))


def own_palette(picture: Image.Image) -> Image.Image:
    return ImageOps.colorize(ImageOps.equalize(strokes(picture).convert("L")), "navy", "orange")


EDITS: dict[str, tuple[Edit, Keeps]] = {
    "grade": (lambda p: p.convert("RGB", matrix=(1, 0.1, 0, 0, 0, 0.8, 0.1, 9, 0.1, 0, 0.6, 20)), Keeps.DETAIL),
    "negative": (ImageOps.invert, Keeps.DETAIL),
    "grey": (lambda p: p.convert("L").convert("RGB"), Keeps.DETAIL),
    "unchanged": (lambda p: p, Keeps.DETAIL),
    "strokes": (strokes, Keeps.COLOUR),
    "painting": (own_palette, Keeps.NOTHING),
    "one colour": (lambda p: Image.new("RGB", p.size, "teal"), Keeps.NOTHING),
}


def hue_turned(picture: Image.Image, n: int) -> Image.Image:
    """As light or dark as the photo, in colours that have nothing to do with it."""
    grey = np.asarray(strokes(picture).convert("L"), np.float64)
    direction = np.array([[1, -0.2973, 0], [0, -0.1009, 1]])[n % 2] * (60 if n // 2 % 2 else -60)
    return Image.fromarray((grey[..., None] + direction).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", EDITS)
def test_what_edits_keep(name: str) -> None:
    edit, expected = EDITS[name]
    kept = kept_by((np.asarray(photo(n)), np.asarray(edit(photo(n)))) for n in range(10))
    assert kept.keeps == expected and kept.reason
    assert max(kept.detail, kept.colour, kept.light) <= 1


def test_edits_that_keep_the_light_alone() -> None:
    kept = kept_by((np.asarray(photo(n)), np.asarray(hue_turned(photo(n), n))) for n in range(12))
    assert kept.keeps == Keeps.LIGHT


def test_one_pair_is_enough_for_its_detail() -> None:
    assert kept_by([(np.asarray(photo(0)), np.asarray(ImageOps.invert(photo(0))))]).keeps == Keeps.DETAIL


def test_some_of_a_list_are_from_all_over_it() -> None:
    assert _some_of(range(3)) == [0, 1, 2]
    some = _some_of(range(1000))
    assert len(some) == ENOUGH and some[0] == 0 and some[-1] > 900


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for n in range(8):
        for part, picture in (("before", photo(n)), ("after", ImageOps.invert(photo(n)))):
            (tmp_path / part).mkdir(exist_ok=True)
            picture.save(tmp_path / part / f"{n}.png")
    return tmp_path


def test_given_pairs_and_a_teacher_are_looked_at_alike(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    pairs = tmp_path_factory.mktemp("pairs") / "own"
    import_dataset("pairs", own, pairs, size=80, whole=True)
    train = given_pairs(pairs).split("train")
    assert kept_in(train).keeps == Keeps.DETAIL
    assert smallest_side(train) == 80
    with pytest.raises(DataError, match="these are pairs, not photos"):
        kept_by_teacher(pairs, "grade", {"name": "dusk"})
    with pytest.raises(DataError, match="no pairs here"):
        given_pairs(own / "before")
    assert kept_by_teacher(own / "before", "grade", {"name": "dusk"}).keeps == Keeps.DETAIL


def test_photos_that_cannot_be_read_are_one_error(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"{n}.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"none of 2 photos to train on gave a pair: .*\.jpg"):
        kept_by_teacher(tmp_path, "grade", {"name": "dusk"})
