"""``e2gan apply`` on many photos, on clips and on animations; and resuming."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2gan.cli import batch
from e2gan.cli.finished import is_finished
from e2gan.images import open_image, read_provenance, save_image
from e2gan.installing import install_command
from e2gan.leftovers import kind
from e2gan.pipeline import pipeline
from tests.cli.conftest import Run
from tests.editor.tiny import photo


def lines(text: str) -> list[str]:
    return text.splitlines()


def names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def write_photos(folder: str, count: int) -> list[str]:
    Path(folder).mkdir()
    paths = [f"{folder}/{number:02}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(photo(48 + number % 3, 40, number)).save(path, quality=92)
    return paths


def animate(path: str, count: int = 4) -> None:
    first, *rest = (Image.fromarray(photo(40, 40, number)) for number in range(count))
    first.save(path, save_all=True, append_images=rest, duration=[50, 60, 70, 80][:count], loop=0)


# Many photos


def test_a_batch_gives_the_same_as_one_by_one(run: Run) -> None:
    paths = write_photos("photos", 12)
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    for path in paths:
        assert run("apply", "dusk", path, "-o", "one.jpg").exit_code == 0
        assert Path("one.jpg").read_bytes() == Path("out", Path(path).name).read_bytes()


def test_lines_stay_with_their_photo_and_in_order(run: Run) -> None:
    paths = write_photos("photos", 9)
    for path in paths[1::3]:
        Path(path).write_bytes(b"no photo")
    for path in paths[2::3]:
        Image.fromarray(photo()).convert("P").save(path, "GIF", save_all=True, append_images=[Image.new("P", (48, 40))])
    result = run("apply", "dusk", "photos", "-o", "out")
    assert result.exit_code == 1
    said = [line for line in lines(result.stderr) if not line.startswith("hint: ")]
    expected = [
        [f"error: {bad}: not a picture", f"note: {first}: only the first"]
        for bad, first in zip(paths[1::3], paths[2::3])
    ]
    for line, start in zip(said, [start for pair in expected for start in pair], strict=False):
        assert line.startswith(start)
    assert said[-1] == "6 of 9 photos edited into out"


def test_memory_is_bounded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No photo is read while those under way are larger than the bound."""
    write_photos("photos", 10)
    monkeypatch.setattr(batch, "AHEAD", 2 * 48 * 40)
    alive, most = 0, 0
    read, write = open_image, save_image

    def counted(*arguments: Any, **options: Any) -> Image.Image:
        nonlocal alive, most
        if isinstance(arguments[0], str):
            alive += 1
            most = max(most, alive)
        return read(*arguments, **options)

    def uncounted(*arguments: Any, **options: Any) -> None:
        nonlocal alive
        time.sleep(0.01)
        alive -= 1
        write(*arguments, **options)

    monkeypatch.setattr("e2gan.images.open_image", counted)
    monkeypatch.setattr("e2gan.images.save_image", uncounted)
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    assert len(names("out")) == 10 and 1 < most <= 3


def test_the_pipeline_overlaps_and_keeps_the_order() -> None:
    import threading

    meet = threading.Barrier(3, timeout=20)
    others = iter(range(100))

    def source() -> Iterator[int]:
        for number in range(6):
            if number == 4:
                meet.wait()  # while 3 is edited and 2 is written
            yield number

    def edit(number: int) -> int:
        if number == 3:
            meet.wait()
        return 10 * number

    def write(number: int) -> int:
        if number == 20:
            meet.wait()
        next(others)
        return number + 1

    written = pipeline(source(), edit, write, size=lambda number: 1, most=10, writers=2)
    assert list(written) == [1, 11, 21, 31, 41, 51]


@pytest.mark.parametrize("place", ["read", "edit", "write"])
@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_the_pipeline_passes_faults_on_and_ends_its_threads(place: str, fault: type[BaseException]) -> None:
    import threading

    before = threading.active_count()

    def step(name: str) -> Any:
        def act(number: int) -> int:
            if name == place and number == 5:
                raise fault
            return number

        return act

    with pytest.raises(fault):
        list(pipeline(map(step("read"), range(1000)), step("edit"), step("write"), size=lambda n: 1, most=3))
    assert threading.active_count() == before


def test_an_empty_pipeline() -> None:
    assert list(pipeline([], str, str, size=len, most=1)) == []


# Resuming


