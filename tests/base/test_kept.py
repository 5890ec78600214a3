"""What is kept: made once for what it depends on, and again when that changes or the file is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.kept import digest_of, folder_of, kept, read_state


class Work:
    """Counts how often it is done."""

    def __init__(self, **result: Any) -> None:
        self.result, self.times = result, 0

    def __call__(self) -> dict[str, Any]:
        self.times += 1
        return {**self.result, "times": self.times}


def test_it_is_made_once(tmp_path: Path) -> None:
    work, file = Work(), tmp_path / "folder" / "result.json"
    assert kept(file, work) == kept(file, work) == read_state(file) == {"times": 1}


def test_it_is_made_again_when_it_holds_no_more(tmp_path: Path) -> None:
    work, file = Work(digest="a"), tmp_path / "result.json"
    for digest, times in (("a", 1), ("a", 1), ("b", 2)):
        work.result["digest"] = digest
        made = kept(file, work, sound=lambda result, digest=digest: result.get("digest") == digest)
        assert made == {"digest": digest, "times": times}


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(damage)
    assert read_state(file) == {}
    assert kept(file, Work()) == {"times": 1}


def test_what_fails_keeps_nothing(tmp_path: Path) -> None:
    def fail() -> dict[str, Any]:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError):
        kept(tmp_path / "result.json", fail)
    assert list(tmp_path.iterdir()) == []


@given(
    st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False, allow_infinity=False)))
)
def test_a_folder_is_named_by_what_decides_it(needs: dict[str, Any]) -> None:
    folder = folder_of(Path("runs/tab5"), needs, digits=10)
    assert folder == Path(f"runs/tab5-{digest_of(needs)[:10]}")
    assert folder == folder_of(Path("runs/tab5"), dict(reversed(needs.items())), digits=10)
    assert folder != folder_of(Path("runs/tab5"), {**needs, "one more": 1}, digits=10)
