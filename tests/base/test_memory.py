"""Sizes of memory in words, and how much there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan import memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("1.5GB", 1_500_000_000), ("800 mb", 800_000_000), ("2GiB", 2 * 2**30), ("64M", 64_000_000), ("123", 123)],
)
def test_sizes_in_words(text: str, size: int) -> None:
    assert memory.parse(text) == size


@given(st.text(max_size=20))
def test_anything_else_is_refused(text: str) -> None:
    try:
        assert memory.parse(text) >= 0
    except ValueError as error:
        assert "1.5GB" in str(error)


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1e9", "1,5GB", "٣GB", "1GB2", "nan", "inf"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.5GB"):
        memory.parse(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GB left, in no container."""
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000000000\n")
    monkeypatch.setattr(memory, "SYSTEM", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_what_the_system_has_left(machine: Path) -> None:
    assert memory.left() == 8_192_000_000


def test_a_container_has_less(machine: Path) -> None:
    (machine / "memory.max").write_text("4000000000\n")
    assert memory.left() == 1_000_000_000


def test_a_container_has_nothing_left(machine: Path) -> None:
    (machine / "memory.max").write_text("2000000000\n")
    assert memory.left() == 0


def test_unknown_on_other_systems(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SYSTEM", "CGROUP", "PROCESS"):
        monkeypatch.setattr(memory, name, machine / "missing")
    assert memory.left() is None
    assert memory.taken() > 0


def test_the_process_holds_something() -> None:
    before = memory.taken()
    held = bytearray(b"x" * 200_000_000)
    assert memory.taken() - before > 100_000_000
    del held
