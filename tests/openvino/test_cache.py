"""Compiled networks are kept: sound, few, and never a reason to fail."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import openvino
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.base import Base
from e2gan.errors import E2GANWarning
from e2gan_openvino import cache
from e2gan_openvino.backend import OpenVinoGenerator

COMPILE = openvino.Core.compile_model


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "e2gan" / "openvino"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What has been compiled."""
    models: list[Any] = []

    def compile_model(self: Any, *arguments: Any, **more: Any) -> Any:
        models.append(arguments[0])
        return COMPILE(self, *arguments, **more)

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    return models


def start(base: Base, precision: str = "float32") -> OpenVinoGenerator:
    return OpenVinoGenerator(base, precision=precision, threads=1)


def test_a_network_is_compiled_once(base: Base, new_base: Base, own_cache: Path, compiled: list[Any]) -> None:
    for each in (base, base, new_base, new_base, base):
        start(each)
    assert len(compiled) == len([*own_cache.iterdir()]) == 2


@pytest.mark.parametrize("damage", [b"", b"x" * 10, b"x" * 1000])
def test_a_damaged_file_is_made_again(base: Base, own_cache: Path, compiled: list[Any], damage: bytes) -> None:
    start(base)
    (file,) = own_cache.iterdir()
    sound = file.read_bytes()
    file.write_bytes(damage or sound[:-1])
    start(base)
    start(base)
    assert len(compiled) == 2
    assert cache.read(file) is not None


def test_a_network_that_openvino_refuses_is_made_again(base: Base, own_cache: Path, compiled: list[Any]) -> None:
    start(base)
    (file,) = own_cache.iterdir()
    cache.keep(file, b"from another version")
    start(base)
    assert len(compiled) == 2


def test_another_version_has_another_file(base: Base, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(base)
    monkeypatch.setattr(openvino, "get_version", lambda: "2099.1")
    start(base)
    assert len([*own_cache.iterdir()]) == 2


def test_a_cache_that_cannot_be_written_is_one_note(base: Base, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.warns(E2GANWarning, match="compiled networks are not kept: .*cache") as caught:
        start(base)
    assert len(caught) == 1


def test_several_at_once_leave_one_sound_file(base: Base, own_cache: Path) -> None:
    threads = [threading.Thread(target=start, args=[base]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = own_cache.iterdir()
    assert cache.read(file) is not None


def test_the_ones_used_longest_ago_make_room(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 1000)
    files = [cache.file_for({"number": number}) for number in range(4)]
    for age, file in enumerate(files[:3]):
        cache.keep(file, bytes(250))
        os.utime(file, (age, age))
    assert cache.read(files[0]) == bytes(250), "and it is the newest now"
    cache.keep(files[3], bytes(250))
    assert {file for file in files if file.exists()} == {files[0], files[2], files[3]}
    cache.keep(files[1], bytes(2000))
    assert not files[1].exists(), "what is larger than all together is not kept"


@given(data=st.binary(max_size=200))
def test_nothing_unsound_is_read(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "any.compiled"
    file.write_bytes(data)
    assert cache.read(file) is None
