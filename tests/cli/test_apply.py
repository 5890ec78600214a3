"""``e2gan apply``: what is written where, what is said, and the exit code."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from e2gan.base import Base
from e2gan.cli.options import MemorySize
from e2gan.editor import Editor
from e2gan.images import Limits, open_image, read_provenance
from e2gan.installing import install_command
from tests.cli.conftest import Run
from tests.editor.tiny import photo, write_tiny_concept


def names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def lines(text: str) -> list[str]:
    return text.splitlines()


# Where it goes


def test_one_photo_to_a_file(run: Run, photos: list[str], base: Base) -> None:
    result = run("apply", "dusk", photos[1], "-o", "out.png")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "wrote out.png\n")
    edited = open_image("out.png")
    assert edited.size == (48, 40)
    assert not np.array_equal(edited, open_image(photos[1]))
    provenance = read_provenance("out.png")
    assert provenance is not None
    assert provenance["concepts"] == [{"id": "dusk", "version": "1.2.0", "weight": 1.0}]
    assert provenance["base"] == {"id": "tiny", "sha256": base.sha256}


def test_quiet(run: Run, photos: list[str]) -> None:
    result = run("apply", "dusk", *photos, "-o", "out", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert names("out") == ["a.jpg", "b.png", "c.png"]


def test_several_photos_to_a_folder(run: Run, photos: list[str]) -> None:
    result = run("apply", "dusk", *photos, "-o", "deep/out")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "3 photos edited into deep/out\n")
    assert names("deep/out") == ["a.jpg", "b.png", "c.png"]


def test_a_folder_of_photos_and_none_below_it(run: Run, photos: list[str]) -> None:
    Path("photos/notes.txt").write_text("no photo")
    Path("photos/.hidden.jpg").write_bytes(b"no photo")
    Path("photos/below").mkdir()
    Image.fromarray(photo()).save("photos/below/d.png")
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    assert names("out") == ["a.jpg", "b.png", "c.png"]


@pytest.mark.parametrize("out", ["out/", "made"])
def test_one_photo_into_a_folder(run: Run, photos: list[str], out: str) -> None:
    Path("made").mkdir()
    result = run("apply", "dusk", photos[0], "-o", out)
    assert (result.exit_code, names(out)) == (0, ["a.jpg"])
    assert result.stderr == f"wrote {Path(out, 'a.jpg')}\n"


def test_standard_input_to_standard_output(run: Run, photos: list[str]) -> None:
    for name, format in zip(photos, ["JPEG", "PNG", "PNG"]):
        result = run("apply", "dusk", "-", "-o", "-", input=Path(name).read_bytes())
        assert (result.exit_code, result.stderr) == (0, "")
        with Image.open(io.BytesIO(result.stdout_bytes)) as written:
            assert (written.format, written.size) == (format, (48, 40))


def test_standard_input_to_a_file_and_a_file_to_standard_output(run: Run, photos: list[str]) -> None:
    assert run("apply", "dusk", "-", "-o", "out.png", input=Path(photos[1]).read_bytes()).exit_code == 0
    result = run("apply", "dusk", photos[1], "-o", "-")
    assert np.array_equal(open_image(result.stdout_bytes), open_image("out.png"))


def test_an_earlier_result_is_replaced(run: Run, photos: list[str]) -> None:
    for _ in range(2):
        assert run("apply", "dusk", *photos, "-o", "out").exit_code == 0
    assert names("out") == ["a.jpg", "b.png", "c.png"]


# What is done


def test_strength(run: Run, photos: list[str]) -> None:
    assert run("apply", "dusk", photos[1], "-o", "none.png", "--strength", "0").exit_code == 0
    assert np.array_equal(open_image("none.png"), open_image(photos[1]))


def test_size(run: Run, photos: list[str]) -> None:
    for out, options in {"small.png": ["--size", "32"], "whole.png": []}.items():
        assert run("apply", "dusk", photos[1], "-o", out, *options).exit_code == 0
    assert open_image("small.png").size == (48, 40)
    assert not np.array_equal(open_image("small.png"), open_image("whole.png"))


def test_a_blend(run: Run, photos: list[str]) -> None:
    assert run("apply", "dusk=0.6,dawn=0.4", photos[1], "-o", "out.png").exit_code == 0
    provenance = read_provenance("out.png")
    assert provenance is not None
    assert [(each["id"], each["weight"]) for each in provenance["concepts"]] == [("dusk", 0.6), ("dawn", 0.4)]


def test_a_concept_in_a_folder(run: Run, photos: list[str], base: Base) -> None:
    write_tiny_concept(Path("mine"), base, seed=0)
    assert run("apply", "./mine", photos[1], "-o", "mine.png").exit_code == 0
    assert run("apply", "dusk", photos[1], "-o", "dusk.png").exit_code == 0
    assert np.array_equal(open_image("mine.png"), open_image("dusk.png"))


def test_base_device_and_threads(run: Run, photos: list[str], base: Base) -> None:
    import torch

    threads = torch.get_num_threads()
    options = ["--base", base.path, "--device", "cpu", "--threads", "1"]
    assert run("apply", "dusk", photos[1], "-o", "out.png", *options).exit_code == 0
    torch.set_num_threads(threads)
    result = run("apply", "dusk", photos[1], "-o", "out.png", "--device", "abacus")
    assert (result.exit_code, lines(result.stderr)[0]) == (1, "error: no device 'abacus' on this machine")
    result = run("apply", "dusk", photos[1], "-o", "out.png", "--base", "./nowhere")
    assert (result.exit_code, lines(result.stderr)[0]) == (1, "error: no base './nowhere'")


# What goes wrong


def test_a_bad_photo_does_not_stop_the_others(run: Run, photos: list[str]) -> None:
    Path("photos/b.png").write_bytes(Path("photos/b.png").read_bytes()[:-300])
    Path("photos/d.jpg").touch()
    result = run("apply", "dusk", "photos", "missing.jpg", "-o", "out")
    assert result.exit_code == 1
    cut, empty, missing, summary = lines(result.stderr)
    assert cut.startswith("error: photos/b.png: damaged or cut off (")
    assert empty == "error: photos/d.jpg: the file is empty"
    assert missing == "error: missing.jpg: No such file or directory"
    assert summary == "2 of 5 photos edited into out"
    assert names("out") == ["a.jpg", "c.png"]


@pytest.mark.parametrize("name", ["https://example.org/a.jpg", "HTTP://example.org/a.png", "https://example.org/a.mp4"])
def test_an_address_is_to_be_downloaded_first(run: Run, name: str) -> None:
    result = run("apply", "dusk", name, "-o", f"out{Path(name).suffix}")
    assert result.exit_code == 1
    assert lines(result.stderr) == [
        f"error: {name}: No such file or directory",
        "hint: download it first, and give the file or folder",
    ]


def test_no_model_is_loaded_for_photos_that_cannot_be_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Editor, "__init__", lambda self, *wishes, **more: pytest.fail("a model is loaded"))
    Path("empty.jpg").touch()
    Path("text.png").write_text("no picture")
    for source, reason in {
        "missing.jpg": "No such file or directory",
        "empty.jpg": "the file is empty",
        "text.png": "not a picture",
        "-": "the file is empty",
    }.items():
        result = run("apply", "dusk", source, "-o", "out.png")
        assert (result.exit_code, result.stdout) == (1, "")
        assert reason in result.stderr
    result = run("apply", "dusk", "missing.jpg", "text.png", "-o", "out")
    assert lines(result.stderr)[-1] == "0 of 2 photos edited into out"


def test_one_model_serves_the_photos_that_can_be_read(
    run: Run, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    start = Editor.__init__

    def counted(self: Editor, *wishes: Any, **more: Any) -> None:
        loaded.append(self)
        start(self, *wishes, **more)

    monkeypatch.setattr(Editor, "__init__", counted)
    result = run("apply", "dusk", "missing.jpg", *photos, "also-missing.jpg", "-o", "out")
    assert (result.exit_code, names("out"), len(loaded)) == (1, ["a.jpg", "b.png", "c.png"], 1)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_bad_photo_alone(run: Run, data: bytes) -> None:
    Path("bad.jpg").write_bytes(data)
    for source, name in {"bad.jpg": "bad.jpg", "-": "standard input"}.items():
        result = run("apply", "dusk", source, "-o", "out.png", input=data)
        assert (result.exit_code, result.stdout) == (1, "")
        assert lines(result.stderr)[0].startswith(f"error: {name}: ")
        assert names(".") == ["bad.jpg"]


def test_a_decompression_bomb(run: Run, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e2gan.images.PHOTO", Limits(1200))
    result = run("apply", "dusk", photos[0], "-o", "out.png")
    assert result.exit_code == 1
    assert re.fullmatch(r"error: photos/a\.jpg: larger than .*\nhint: make it smaller .*\n", result.stderr)


def test_what_is_left_out_is_said(run: Run) -> None:
    frames = [Image.new("RGBA", (40, 40), (0, 0, shade, 99)) for shade in (0, 255)]
    frames[0].save("moving.png", save_all=True, append_images=frames[1:])
    result = run("apply", "dusk", "moving.png", "-o", "out.jpg")
    assert result.exit_code == 0
    assert lines(result.stderr) == [
        "note: moving.png: only the first of its frames or pages is used",
        "note: out.jpg: JPEG has no transparency: the picture is laid on white",
        "wrote out.jpg",
    ]
    assert run("apply", "dusk", "moving.png", "-o", "out.jpg", "-q").stderr == ""


def test_an_unknown_concept(run: Run, photos: list[str]) -> None:
    result = run("apply", "duks", photos[0], "-o", "out.png")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: no concept 'duks'\nhint: did you mean 'dusk'?\n"


@pytest.mark.parametrize("prefix", ["", "photos/"])
def test_a_photo_in_the_place_of_the_concept(prefix: str, run: Run, photos: list[str]) -> None:
    Path("a.jpg").write_bytes(Path("photos/a.jpg").read_bytes())
    result = run("apply", prefix + "a.jpg", "dusk", "-o", "out.png")
    assert result.exit_code == 1
    assert lines(result.stderr)[-1].endswith("and e2gan apply takes it before the photos")


def test_a_concept_on_the_hub(run: Run, photos: list[str]) -> None:
    result = run("apply", "hub:someone/dusk@v1", photos[0], "-o", "out.png")
    assert result.exit_code == 1
    assert lines(result.stderr)[1] == f"hint: {install_command('e2gan-hub')}"


def test_an_untrained_concept(run: Run, photos: list[str], base: Base) -> None:
    write_tiny_concept(Path("new"), base, trained=False)
    result = run("apply", "./new", photos[0], "-o", "out.png")
    assert result.exit_code == 1
    error, hint = lines(result.stderr)
    assert error.endswith("the concept 'new' is not trained yet") and hint == "hint: e2gan train new --data PHOTOS"


def test_a_folder_without_photos(run: Run) -> None:
    Path("empty").mkdir()
    result = run("apply", "dusk", "empty", "-o", "out")
    assert result.exit_code == 1
    assert lines(result.stderr)[0] == "error: empty: no photos in this folder"


def test_a_folder_that_cannot_be_written(run: Run, photos: list[str]) -> None:
    Path("file").touch()
    result = run("apply", "dusk", *photos, "-o", "file/out")
    assert result.exit_code == 1
    assert [line for line in lines(result.stderr) if not line.startswith("error: cannot write ")] == [
        "0 of 3 photos edited into file/out"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dusk"], "Missing argument 'PHOTO...'"),
        (["dusk", "photos/a.jpg"], "Missing option '-o' / '--output'"),
        (["dusk", "photos/a.jpg", "-o", "out.gif"], "'.gif' pictures cannot be written"),
        (["dusk", "photos/a.jpg", "-o", "out"], "does not say which format to write"),
        (["dusk", "photos/a.jpg", "photos/b.png", "-o", "-"], "standard output takes one photo"),
        (["dusk", "photos", "-o", "-"], "standard output takes one photo"),
        (["dusk", "-", "-o", "photos"], "the photo from standard input has no name"),
        (["dusk", "-", "photos/a.jpg", "-o", "out"], "the photo from standard input has no name"),
        (["dusk", "photos", "-o", "photos/a.jpg"], "photos/a.jpg is a file"),
        (["dusk", "photos/a.jpg", "photos/b.png", "-o", "x.jpg"], "x.jpg names one picture"),
        (["dusk", "photos", "-o", "new/x.HEIC"], "new/x.HEIC names one picture"),
        (["dusk", "photos/a.jpg", "-o", "out.png", "--strength", "1.5"], "is not in the range 0<=x<=1"),
        (["dusk", "photos/a.jpg", "-o", "out.png", "--strength", "nan"], "nan is not in the range 0<=x<=1"),
        (["dusk", "photos/a.jpg", "-o", "out.png", "--size", "31"], "is not in the range x>=32"),
        (["dusk", "photos/a.jpg", "-o", "photos/a.jpg"], "the photo photos/a.jpg would be overwritten"),
        (["dusk", "photos", "-o", "photos"], "the photo photos/a.jpg would be overwritten"),
        (["dusk", "photos/a.jpg", "-o", "photos/../photos/a.jpg"], "would be overwritten"),
        (["dusk", "photos/a.jpg", "-o", "link.jpg"], "would be overwritten"),
        (["dusk", "photos/a.jpg", "more/a.jpg", "-o", "out"], "photos/a.jpg and more/a.jpg would both be written to"),
    ],
)
def test_misuse(run: Run, photos: list[str], words: list[str], said: str) -> None:
    Path("link.jpg").symlink_to("photos/a.jpg")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run("apply", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


# What in a folder is no photo, and what goes to one file


def test_what_a_folder_holds_besides_photos_is_counted_and_named(run: Run, photos: list[str]) -> None:
    for name in ("film.mov", "notes.txt", "more.txt", "art.psd", ".hidden"):
        Path("photos", name).write_text("no photo")
    result = run("apply", "dusk", "photos", "-o", "out")
    assert result.exit_code == 0
    assert lines(result.stderr) == [
        "left out: 1 file, a picture of a format that is not read: photos/art.psd",
        "left out: 1 file, a clip: photos/film.mov",
        "left out: 2 files, not a photo by its suffix: photos/more.txt, photos/notes.txt",
        "3 photos edited into out",
    ]


def test_the_rarer_suffixes_are_photos(run: Run) -> None:
    Path("photos").mkdir()
    for name, format in {
        "a.jfif": "JPEG",
        "b.jpe": "JPEG",
        "c.apng": "PNG",
        "d.pnm": "PPM",
        "e.j2k": "JPEG2000",
    }.items():
        Image.fromarray(photo()).save(Path("photos", name), format)
    assert run("apply", "dusk", "photos", "-o", "out").exit_code == 0
    assert names("out") == ["a.jfif", "b.jpe", "c.apng", "d.png", "e.png"]


def test_photos_that_would_go_to_one_file_are_left_alone(run: Run, photos: list[str]) -> None:
    """And they alone."""
    Image.fromarray(photo()).save("photos/b.gif")
    result = run("apply", "dusk", "photos", "-o", "out")
    assert result.exit_code == 1
    assert names("out") == ["a.jpg", "c.png"]
    assert lines(result.stderr) == [
        "error: photos/b.gif and photos/b.png would both be written to out/b.png",
        "hint: edit them one by one, and name each edit",
        "2 of 4 photos edited into out",
    ]


def test_a_photo_named_twice_is_edited_once(run: Run, photos: list[str]) -> None:
    Path("link").symlink_to("photos")
    result = run("apply", "dusk", "photos", photos[0], f"./{photos[0]}", f"link/{Path(photos[0]).name}", "-o", "out")
    assert (result.exit_code, lines(result.stderr)) == (0, ["3 photos edited into out"])


@pytest.mark.parametrize(
    "out", ["photos/edited/..", "photos/edited/../", "new/../photos", "photos/./edited/../../photos/"]
)
def test_a_folder_that_is_not_there_yet_hides_no_photo(run: Run, photos: list[str], out: str) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run("apply", "dusk", "photos", "-o", out)
    assert result.exit_code in (1, 2) and "would be overwritten" in " ".join(result.stderr.split())
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_link_made_meanwhile_hides_no_photo(run: Run, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in Path("photos").iterdir()}
    use = Editor.use

    def meanwhile(self: Editor, *arguments: Any) -> None:
        Path("out").symlink_to("photos")
        use(self, *arguments)

    monkeypatch.setattr(Editor, "use", meanwhile)
    result = run("apply", "dusk", "photos", "-o", "out")
    assert result.exit_code == 1 and "would be overwritten" in result.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_control_characters_of_names_are_escaped(run: Run) -> None:
    Path("photos").mkdir()
    Path("photos", "a\x1b[31m\n.jpg").write_text("no photo")
    Path("photos", "b\x1b]0;title\x07.txt").write_text("no photo")
    result = run("apply", "dusk", "photos", "-o", "out")
    assert "\x1b" not in result.stderr and "\x07" not in result.stderr
    assert "a\\x1b[31m" in result.stderr and "b\\x1b]0;title\\x07.txt" in result.stderr
    result = run("apply", "dusk", "photos/a\x1b[31m\n.jpg", "-o", "photos/a\x1b[31m\n.jpg")
    assert result.exit_code == 2 and "\x1b" not in result.stderr
    Path("photos", "c\n.txt").write_text("no photo")
    Image.fromarray(photo()).save("photos/d.png")
    for out in ("d\nwrote e.png", "many\n/"):  # which would look like a line of ours
        result = run("apply", "dusk", "photos/d.png", "-o", out)
        assert (result.exit_code, len(lines(result.stderr))) == (0, 1)
    assert len(lines(run("apply", "dusk", "photos", "-o", "out").stderr)) == 4


def test_the_place_is_left_out_unless_asked_for(run: Run) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (43.0, 15.0, 0.0)}
    exif[ExifTags.Base.Copyright] = "me"
    Image.fromarray(photo()).save("a.jpg", exif=exif)
    for options in ([], ["--keep-location"]):
        assert run("apply", "dusk", "a.jpg", "-o", "out.jpg", *options).exit_code == 0
        with Image.open("out.jpg") as written:
            kept = written.getexif()
            assert kept[ExifTags.Base.Copyright] == "me"
            assert bool(kept.get_ifd(ExifTags.IFD.GPSInfo)) is bool(options)


def test_large_photos_are_edited_where_that_is_asked_for(
    run: Run, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("e2gan.images.PHOTO", Limits(1200))
    assert run("apply", "dusk", photos[0], "-o", "out.png").exit_code == 1
    assert run("apply", "dusk", photos[0], "-o", "out.png", "--large").exit_code == 0


@pytest.mark.parametrize("more", [(), ("--large",)])
def test_a_photo_that_needs_more_memory_than_allowed_is_refused(
    run: Run, photos: list[str], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.setattr(MemorySize, "least", 0)
    result = run("apply", "dusk", photos[0], "-o", "out.png", "--memory", "1KB", *more)
    assert result.exit_code == 1
    assert re.fullmatch(r"error: photos/a\.jpg: larger than .*\nhint: .* allow more --memory\n", result.stderr)
    assert not Path("out.png").exists()
    assert run("apply", "dusk", photos[0], "-o", "out.png", "--memory", "2GB", *more).exit_code == 0


@pytest.mark.parametrize("size", ["500MB", "much", "-2GB", ""])
def test_a_size_of_memory_that_cannot_be(run: Run, photos: list[str], size: str) -> None:
    result = run("apply", "dusk", photos[0], "-o", "out.png", f"--memory={size}")
    assert result.exit_code == 2
    assert "--memory" in result.stderr


# When it is stopped


def interrupt(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["e2gan.editor.Editor.apply", "os.replace", "PIL.Image.Image.save"])
def test_interrupted(run: Run, photos: list[str], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, interrupt)
    result = run("apply", "dusk", photos[0], "-o", "out.png")
    assert (result.exit_code, result.stdout) == (130, "")
    assert lines(result.stderr)[-1] == "interrupted"
    assert names(".") == ["photos"]


def test_a_bug_is_not_hidden(run: Run, photos: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Editor, "apply", lambda *args: 1 / 0)
    assert isinstance(run("apply", "dusk", photos[0], "-o", "out.png").exception, ZeroDivisionError)
