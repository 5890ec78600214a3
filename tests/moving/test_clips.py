"""Clips: what is edited, what stays, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("av")
pytest.importorskip("cv2")

from e2gan.errors import E2GANError, ImageError
from e2gan.images import ImageWarning
from e2gan.moving.clips import edit_clip
from e2gan.moving.reading import Frame, check_whole, open_clip, read_provenance
from tests.moving.film import RATE, picture, read_clip, write_clip

RECORD = {"program": "e2gan", "concepts": ["dusk"]}


def same(frame: Image.Image) -> Image.Image:
    """An edit that changes nothing."""
    edit = frame.copy()
    edit.info["e2gan"] = json.dumps(RECORD)
    return edit


def negative(frame: Image.Image) -> Image.Image:
    return Image.fromarray(255 - np.asarray(frame))


def never(frame: Image.Image) -> Image.Image:
    pytest.fail("a frame is edited")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def far(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


# What is edited


def test_every_frame_is_edited(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    edit_clip(source, tmp_path / "b.mp4", negative, steady=0)
    before, after = read_clip(source), read_clip(tmp_path / "b.mp4")
    assert len(after.pictures) == len(before.pictures) == 24
    for number, (was, now) in enumerate(zip(before.pictures, after.pictures)):
        assert far(255 - was, now) < 6, number
    assert after.codec == "h264"


def test_frames_are_edited_once_each_and_in_order(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", sound=None)
    bars = []

    def seen(frame: Image.Image) -> Image.Image:
        bars.append(int((np.asarray(frame)[10, 32:, 1] > 140).argmax()))
        return frame

    edit_clip(source, tmp_path / "b.mkv", seen, steady=0)
    assert len(bars) == 24
    assert np.diff(bars).clip(-1, 1).tolist().count(1) > 20


def test_progress_counts_frames(tmp_path: Path) -> None:
    from e2gan.progress import Progress

    source = write_clip(tmp_path / "a.mp4")
    counts: list[tuple[int, int]] = []
    progress = Progress(advance=lambda done, total, metrics: counts.append((done, total)))
    edit_clip(source, tmp_path / "b.mp4", same, steady=0, progress=progress)
    assert counts == [(number, 24) for number in range(1, 25)]


def test_steady_edits_waver_less(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", frames=12, sound=None)
    wavering = {}
    for steady in (0.0, 0.9):
        random = np.random.default_rng(0)

        def grainy(frame: Image.Image, random: Any = random) -> Image.Image:
            pixels = np.asarray(frame).astype(int)
            return Image.fromarray((pixels + random.integers(-30, 31, pixels.shape)).clip(0, 255).astype(np.uint8))

        edit_clip(source, tmp_path / "b.mp4", grainy, steady=steady)
        left = [frame[:, :28] for frame in read_clip(tmp_path / "b.mp4").pictures]
        wavering[steady] = np.mean([far(a, b) for a, b in pairwise(left)])
    assert wavering[0.9] < 0.5 * wavering[0.0]


# What stays


@pytest.mark.parametrize(("before", "after"), [("mp4", "mp4"), ("mkv", "mp4"), ("mkv", "mkv"), ("mp4", "mov")])
@pytest.mark.parametrize("variable", [False, True])
def test_every_frame_keeps_its_time(before: str, after: str, variable: bool, tmp_path: Path) -> None:
    times = np.cumsum([0, *[15, 40, 300] * 7, 20, 90]).tolist() if variable else None
    source = write_clip(tmp_path / f"a.{before}", times=times)
    edit_clip(source, tmp_path / f"b.{after}", same, steady=0)
    was, now = read_clip(source), read_clip(tmp_path / f"b.{after}")
    assert np.allclose(now.times, was.times, atol=0.0011)
    if after != "mkv":  # Matroska does not say how long the last frame is shown
        assert now.last == pytest.approx(was.last, abs=0.0011) or before == "mkv"


def test_sound_is_copied_and_in_time(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    edit_clip(source, tmp_path / "b.mp4", same, steady=0)
    was, now = read_clip(source), read_clip(tmp_path / "b.mp4")
    assert was.sound and now.sound == was.sound
    assert np.allclose(now.sound_times, was.sound_times, atol=0.001)
    edit_clip(source, tmp_path / "c.mkv", same, steady=0)
    now = read_clip(tmp_path / "c.mkv")
    assert now.sound == was.sound
    # Matroska moves everything, sound and pictures alike, until nothing begins before 0.
    assert np.allclose(
        np.subtract(now.sound_times, now.times[0]), np.subtract(was.sound_times, was.times[0]), atol=0.002
    )


def test_chapters_and_titles_are_kept_and_the_place_only_where_that_is_asked_for(tmp_path: Path) -> None:
    told = {"title": "Holiday", "artist": "me", "location": "+43.0000-002.0000/", "comment": "by the sea"}
    source = write_clip(tmp_path / "a.mp4", chapters=True, metadata=told)
    assert "location" in read_clip(source).metadata
    for keep in (False, True):
        edit_clip(source, tmp_path / "b.mp4", same, steady=0, keep_location=keep)
        film = read_clip(tmp_path / "b.mp4")
        assert film.chapters == [(0, 1, "One"), (1, 2, "Two")]
        assert (film.metadata["title"], film.metadata["artist"]) == ("Holiday", "me")
        assert film.metadata["comment"].splitlines()[0] == "by the sea"
        assert any("location" in name for name in film.metadata) is keep
        assert keep or b"+43.0" not in (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_it_says_how_it_was_made_once(suffix: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", metadata={"comment": '{"other": "program"}'})
    assert read_provenance(source) is None
    first, second = tmp_path / f"b.{suffix}", tmp_path / f"c.{suffix}"
    edit_clip(source, first, same, steady=0)
    edit_clip(first, second, same, steady=0)
    assert read_provenance(first) == read_provenance(second) == RECORD
    assert read_clip(second).metadata["comment"].splitlines() == ['{"other": "program"}', json.dumps(RECORD)]


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_frames_are_edited_and_written_upright(rotation: int, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", rotation=rotation, sound=None, frames=8)
    upright = np.rot90(picture(0), rotation // 90)
    seen: list[np.ndarray] = []
    edit_clip(source, tmp_path / "b.mp4", lambda frame: (seen.append(np.asarray(frame)), frame)[1], steady=0)
    assert seen[0].shape == upright.shape and far(seen[0], upright) < 6
    film = read_clip(tmp_path / "b.mp4")
    assert film.rotation == 0
    assert film.pictures[0].shape == upright.shape and far(film.pictures[0], upright) < 8


@pytest.mark.parametrize(
    "colours",
    [(1, 1, 1, 1), (1, 1, 1, 2), (6, 6, 6, 1), (5, 5, 6, 1), (9, 9, 14, 1), (2, 2, 2, 0)],
    ids=["709", "709 full", "601", "601 of PAL", "2020", "untold"],
)
def test_colours_and_what_the_clip_tells_of_them_stay(colours: tuple[int, ...], tmp_path: Path) -> None:
    told = dict(zip(("colorspace", "color_primaries", "color_trc", "color_range"), colours))
    source = write_clip(tmp_path / "a.mp4", sound=None, frames=8, **told)
    edit_clip(source, tmp_path / "b.mp4", same, steady=0)
    was, now = read_clip(source), read_clip(tmp_path / "b.mp4")
    assert now.colours[:3] == was.colours[:3]
    assert (now.colours[3] or 1) == (was.colours[3] or 1)  # what is not told is that of video
    # Flat parts, whose colours neither the subsampling nor the encoder changes.
    for y, x in ((8, 8), (40, 8), (24, 60)):
        assert np.abs(was.pictures[0][y, x].astype(int) - now.pictures[0][y, x]).max() <= 4


def test_the_colours_that_the_editor_sees_are_those_that_the_clip_tells(tmp_path: Path) -> None:
    """Whether one matrix or the other: what was red is red."""
    for matrix in (1, 6):
        source = tmp_path / f"{matrix}.mkv"
        write_clip(source, sound=None, frames=4, codec="ffv1", pixels="yuv444p", colorspace=matrix, color_range=1)
        with open_clip(source) as clip:
            first = next(item for item in clip.read() if isinstance(item, Frame))
        reference = read_clip(source).pictures[0]
        if matrix == 6:  # what the tests' encoder converts by
            assert far(np.asarray(first.image), picture(0)) < 2
        else:
            assert far(np.asarray(first.image), picture(0)) > 2
        assert reference.shape == (48, 64, 3)


# What changes, and is said


def test_hdr_is_brought_to_sdr(tmp_path: Path) -> None:
    told = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
    source = write_clip(tmp_path / "a.mp4", pixels="yuv420p10le", sound=None, **told)
    with pytest.warns(ImageWarning, match=r"a\.mp4: an HDR clip, brought to SDR"):
        edit_clip(source, tmp_path / "b.mp4", same, steady=0)
    assert read_clip(tmp_path / "b.mp4").colours == (1, 1, 1, 1)


def test_an_hdr_clips_brightness_does_not_waver(tmp_path: Path) -> None:
    """The curve is the clip's, not each frame's: what is equally bright in all frames stays so."""
    told = {"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1}
    source = write_clip(tmp_path / "a.mkv", codec="ffv1", pixels="yuv444p10le", sound=None, frames=8, **told)
    with pytest.warns(ImageWarning), open_clip(source) as clip:
        corners = [np.asarray(item.image)[8, 8] for item in clip.read() if isinstance(item, Frame)]
    assert all(np.array_equal(corner, corners[0]) for corner in corners)


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", pixels="yuv420p10le", sound=None)
    with pytest.warns(ImageWarning, match=r"has 10 bits a channel; the edit has 8"):
        edit_clip(source, tmp_path / "b.mp4", same, steady=0)
    assert far(read_clip(source).pictures[3], read_clip(tmp_path / "b.mp4").pictures[3]) < 6


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47), (33, 35)])
def test_odd_sizes_become_even(size: tuple[int, int], tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", size=size, pixels="yuv444p", sound=None)
    with pytest.warns(ImageWarning, match="is odd: its last row or column is there twice"):
        edit_clip(source, tmp_path / "b.mp4", same, steady=0)
    film = read_clip(tmp_path / "b.mp4")
    assert film.size == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert far(film.pictures[0][: size[1], : size[0]], read_clip(source).pictures[0]) < 8


def test_interlaced_clips_become_progressive(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", sound=None, options={"x264-params": "interlaced=1:tff=1"})
    assert read_clip(source).interlaced
    with pytest.warns(ImageWarning, match="it is interlaced; the edit is not"):
        edit_clip(source, tmp_path / "b.mkv", same, steady=0)
    film = read_clip(tmp_path / "b.mkv")
    assert not film.interlaced
    assert np.allclose(film.times, read_clip(source).times, atol=0.002)


@pytest.mark.parametrize(
    ("codec", "suffix", "name"),
    [("h265", "mp4", "hevc"), ("vp9", "mkv", "vp9"), ("av1", "mp4", "libdav1d"), (None, "webm", "vp9")],
)
def test_codecs(codec: str | None, suffix: str, name: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", sound="libopus", frames=8, size=(128, 96))
    edit_clip(source, tmp_path / f"b.{suffix}", same, steady=0, codec=codec)
    film = read_clip(tmp_path / f"b.{suffix}")
    assert film.codec == name and len(film.pictures) == 8
    assert far(film.pictures[2], read_clip(source).pictures[2]) < 8


# What is refused, whole


def refused(source: Path, target: Path, match: str, **options: Any) -> ImageError:
    """The one line, and nothing is left."""
    before = content(source.parent) if source.parent.exists() else {}
    with pytest.raises(ImageError, match=match) as caught:
        edit_clip(source, target, same, steady=0, **options)
    assert "\n" not in str(caught.value) and source.name in str(caught.value) + str(target)
    assert content(source.parent) == before
    return caught.value


@pytest.mark.parametrize("data", [b"", b"no clip at all", b"\0" * 4000, b"\x1aE\xdf\xa3" + b"\0" * 100])
def test_what_is_no_clip(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    refused(tmp_path / "a.mp4", tmp_path / "b.mp4", r"a\.mp4: ")


def test_a_missing_clip(tmp_path: Path) -> None:
    refused(tmp_path / "a.mp4", tmp_path / "b.mp4", r"a\.mp4: No such file or directory")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_clip(suffix: str, share: float, tmp_path: Path) -> None:
    more = {"codec": "libvpx-vp9", "sound": "libopus"} if suffix == "webm" else {}
    whole = write_clip(tmp_path / f"a.{suffix}", frames=48, **more)  # type: ignore[arg-type]
    check_whole(whole)
    whole.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    refused(whole, tmp_path / f"b.{suffix}", "damaged or cut off")


def test_a_truncated_clip_whose_index_comes_first(tmp_path: Path) -> None:
    import av

    write_clip(tmp_path / "late.mp4", frames=48)
    first = {"movflags": "faststart"}
    with av.open(str(tmp_path / "late.mp4")) as clip, av.open(str(tmp_path / "a.mp4"), "w", options=first) as out:
        stream = out.add_stream_from_template(clip.streams.video[0], opaque=True)
        for packet in clip.demux(clip.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    (tmp_path / "late.mp4").unlink()
    check_whole(tmp_path / "a.mp4")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    (tmp_path / "a.mp4").write_bytes(data[: len(data) * 3 // 4])
    refused(tmp_path / "a.mp4", tmp_path / "b.mp4", "damaged or cut off")


def test_sound_without_pictures(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", video=False)
    refused(source, tmp_path / "b.mp4", r"a\.mp4: has no pictures, only sound")


def test_no_decoder(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", sound=None)
    source.write_bytes(source.read_bytes().replace(b"avc1\0\0", b"zzz9\0\0"))
    refused(source, tmp_path / "b.mp4", "no decoder for its pictures|cannot be decoded")


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    write_clip(tmp_path / "other.ts", sound=None)
    source = tmp_path / "a.mp4"
    source.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path / 'other.ts'}\n#EXT-X-ENDLIST\n")
    refused(source, tmp_path / "b.mp4", "not a clip, damaged or cut off")
    source.write_text(f"ffconcat version 1.0\nfile {tmp_path / 'other.ts'}\n")
    refused(source, tmp_path / "b.mp4", "not a clip, damaged or cut off")


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "pipe:0.mp4", "-.mp4", "%d.mp4", "ü ü.mp4"])
def test_names_are_files(name: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", sound=None, frames=4)
    (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "out").mkdir()
    edit_clip(tmp_path / name, tmp_path / "out" / name, same, steady=0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_what_the_container_does_not_hold_is_said_before_a_frame_is_edited(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    for target, codec, match in (
        ("b.webm", None, "does not hold the clip's sound"),
        ("b.webm", "h264", "does not hold h264"),
        ("b.avi", None, "clips cannot be written as '.avi'"),
        ("b", None, "does not say which format"),
    ):
        with pytest.raises(ImageError, match=match) as caught:
            edit_clip(source, tmp_path / target, never, steady=0, codec=codec)
        assert caught.value.hint
        assert list(content(tmp_path)) == ["a.mp4"]


def test_frames_that_are_too_large(tmp_path: Path) -> None:
    from e2gan.images import Limits

    source = write_clip(tmp_path / "a.mp4", sound=None)
    refused(source, tmp_path / "b.mp4", r"a\.mp4: larger than", limits=Limits(1000))


def test_frames_that_grow(tmp_path: Path) -> None:
    """A stream whose later frames are larger than the first ones, and than the limit."""
    import av

    from e2gan.images import Limits

    with av.open(str(tmp_path / "a.ts"), "w") as out:
        stream: Any = out.add_stream("libx264", rate=RATE, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        out.start_encoding()
        for start, size in ((0, (64, 48)), (8, (1024, 768))):
            encoder: Any = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height = size
            encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, RATE), RATE
            packets = []
            for number in range(start, start + 8):
                frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                packets += encoder.encode(frame)
            for packet in [*packets, *encoder.encode(None)]:
                packet.stream, packet.time_base = stream, Fraction(1, RATE)
                out.mux(packet)
    edit_clip(tmp_path / "a.ts", tmp_path / "b.mp4", same, steady=0)
    assert {frame.shape for frame in read_clip(tmp_path / "b.mp4").pictures} == {(48, 64, 3)}
    with pytest.raises(ImageError, match="damaged"):
        edit_clip(tmp_path / "a.ts", tmp_path / "c.mp4", same, steady=0, limits=Limits(200_000))
    assert not (tmp_path / "c.mp4").exists()


def test_how_long_a_clip_is(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts"):
        write_clip(tmp_path / name, sound=None)
        with open_clip(tmp_path / name) as clip:
            length = clip.check()
        assert length.frames == 24
        assert length.seconds == pytest.approx(3, abs=0.13), name


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), E2GANError("a bad frame"), ZeroDivisionError()])
@pytest.mark.parametrize("at", [1, 9, 24])
def test_what_stops_in_between_leaves_nothing(fault: BaseException, at: int, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"the former clip")
    before = content(tmp_path)
    count = 0

    def stopped(frame: Image.Image) -> Image.Image:
        nonlocal count
        count += 1
        if count == at:
            raise fault
        return frame

    with pytest.raises(type(fault)):
        edit_clip(source, tmp_path / "b.mp4", stopped, steady=0)
    assert content(tmp_path) == before


def test_a_full_disk(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    source = write_clip(tmp_path / "a.mp4", size=(320, 240))
    program = (
        "import resource, sys, numpy as np\n"
        "from PIL import Image\n"
        "from e2gan.moving.clips import edit_clip\n"
        "from e2gan.errors import E2GANError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "random = np.random.default_rng(0)\n"
        "noise = lambda frame: Image.fromarray(random.integers(0, 256, (240, 320, 3), dtype=np.uint8))\n"
        "try:\n    edit_clip(sys.argv[1], sys.argv[2], noise, steady=0)\n"
        "except E2GANError as error:\n    sys.exit(f'{error}')\n"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "b.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert done.stderr.strip().startswith(f"cannot write {tmp_path / 'b.mp4'}: "), done.stderr
    assert list(content(tmp_path)) == ["a.mp4"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    return {
        suffix: write_clip(folder / f"a.{suffix}", frames=6, chapters=True).read_bytes() for suffix in ("mp4", "mkv")
    }


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_clips_are_read_or_refused(data: st.DataObject, small: dict[str, bytes], tmp_path_factory: Any) -> None:
    suffix = data.draw(st.sampled_from(sorted(small)))
    whole = bytearray(small[suffix])
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        with open_clip(path) as clip:
            for item in clip.read():
                assert not isinstance(item, Frame) or item.image.mode == "RGB"
        read_provenance(path)
    except ImageError as error:
        assert "damaged." in str(error)
