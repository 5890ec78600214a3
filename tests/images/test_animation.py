"""Animated GIF, PNG and WebP: frames, times, and how often they are shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from e2gan.errors import ImageError
from e2gan.images import Limits, read_provenance
from e2gan.images.animation import is_animation, open_animation, save_animation
from e2gan.moving.animations import edit_animation

TIMES = [40, 70, 100, 100, 0, 250]


def frames(mode: str = "RGBA", count: int = 6) -> list[Image.Image]:
    """A disc that moves and changes its colour, on nothing or on black."""
    result = []
    for number in range(count):
        frame = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
        ImageDraw.Draw(frame).ellipse((5 * number, 5, 5 * number + 30, 35), fill=(200, 40 * number, 60, 255))
        result.append(frame.convert(mode))
    return result


def write(path: Path, mode: str = "RGBA", times: list[Any] = TIMES, **options: Any) -> Path:
    first, *rest = frames(mode)
    if path.suffix == ".webp":
        options |= {"lossless": True}
    if path.suffix == ".gif" and mode == "RGBA":
        options |= {"disposal": 2}
    first.save(path, save_all=True, append_images=rest, duration=times, **options)
    return path


def negative(frame: Image.Image) -> Image.Image:
    edit = Image.fromarray(255 - np.asarray(frame.convert("RGB")))
    if frame.mode == "RGBA":
        edit.putalpha(frame.getchannel("A"))
    edit.info = {**frame.info, "e2gan": '{"program": "e2gan", "concepts": []}'}
    return edit


def read(path: Path) -> tuple[list[np.ndarray], list[float], int, bool]:
    with open_animation(path) as animation:
        pictures = [np.asarray(frame.convert("RGBA")) for frame in animation.frames()]
        return pictures, animation.durations, animation.plays, animation.still_first


@pytest.mark.parametrize("after", ["gif", "png", "webp", "apng"])
@pytest.mark.parametrize("before", ["gif", "png", "webp"])
@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_every_frame_is_edited_and_keeps_its_time(before: str, after: str, mode: str, tmp_path: Path) -> None:
    source = write(tmp_path / f"a.{before}", mode, loop=3)
    target = tmp_path / f"b.{after}"
    assert is_animation(source)
    edit_animation(source, target, negative)
    assert is_animation(target)
    pictures, times, plays, _ = read(target)
    assert (times, plays) == (TIMES, 4 if before == "gif" else 3)
    for was, now in zip(read(source)[0], pictures):
        assert np.array_equal(was[..., 3] >= 128, now[..., 3] >= 128)
        seen = was[..., 3] == 255
        assert np.abs((255 - was[seen][:, :3].astype(int)) - now[seen][:, :3]).mean() < 8
    assert read_provenance(target) == {"program": "e2gan", "concepts": []}


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
@pytest.mark.parametrize("loop", [None, 0, 1, 2, 7])
def test_how_often_it_is_shown_stays(suffix: str, loop: int | None, tmp_path: Path) -> None:
    source = write(tmp_path / f"a.{suffix}", "RGB", **({} if loop is None else {"loop": loop}))
    edit_animation(source, tmp_path / f"b.{suffix}", negative)
    with Image.open(source) as was, Image.open(tmp_path / f"b.{suffix}") as now:
        assert now.info.get("loop") == was.info.get("loop")
    forever = read(source)[2]
    assert forever == {None: 1 if suffix == "gif" else 0, 0: 0}.get(loop, (loop or 0) + (suffix == "gif"))


def test_a_gifs_hundredths_add_up(tmp_path: Path) -> None:
    source = write(tmp_path / "a.png", times=[33.3, 33.3, 33.4, 16.6, 16.7, 66.7])
    edit_animation(source, tmp_path / "b.gif", negative)
    times = read(tmp_path / "b.gif")[1]
    assert sum(times) == 200 and min(times) >= 20


def test_a_still_picture_before_the_animation_stays_there(tmp_path: Path) -> None:
    source = write(tmp_path / "a.png", times=TIMES[1:], default_image=True, loop=2)
    edit_animation(source, tmp_path / "b.png", negative)
    pictures, times, plays, still_first = read(tmp_path / "b.png")
    assert (len(pictures), times[1:], plays, still_first) == (6, TIMES[1:], 2, True)
    edit_animation(source, tmp_path / "b.gif", negative)
    assert read(tmp_path / "b.gif")[1] == TIMES[1:]


def test_frames_that_are_equal_are_shown_as_long(tmp_path: Path) -> None:
    same = frames("RGB")[:1] * 3 + frames("RGB")[3:4]
    for suffix in ("gif", "png", "webp"):
        path = tmp_path / f"a.{suffix}"
        save_animation(same, path, durations=[50, 60, 70, 80])
        assert sum(read(path)[1]) == 260


def test_orientation_and_rights_are_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x8298] = 6, "me"
    source = write(tmp_path / "a.webp", exif=exif)
    edit_animation(source, tmp_path / "b.webp", negative)
    with Image.open(tmp_path / "b.webp") as edited:
        assert edited.size == (40, 60)
        assert edited.getexif().get(0x8298) == "me" and edited.getexif().get(0x0112, 1) == 1


def test_steady_needs_opencv_and_smooths(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    source = write(tmp_path / "a.png", "RGB")
    wavers = []
    for steady in (0.0, 0.9):
        random = np.random.default_rng(0)

        def grainy(frame: Image.Image, random: Any = random) -> Image.Image:
            return Image.fromarray(random.integers(60, 120, (40, 60, 3), dtype=np.uint8))

        edit_animation(source, tmp_path / "b.png", grainy, steady=steady)
        corners = np.stack(read(tmp_path / "b.png")[0])[:, 20:, 50:, :3].astype(int)
        wavers.append(np.abs(np.diff(corners, axis=0)).mean())
    assert wavers[1] < 0.75 * wavers[0]


def test_still_pictures_are_none(tmp_path: Path) -> None:
    for suffix in ("gif", "png", "webp"):
        frames()[0].save(tmp_path / f"a.{suffix}")
        assert not is_animation(tmp_path / f"a.{suffix}")
    for data in (b"", b"GIF8", b"\x89PNG\r\n\x1a\n", b"RIFF" + b"\0" * 60, b"text"):
        (tmp_path / "b").write_bytes(data)
        assert not is_animation(tmp_path / "b")
    assert not is_animation(tmp_path / "missing")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_truncated_one_is_refused_whole(suffix: str, share: float, tmp_path: Path) -> None:
    source = write(tmp_path / f"a.{suffix}")
    source.write_bytes(source.read_bytes()[: int(source.stat().st_size * share)])
    with pytest.raises(ImageError, match=f"a.{suffix}: "):
        edit_animation(source, tmp_path / f"b.{suffix}", negative)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_too_many_pixels(tmp_path: Path) -> None:
    source = write(tmp_path / "a.gif")
    with pytest.raises(ImageError, match="its 6 frames of 60×40 pixels are too many"):
        edit_animation(source, tmp_path / "b.gif", negative, limits=Limits(60 * 40 * 30))


def test_formats_without_animation(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="this format holds no animation") as caught:
        save_animation(frames(), tmp_path / "a.jpg", durations=TIMES)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_stream(tmp_path: Path) -> None:
    stream = io.BytesIO()
    edit_animation(write(tmp_path / "a.webp"), stream, negative, format="GIF")
    assert stream.getvalue().startswith(b"GIF8")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    return {suffix: write(folder / f"a.{suffix}", loop=2).read_bytes() for suffix in ("gif", "png", "webp")}


@settings(max_examples=100)
@given(data=st.data())
def test_damaged_ones_are_read_or_refused(data: st.DataObject, small: dict[str, bytes], tmp_path_factory: Any) -> None:
    suffix = data.draw(st.sampled_from(sorted(small)))
    whole = bytearray(small[suffix])
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    path.write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    is_animation(path)
    try:
        with open_animation(path) as animation:
            shown = list(animation.frames())
        assert len(shown) == len(animation.durations)
    except ImageError as error:
        assert "damaged." in str(error)
