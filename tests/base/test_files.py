"""Files: whole or not at all, and one error for people."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2gan.errors import E2GANError
from e2gan.files import atomic_folder, atomic_path, atomic_write, mend, read_bytes, read_toml, sha256_file


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moves", range(1, 8))
def test_a_folder_whose_writer_was_killed_is_mended(tmp_path: Path, moves: int) -> None:
    """Two files are exchanged for two others in six renames; killed before each of them, or not at all."""
    folder = tmp_path / "folder"
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
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (9 if moves < 7 else 0)
    mend(folder)
    found = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert found == ({"a": b"old", "b": b"old"} if moves == 1 else {"b": b"new", "c": b"new"})
    assert os.listdir(tmp_path) == ["folder"]
    mend(folder)
    assert len(os.listdir(folder)) == 2


def test_mending_removes_what_a_killed_writer_left_and_nothing_else(tmp_path: Path) -> None:
    for name in (".0123456789ab.tmp.toml", ".0123456789ab.tmp", ".hidden.tmp", "a.tmp"):
        (tmp_path / "folder" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "folder" / name).touch()
    mend(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path / "folder")) == [".hidden.tmp", "a.tmp"]
    mend(tmp_path / "none")
