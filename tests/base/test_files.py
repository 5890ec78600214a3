"""Files: whole or not at all, and one error for people."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan import leftovers
from e2gan.errors import E2GANError
from e2gan.files import (
    atomic_folder,
    atomic_path,
    atomic_write,
    check_values,
    finished,
    interrupted,
    parse_json,
    read_bytes,
    read_toml,
    recover,
    sha256_file,
    temporary_folder,
)
from tests.dead import dead_name, foreign_name, own_name


class Interrupted(Exception):
    pass


def test_write_and_replace(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file.txt"
    atomic_write(file, "é")
    assert file.read_bytes() == "é".encode()
    atomic_write(file, b"new")
    assert file.read_bytes() == b"new"
    assert os.listdir(file.parent) == ["file.txt"]


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    atomic_write(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_path_keeps_its_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
    assert os.listdir(tmp_path) == ["picture.png"]


def test_interrupted_path_leaves_the_old_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", b"old")
    with pytest.raises(Interrupted), atomic_path(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise Interrupted
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_folder_replaces_all_of_the_old(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with atomic_folder(tmp_path / "folder") as temporary:
            atomic_write(temporary / "sub" / name, b"x")
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder" / "sub") == ["two"]


def test_interrupted_folder_leaves_the_old(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "old").touch()
    with pytest.raises(Interrupted), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "new").touch()
        raise Interrupted
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == ["old"]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_failed_exchange_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    for name in ("a", "b"):
        atomic_write(tmp_path / "folder" / name, b"old")
    replace, calls = os.replace, []

    def fail(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == step:
            raise OSError(28, "No space left on device")
        replace(source, target)

    with (
        pytest.raises(E2GANError, match=r"cannot write .*folder: No space left"),
        atomic_folder(tmp_path / "folder") as t,
    ):
        (t / "a").touch()
        monkeypatch.setattr(os, "replace", fail)
    assert os.listdir(tmp_path) == ["folder"]
    assert {f.name: f.read_bytes() for f in (tmp_path / "folder").iterdir()} == {"a": b"old", "b": b"old"}


def test_working_folder_and_links_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    for target in (Path("."), tmp_path / "link"):
        with atomic_folder(target) as temporary:
            (temporary / "file").touch()
        assert os.listdir(".") == ["file"]
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_failure_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(E2GANError, match=r"cannot write .*/file/below"):
        atomic_write(tmp_path / "file" / "below", b"")

    def full(self: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(E2GANError, match=r"cannot write .*picture\.png: No space left on device"):
        atomic_write(tmp_path / "picture.png", b"")
    assert os.listdir(tmp_path) == ["file"]


def test_failure_of_another_file_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out"):
        (tmp_path / "in").read_bytes()


def test_digest(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", b"abc")
    assert sha256_file(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(E2GANError, match=r"cannot read .*none"):
        sha256_file(tmp_path / "none")


def test_reading_is_limited(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", b"1234")
    assert read_bytes(tmp_path / "file", limit=4) == b"1234"
    with pytest.raises(E2GANError, match="larger than the 3 bytes"):
        read_bytes(tmp_path / "file", limit=3)
    for path in (tmp_path, tmp_path / "none", "nul\0byte"):
        with pytest.raises(E2GANError):
            read_bytes(path, limit=4)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
def test_devices_are_refused() -> None:
    with pytest.raises(E2GANError, match="not a regular file"):
        read_toml("/dev/zero")


def killed_exchange(folder: Path, moves: int) -> None:
    """Exchange a and b of the folder for b and c in a process that is killed before its rename number ``moves``."""
    for name in ("a", "b"):
        atomic_write(folder / name, b"old")
    child = os.fork()
    if not child:
        replace, calls = os.replace, []

        def die(source: Path, target: Path) -> None:
            calls.append(source)
            if len(calls) == moves:
                os._exit(9)
            replace(source, target)

        with atomic_folder(folder) as new:
            for name in ("b", "c"):
                (new / name).write_bytes(b"new")
            os.replace = die  # type: ignore[assignment]
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (9 if moves < LAST else 0)


LAST = 7
"""One more than the renames of such an exchange."""

OLD, NEW = {"a": b"old", "b": b"old"}, {"b": b"new", "c": b"new"}

with_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@with_fork
@pytest.mark.parametrize("moves", range(1, LAST + 1))
def test_a_folder_whose_writer_was_killed_is_finished(tmp_path: Path, moves: int) -> None:
    """Whoever reads it sees what it will be, and changes nothing; who writes finishes it and leaves nothing behind."""
    folder = tmp_path / "folder"
    killed_exchange(folder, moves)
    before = sorted(tmp_path.rglob("*"))
    with finished(folder) as readable:
        assert content(readable) == (OLD if moves == 1 else NEW)
    assert sorted(tmp_path.rglob("*")) == before
    assert bool(interrupted(folder)) == (1 < moves < LAST)
    recover(folder)
    assert content(folder) == (OLD if moves == 1 else NEW)
    assert not interrupted(folder)
    with atomic_folder(folder) as new:
        (new / "d").write_bytes(b"newest")
    leftovers.sweep(tmp_path)  # which a process does once for each folder
    assert content(folder) == {"d": b"newest"}
    assert os.listdir(tmp_path) == ["folder"]


@with_fork
@pytest.mark.parametrize("moves", range(2, LAST))
def test_a_folder_that_was_changed_since_is_left_to_its_owner(tmp_path: Path, moves: int) -> None:
    folder = tmp_path / "folder"
    killed_exchange(folder, moves)
    for name in ("a", "b", "c"):
        (folder / name).write_bytes(b"mine")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    recover(folder)
    leftovers.sweep(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@with_fork
@pytest.mark.parametrize("moves", range(2, LAST))
def test_a_folder_that_was_removed_since_comes_back_whole(tmp_path: Path, moves: int) -> None:
    folder = tmp_path / "folder"
    killed_exchange(folder, moves)
    shutil.rmtree(folder)
    recover(folder)
    assert content(folder) in (OLD, NEW)
    assert os.listdir(tmp_path) == ["folder"]


@with_fork
@pytest.mark.parametrize("step", [2, 3, 4])
def test_a_recovery_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    folder, replace, calls = tmp_path / "folder", os.replace, []
    killed_exchange(folder, 3)

    def fail(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == step:
            raise OSError(28, "No space left on device", str(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(E2GANError, match="No space left"):
        recover(folder)
    monkeypatch.setattr(os, "replace", replace)
    # This very process has it now, so it still runs: another one goes on.
    (swap,) = tmp_path.glob(".e2gan-*.swap")
    swap.rename(tmp_path / dead_name(kind="swap"))
    recover(folder)
    assert content(folder) == NEW


lookalikes = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.from_regex(r"\.[a-z0-9]{0,12}\.(tmp|old|was|new|swap|part)(\.[a-z]{0,4})?", fullmatch=True),
    st.from_regex(r"\.(folder|e2gan)[-.][0-9a-f]{0,12}(\.|-)(tmp|old|was|new|swap)(\.png)?", fullmatch=True),
    st.from_regex(r"\.?e2gan(-[0-9a-f]{8}){0,3}(-[0-9]{1,5}){0,2}(-[0-9a-f]{12})?\.?(tmp|swap)?", fullmatch=True),
    st.builds(
        lambda name, at, by: name[: at % len(name)] + by + name[at % len(name) :],
        st.sampled_from(["tmp", "swap"]).map(lambda kind: dead_name(kind=kind)),
        st.integers(0, 200),
        st.text("abcdef0123456789.- x", min_size=1, max_size=4),
    ),
)


@given(names=st.sets(lookalikes, max_size=8))
def test_look_alikes_are_left_alone(names: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever lies beside what is written, files or folders, by whatever name: what is not ours stays."""
    place = tmp_path_factory.mktemp("place")
    names = {name for name in names if leftovers.writer(name) != "gone" and name not in (".", "..", "folder", "file")}
    made = []
    for number, name in enumerate(sorted(names)):
        try:
            (place / name).mkdir() if number % 2 else (place / name).write_text("precious")
        except OSError:  # a name no file can have here
            continue
        if number % 2:
            (place / name / "precious").touch()
            (place / name / "new").mkdir()
            (place / name / "plan.json").write_text('{"folder": "folder", "old": [], "new": []}')
        made.append(name)
    for _ in range(2):
        with atomic_folder(place / "folder") as new:
            (new / "inside").touch()
        atomic_write(place / "file", b"")
        recover(place / "folder")
        leftovers.sweep(place)
    assert set(os.listdir(place)) == {*made, "folder", "file"}
    for name in made:
        assert (place / name).read_text() == "precious" if (place / name).is_file() else len(os.listdir(place / name))