def test_existing_edits_are_skipped(run: Run) -> None:
    write_photos("photos", 4)
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    stamps = {name: os.stat(f"out/{name}").st_mtime_ns for name in names("out")}
    Path("out/02.jpg").unlink()
    result = run("apply", "dusk", "photos", "-o", "out", "--skip-existing")
    assert (result.exit_code, lines(result.stderr)) == (0, ["1 of 4 photos edited into out, 3 already there"])
    assert [name for name in names("out") if os.stat(f"out/{name}").st_mtime_ns != stamps[name]] == ["02.jpg"]
    result = run("apply", "dusk", "photos/00.jpg", "-o", "out/00.jpg", "--skip-existing")
    assert (result.exit_code, result.stderr) == (0, "out/00.jpg is already there\n")


def test_nothing_is_loaded_where_everything_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from e2gan.editor import Editor

    write_photos("photos", 2)
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    monkeypatch.setattr(Editor, "__init__", lambda self, *wishes, **more: pytest.fail("a model is loaded"))
    assert run("apply", "dusk", "photos", "-o", "out", "--skip-existing").exit_code == 0


@pytest.mark.parametrize(
    "spoil",
    ["cut", "empty", "other concept", "other strength", "other size", "copy", "older", "not ours", "folder"],
)
def test_what_is_no_finished_edit_is_edited(run: Run, spoil: str) -> None:
    """A file that is in the edit's place without being the edit."""
    write_photos("photos", 2)
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    right = Path("out/01.jpg").read_bytes()
    target = Path("out/01.jpg")
    if spoil == "cut":
        target.write_bytes(right[: len(right) * 2 // 3])
    elif spoil == "empty":
        target.write_bytes(b"")
    elif spoil == "other concept":
        assert run("apply", "dawn", "photos/01.jpg", "-o", "out/01.jpg").exit_code == 0
    elif spoil == "other strength":
        assert run("apply", "dusk", "photos/01.jpg", "-o", "out/01.jpg", "--strength", "0.5").exit_code == 0
    elif spoil == "other size":
        assert run("apply", "dusk", "photos/01.jpg", "-o", "out/01.jpg", "--size", "32").exit_code == 0
    elif spoil == "copy":
        shutil.copy("photos/01.jpg", target)
    elif spoil == "older":
        os.utime("photos/01.jpg", ns=(0, target.stat().st_mtime_ns + 1_000_000))
    elif spoil == "not ours":
        Image.fromarray(photo(48, 40)).save(target)
    else:
        target.unlink()
        target.mkdir()
    result = run("apply", "dusk", "photos", "-o", "out", "--skip-existing")
    if spoil == "folder":
        assert result.exit_code == 1 and "cannot write out/01.jpg" in result.stderr
        return
    assert lines(result.stderr)[-1] == "1 of 2 photos edited into out, 1 already there"
    assert target.read_bytes() == right


def test_an_edit_of_an_edit_is_not_the_edit(run: Run) -> None:
    """A copy of a photo that is itself an edit by the same concept."""
    write_photos("photos", 1)
    assert run("apply", "dusk", "photos", "-o", "first").exit_code == 0
    Path("second").mkdir()
    shutil.copy("first/00.jpg", "second/00.jpg")
    result = run("apply", "dusk", "first", "-o", "second", "--skip-existing")
    assert result.exit_code == 0 and "already" not in result.stderr
    assert Path("first/00.jpg").read_bytes() != Path("second/00.jpg").read_bytes()


def test_options_that_change_the_edit_are_recorded(run: Run) -> None:
    write_photos("photos", 1)
    for options in ([], ["--size", "32"]):
        assert run("apply", "dusk", "photos", "-o", "out", *options).exit_code == 0
        result = run("apply", "dusk", "photos", "-o", "out", "--skip-existing", *options)
        assert "already there" in result.stderr
    assert (read_provenance("out/00.jpg") or {})["size"] == 32


def test_missing_files_are_not_finished(tmp_path: Path) -> None:
    assert not is_finished(str(tmp_path / "a"), str(tmp_path / "b"), {})


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another signal there")
def test_ctrl_c_leaves_whole_edits_only(environment: dict[str, str], bases: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(24):
        Image.fromarray(photo(200, 152, number)).save(folder / f"{number:02}.png")
    program = (
        "import pathlib, sys, e2gan.base, e2gan.cli;"
        f"e2gan.base.BUNDLED = pathlib.Path({str(bases)!r}); e2gan.cli.main()"
    )
    command = [sys.executable, "-c", program, "apply", "dusk", "photos", "-o", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    out = tmp_path / "out"
    while process.poll() is None and not (out.exists() and len([n for n in names(out) if not kind(n)]) >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, lines(said)[-1]) == (130, "interrupted"), said
    edits = names(out)
    assert 3 <= len(edits) < 24 and not [name for name in edits if kind(name)]
    for name in edits:
        open_image(out / name)
    done = subprocess.run([*command, "--skip-existing"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert lines(done.stderr)[-1] == f"{24 - len(edits)} of 24 photos edited into out, {len(edits)} already there"
    assert len(names(out)) == 24


# Animations


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animation_stays_one(run: Run, suffix: str) -> None:
    animate(f"a.{suffix}")
    result = run("apply", "dusk", f"a.{suffix}", "-o", f"out.{suffix}")
    assert (result.exit_code, result.stderr) == (0, f"wrote out.{suffix}\n")
    with Image.open(f"a.{suffix}") as before, Image.open(f"out.{suffix}") as after:
        assert (after.n_frames, after.format) == (4, before.format)  # type: ignore[attr-defined]
    assert (read_provenance(f"out.{suffix}") or {})["concepts"][0]["id"] == "dusk"
    result = run("apply", "dusk", f"a.{suffix}", "-o", f"out.{suffix}", "--skip-existing")
    assert result.stderr == f"out.{suffix} is already there\n"


def test_each_frame_of_an_animation_is_the_photos_edit(run: Run) -> None:
    animate("a.png")
    assert run("apply", "dusk", "a.png", "-o", "out.png").exit_code == 0
    for number in range(4):
        Image.fromarray(photo(40, 40, number)).save("one.png")
        assert run("apply", "dusk", "one.png", "-o", "one-out.png").exit_code == 0
        with Image.open("out.png") as after:
            after.seek(number)
            assert np.array_equal(np.asarray(after.convert("RGB")), np.asarray(open_image("one-out.png")))


def test_animations_in_a_folder_of_photos(run: Run) -> None:
    write_photos("photos", 2)
    animate("photos/moving.gif")
    Image.fromarray(photo()).save("photos/still.gif")
    result = run("apply", "dusk", "photos", "-o", "out")
    assert (result.exit_code, result.stderr) == (0, "4 files edited into out\n")
    assert names("out") == ["00.jpg", "01.jpg", "moving.gif", "still.png"]


def test_an_animation_as_a_still_picture_is_its_first_frame(run: Run) -> None:
    animate("a.gif")
    result = run("apply", "dusk", "a.gif", "-o", "out.jpg")
    assert lines(result.stderr) == ["note: a.gif: only the first of its frames or pages is used", "wrote out.jpg"]


def test_an_animation_to_standard_output(run: Run) -> None:
    animate("a.gif")
    assert run("apply", "dusk", "a.gif", "-o", "-").stdout_bytes.startswith(b"GIF8")


# Clips


@pytest.fixture
def clip(run: Run) -> Path:
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    from tests.moving.film import write_clip

    return write_clip("clip.mp4", frames=6)


def test_a_clip(run: Run, clip: Path) -> None:
    from e2gan.moving.reading import read_provenance as made
    from tests.moving.film import read_clip

    result = run("apply", "dusk", "clip.mp4", "-o", "out.mp4")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "wrote out.mp4\n")
    assert len(read_clip("out.mp4").pictures) == 6
    provenance = made("out.mp4") or {}
    assert (provenance["concepts"][0]["id"], provenance["steady"]) == ("dusk", 0.9)
    assert run("apply", "dusk", "clip.mp4", "-o", "out.mp4", "--skip-existing").stderr == "out.mp4 is already there\n"
    data = Path("out.mp4").read_bytes()
    Path("out.mp4").write_bytes(data[: len(data) // 2])
    assert run("apply", "dusk", "clip.mp4", "-o", "out.mp4", "--skip-existing").stderr == "wrote out.mp4\n"
    result = run("apply", "dusk", "clip.mp4", "-o", "out.mp4", "--skip-existing", "--steady", "0")
    assert result.stderr == "wrote out.mp4\n"


def test_without_steadiness_each_frame_is_the_photos_edit(run: Run, clip: Path) -> None:
    from e2gan.moving.reading import Frame, open_clip
    from tests.moving.film import read_clip

    assert run("apply", "dusk", "clip.mp4", "-o", "out.mkv", "--steady", "0").exit_code == 0
    with open_clip(clip) as opened:
        frames = [item.image for item in opened.read() if isinstance(item, Frame)]
    frames[2].save("frame.png")
    assert run("apply", "dusk", "frame.png", "-o", "one.png").exit_code == 0
    now = Image.fromarray(read_clip("out.mkv").pictures[2]).convert("L")
    edit, photo = (np.asarray(picture.convert("L")).astype(int) for picture in (open_image("one.png"), frames[2]))
    # Colours have half the pixels, and this edit is noise.
    assert np.abs(now - edit).mean() < 12 < np.abs(now - photo).mean()


def test_clips_and_photos_together(run: Run, clip: Path, photos: list[str]) -> None:
    Path("cut.mp4").write_bytes(clip.read_bytes()[:1000])
    result = run("apply", "dusk", *photos, "clip.mp4", "cut.mp4", "-o", "out")
    assert result.exit_code == 1
    assert lines(result.stderr) == [
        "error: cut.mp4: not a clip, damaged or cut off",
        "hint: e2gan reads MP4, MOV, Matroska, WebM, AVI, MPEG, FLV, WMV and Ogg",
        "4 of 5 files edited into out",
    ]
    assert names("out") == ["a.jpg", "b.png", "c.png", "clip.mp4"]


def test_a_clip_that_cannot_be_written_in_its_own_format_becomes_an_mp4(run: Run) -> None:
    pytest.importorskip("av")
    from tests.moving.film import write_clip

    write_clip("clip.avi", frames=4, codec="mpeg4", sound=None)
    assert run("apply", "dusk", "clip.avi", "-o", "out/").exit_code == 0
    assert names("out") == ["clip.mp4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clip.mp4", "-o", "out.jpg"], "clips cannot be written as '.jpg'"),
        (["clip.mp4", "-o", "out.avi"], "clips cannot be written as '.avi'"),
        (["clip.mp4", "-o", "out"], "does not say which format to write"),
        (["clip.mp4", "-o", "-"], "a clip is written into a file"),
        (["clip.mp4", "-o", "clip.mp4"], "would be overwritten"),
        (["photos/a.jpg", "-o", "out.mp4"], "out.mp4 names a clip, and photos/a.jpg is none"),
        (["-", "-o", "out.mp4"], "out.mp4 names a clip, and - is none"),
        (["photos/a.jpg", "photos/b.png", "-o", "out.mp4"], "out.mp4 names one picture"),
        (["photos/a.jpg", "-o", "out.jpg", "--steady", "1"], "--steady is for clips and animations"),
        (["photos/a.jpg", "-o", "out.jpg", "--codec", "av1"], "--codec is for clips"),
        (["clip.mp4", "-o", "out.mp4", "--steady", "2"], "is not in the range 0<=x<=1"),
        (["clip.mp4", "-o", "out.mp4", "--codec", "divx"], "is not one of"),
    ],
)
def test_misuse(run: Run, photos: list[str], words: list[str], said: str) -> None:
    Path("clip.mp4").write_bytes(b"not looked at")
    result = run("apply", "dusk", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())
    assert names(".") == ["clip.mp4", "photos"]


@pytest.mark.parametrize("package", ["av", "cv2"])
def test_without_the_extra(run: Run, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("e2gan.moving.", f"{package}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    Path("clip.mp4").write_bytes(b"not looked at")
    result = run("apply", "dusk", "clip.mp4", "-o", "out.mp4")
    assert result.exit_code == 1
    assert lines(result.stderr) == [
        f"error: this needs the package '{package}', which is not installed",
        f"hint: {install_command('e2gan[video]')}",
    ]
    animate("a.gif")
    assert run("apply", "dusk", "a.gif", "-o", "out.gif").exit_code == 0


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another signal there")
def test_ctrl_c_leaves_no_half_clip(environment: dict[str, str], bases: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    from tests.moving.film import write_clip

    write_clip(tmp_path / "clip.mp4", frames=120, size=(160, 120))
    program = (
        "import pathlib, sys, e2gan.base, e2gan.cli;"
        f"e2gan.base.BUNDLED = pathlib.Path({str(bases)!r}); e2gan.cli.main()"
    )
    command = [sys.executable, "-c", program, "apply", "dusk", "clip.mp4", "-o", "out.mp4"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not [name for name in names(tmp_path) if kind(name)]:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, lines(said)[-1]) == (130, "interrupted"), said
    assert names(tmp_path) == ["clip.mp4"]
