"""Rejection: pairs of teachers that do nothing, break the picture or lose what it shows; and no others."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from e2gan.data import sift
from e2gan.data.folders import METADATA
from e2gan.data.make_pairs import write_pairs
from e2gan.data.pairs import CONTACT_SHEET, REJECTED, Pairs, open_made
from e2gan.data.reject import Figures, measure, reason
from e2gan.drawing import Cell, Section, draw_contact_sheet
from e2gan.errors import DataError
from e2gan.recipe import Framing, Recipe, Rejection, TeacherChoice
from tests import throwaway

SIDE = 128


def landscape(seed: int) -> Image.Image:
    """A picture with what a photo has: large shapes, a gradient of light, fine texture."""
    rng = np.random.default_rng(seed)
    light = Image.linear_gradient("L").rotate(int(rng.integers(0, 4)) * 90).resize((SIDE, SIDE))
    picture = ImageOps.colorize(light, *(tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(2)))
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        corners = [tuple(int(v) for v in point) for point in rng.integers(-20, SIDE + 20, (int(rng.integers(3, 6)), 2))]
        draw.polygon(corners, tuple(int(v) for v in rng.integers(0, 256, 3)))
    texture = Image.fromarray(rng.integers(0, 40, (SIDE // 2, SIDE // 2, 3), np.uint8)).resize((SIDE, SIDE))
    return ImageChops.add(picture, texture)


PHOTOS = [landscape(seed) for seed in range(40)]

# What a teacher may do to a photo and is not rejected for.
EDITS = {
    "negative": ImageOps.invert,
    "night": lambda photo: photo.point(lambda v: v // 4),
    "faded": lambda photo: photo.point(lambda v: 150 + v // 4),
    "flat colours": lambda photo: ImageOps.posterize(photo, 2),
    "smooth": lambda photo: photo.filter(ImageFilter.MedianFilter(9)),
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "drawn": lambda photo: ImageOps.invert(photo.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB"),
    "warm": lambda photo: Image.blend(photo, Image.new("RGB", photo.size, "orange"), 0.3),
}


def reasons(edit, limits: Rejection | None = None) -> list[str | None]:
    return [reason(measure(photo, edit(photo)), limits or Rejection()) for photo in PHOTOS]


@pytest.mark.parametrize("name", EDITS)
def test_edits_are_kept(name):
    assert reasons(EDITS[name]).count(None) >= 0.97 * len(PHOTOS)


def test_doing_nothing_is_rejected():
    assert set(reasons(lambda photo: photo)) == {"unchanged"}


def test_doing_nothing_is_rejected_as_a_jpeg_too(tmp_path):
    for photo in PHOTOS[:8]:
        photo.save(tmp_path / "photo.jpg", quality=95, subsampling=0)
        same = Image.open(tmp_path / "photo.jpg")
        same.save(tmp_path / "edit.jpg", quality=95, subsampling=0)
        assert reason(measure(same, Image.open(tmp_path / "edit.jpg")), Rejection()) == "unchanged"


@pytest.mark.parametrize("colour", ["black", "white", "teal"])
def test_a_picture_of_one_colour_is_broken(colour):
    assert set(reasons(lambda photo: Image.new("RGB", photo.size, colour))) == {"broken"}


def test_noise_has_lost_the_structure():
    rng = np.random.default_rng(0)
    noise = lambda photo: Image.fromarray(rng.integers(0, 256, (*photo.size, 3), np.uint8))  # noqa: E731
    assert reasons(noise).count("structure lost") >= 0.95 * len(PHOTOS)


@pytest.mark.parametrize("name", EDITS)
def test_edits_of_other_photos_have_lost_the_structure(name):
    others = iter([*PHOTOS[1:], PHOTOS[0]])
    assert reasons(lambda photo: EDITS[name](next(others))).count("structure lost") >= 0.9 * len(PHOTOS)


def test_limits_are_the_recipes():
    assert set(reasons(EDITS["grey"], Rejection(change=1))) == {"unchanged"}
    assert set(reasons(lambda photo: photo, Rejection(change=0))) == {None}
    assert set(reasons(lambda photo: Image.new("RGB", photo.size), Rejection(0, 0, 0))) == {None}


def test_what_is_broken_is_not_called_anything_else():
    assert reason(Figures(0, 0, 0), Rejection()) == "broken"
    assert reason(Figures(1, 0, 0), Rejection()) == "unchanged"
    assert reason(Figures(1, 1, 0), Rejection()) == "structure lost"


@given(st.lists(st.integers(0, 255), min_size=54, max_size=54), st.sampled_from([(3, 3), (1, 9), (9, 1)]))
def test_figures_of_any_two_pictures(values, shape):
    first, second = (
        Image.fromarray(np.array(part, np.uint8).reshape(*shape, 3)) for part in (values[:27], values[27:])
    )
    figures = measure(first, second)
    assert all(0 <= figure <= 1 for figure in (figures.contrast, figures.change, figures.structure))
    assert measure(first, first).change == 0


class Moody:
    """A teacher that does as it is told by the photo's first pixel: nothing, black, or what it should."""

    calls = 0

    def __call__(self, photo: Image.Image) -> Image.Image:
        Moody.calls += 1
        red, _, blue = photo.getpixel((2, 2))
        if red > 200:
            return photo
        return Image.new("RGB", photo.size) if blue > 200 else ImageOps.invert(photo)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Twelve for training, two of which the teacher leaves alone and one that it blackens; two to test on."""
    throwaway.offer(teachers={"moody": Moody})
    Moody.calls = 0
    for number in range(14):
        folder = tmp_path / "photos" / ("train" if number < 12 else "test")
        folder.mkdir(parents=True, exist_ok=True)
        photo = landscape(number)
        colour = {1: (255, 0, 0), 7: (255, 0, 0), 4: (0, 0, 255)}.get(number, (0, 99, 0))
        ImageDraw.Draw(photo).rectangle((0, 0, 8, 8), colour)
        photo.save(folder / f"{number:02}.png")
    return tmp_path / "photos"


def make(photos, out, rejection=None, **more):
    return write_pairs(
        photos, out, Recipe((TeacherChoice("moody"),), rejection=rejection, pictures=Framing(SIDE)), workers=1, **more
    )


def sources(file) -> list[str]:
    return [json.loads(line)["source"] for line in file.read_text().splitlines()]


def test_rejected_pairs_are_counted_listed_and_drawn(photos, tmp_path):
    out = tmp_path / "pairs"
    report = make(photos, out, Rejection())
    assert dict(report.rejected) == {"broken": 1, "unchanged": 2}
    assert dict(report.counts) == {"train": 9, "val": 0, "test": 2}
    assert len(Pairs.open(out).split("train")) == 9
    assert dict(Pairs.open(out).rejected) == {"broken": 1, "unchanged": 2}
    assert sources(out / REJECTED) == ["train/01.png", "train/04.png", "train/07.png"]
    assert not set(sources(out / REJECTED)) & set(sources(out / "train" / METADATA))
    for line in (out / REJECTED).read_text().splitlines():
        row = json.loads(line)
        assert (out / row["input_file_name"]).is_file() and (out / row["output_file_name"]).is_file()
        assert row["reason"] == ("broken" if row["source"] == "train/04.png" else "unchanged")
    with Image.open(out / CONTACT_SHEET) as sheet:
        sheet.load()
        assert sheet.width < 1400


def test_without_its_table_nothing_is_rejected(photos, tmp_path):
    report = make(photos, tmp_path / "pairs")
    assert dict(report.counts) == {"train": 12, "val": 0, "test": 2}
    assert not report.rejected
    assert not (tmp_path / "pairs" / REJECTED).exists()
    assert (tmp_path / "pairs" / CONTACT_SHEET).is_file()


def test_other_limits_need_no_new_edits(photos, tmp_path, monkeypatch):
    make(photos, tmp_path / "pairs", Rejection())
    measured: list[object] = []
    monkeypatch.setattr(sift, "measure_files", lambda *files: measured.append(files))
    assert dict(make(photos, tmp_path / "pairs", Rejection(change=0)).rejected) == {"broken": 1}
    assert make(photos, tmp_path / "pairs").counts["train"] == 12
    assert (Moody.calls, measured) == (14, [])


def test_what_is_not_as_it_was_written_is_measured_again(photos, tmp_path):
    first = make(photos, tmp_path / "pairs", Rejection())
    for text in ("{", "[]", '{"figures": {"a": 3}, "question": "", "scores": []}', '{"figures": {"a": ["x", 0, 0]}}'):
        (tmp_path / "pairs" / sift.CACHE).write_text(text)
        assert make(photos, tmp_path / "pairs", Rejection()).rejected == first.rejected


def test_when_all_are_rejected_the_reasons_are_given_and_the_sheet_is_there(photos, tmp_path):
    out = tmp_path / "pairs"
    make(photos, out)
    with pytest.raises(DataError, match=r"all 14 pairs are rejected \(1 broken, 13 unchanged\)") as error:
        make(photos, out, Rejection(change=1))
    assert str(out / CONTACT_SHEET) in (error.value.hint or "")
    assert (out / CONTACT_SHEET).is_file()
    with pytest.raises(DataError, match="no pairs here"):
        Pairs.open(out)


def test_a_damaged_picture_is_named(photos, tmp_path):
    make(photos, tmp_path / "pairs")
    damaged = next((tmp_path / "pairs/train/output").glob("03-*.jpg"))
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(DataError, match=damaged.name) as error:
        make(photos, tmp_path / "pairs", Rejection())
    assert "delete that picture" in (error.value.hint or "")
    damaged.unlink()
    assert make(photos, tmp_path / "pairs", Rejection()).made == 1


def test_the_contact_sheet_shows_some_of_many(tmp_path):
    PHOTOS[0].save(tmp_path / "a.jpg")
    cell = Cell(tmp_path / "a.jpg", tmp_path / "a.jpg", "a name that is much too long " * 9, "a note, also " * 40)
    sections = [
        Section("Kept: 5", [cell] * 5),
        Section("Left out: 0", []),
        Section("Left out: 1", [cell], left_out=True),
    ]
    draw_contact_sheet(tmp_path / "sheet.jpg", sections, open_made)
    draw_contact_sheet(tmp_path / "smaller.jpg", sections[:2], open_made)
    with Image.open(tmp_path / "sheet.jpg") as sheet, Image.open(tmp_path / "smaller.jpg") as smaller:
        assert sheet.format == "JPEG"
        assert sheet.width == smaller.width and sheet.height > smaller.height