def test_what_a_killed_writer_left_goes_and_what_a_running_one_writes_stays(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for place in (folder, outside):
        place.mkdir()
    (outside / "file").touch()
    stay = {own_name(".png"), foreign_name(".png"), ".0123456789ab.tmp.toml", ".hidden.tmp", "a.tmp"}
    for name in {*stay, dead_name(".png"), dead_name()}:
        (folder / name).touch()
    (folder / dead_name()).mkdir()
    (folder / dead_name(kind="swap")).mkdir()
    (folder / dead_name()).symlink_to(outside)
    leftovers.sweep(folder)
    assert set(os.listdir(folder)) == stay
    assert os.listdir(outside) == ["file"]
    leftovers.sweep(tmp_path / "none")


def test_writing_removes_what_was_left_there(tmp_path: Path) -> None:
    (tmp_path / dead_name(".png")).touch()
    atomic_write(tmp_path / "file", b"")
    assert os.listdir(tmp_path) == ["file"]


def test_a_number_used_again_is_not_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    name = own_name()
    assert leftovers.writer(name) == "running"
    began = leftovers._start(os.getpid())
    if began:
        monkeypatch.setattr(leftovers, "_start", lambda pid: began + 1)
        assert leftovers.writer(name) == "gone"
    monkeypatch.setattr(leftovers, "_start", lambda pid: 0)  # where the system does not tell
    assert leftovers.writer(name) == "running"
    place = leftovers._place()
    monkeypatch.setattr(leftovers, "_place", lambda: (place[0], "0" * 8, place[2]))
    assert leftovers.writer(name) == "gone"  # by another boot of this machine
    monkeypatch.setattr(leftovers, "_place", lambda: (place[0], place[1], "0" * 8))
    assert leftovers.writer(name) == "unknown"  # in a container


def test_long_suffixes_are_left_off(tmp_path: Path) -> None:
    target = tmp_path / f"x.{'y' * 240}"
    atomic_write(target, b"")
    assert os.listdir(tmp_path) == [target.name]


def test_a_temporary_folder_takes_what_libraries_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / dead_name()).mkdir()
    (tmp_path / "somebody's").mkdir()
    with temporary_folder(for_libraries=True) as folder:
        assert Path(tempfile.mkdtemp()).parent == folder
    with pytest.raises(Interrupted), temporary_folder() as folder:
        assert tempfile.gettempdir() == str(tmp_path)
        raise Interrupted
    assert os.listdir(tmp_path) == ["somebody's"]


def test_a_full_disk_is_told_whatever_a_library_says_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "file"):
        raise RuntimeError("enforce fail at inline_container.cc")
    monkeypatch.setattr("e2gan.files._free", lambda folder: 0)
    with (
        pytest.raises(E2GANError, match=r"cannot write .*file: No space left on device"),
        atomic_path(tmp_path / "file"),
    ):
        raise RuntimeError("enforce fail at inline_container.cc")
    with pytest.raises(E2GANError, match="mine"), atomic_path(tmp_path / "file"):
        raise E2GANError("mine")
    assert not os.listdir(tmp_path)


numbers = st.one_of(st.integers(), st.integers(2**60, 2**70), st.integers(-(2**70), -(2**60)), st.floats())
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(), numbers), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@given(value=values)
def test_values_from_outside_are_bounded(value: Any) -> None:
    def sound(part: Any) -> bool:
        if isinstance(part, (list, dict)):
            return all(map(sound, part.values() if isinstance(part, dict) else part))
        if isinstance(part, float):
            return math.isfinite(part)
        return not isinstance(part, int) or -(2**63) <= part < 2**63

    if sound(value):
        check_values(value)
        assert parse_json(json.dumps(value)) == value
    else:
        with pytest.raises(ValueError):
            check_values(value)
        with pytest.raises(ValueError):
            parse_json(json.dumps(value))


@pytest.mark.parametrize(
    "text",
    [
        "1e999",
        "-1e999",
        "NaN",
        "9" * 400,
        "9" * 5000,
        "[" * 17 + "]" * 17,
        "[" * 100_000,
        '{"a": 1, "a": 2}',
        "\ufeff1",
        "{",
    ],
)
def test_json_from_outside(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text.encode())
    assert parse_json("[" * 16 + "]" * 16) is not None
    with pytest.raises(ValueError, match="UTF-8"):
        parse_json(b"\xff")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("x = 0x" + "f" * 4000, "x must be a whole number of at most 64 bits"),
        ("a.b = [1, " + "9" * 400 + "]", r"a\.b\[1\] must be a whole number of at most 64 bits"),
        ('"\\u001b[31m" = ' + "9" * 400, r"\\x1b\[31m must be a whole number"),
        ("x = " + "[" * 20 + "]" * 20, "nested too deeply"),
        ("x = " + "9" * 4090, "at most 64 bits"),
    ],
)
def test_toml_from_outside(tmp_path: Path, line: str, fault: str) -> None:
    atomic_write(tmp_path / "file.toml", line)
    with pytest.raises(E2GANError, match=fault) as error:
        read_toml(tmp_path / "file.toml")
    assert str(error.value).isprintable()
