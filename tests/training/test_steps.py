"""Steps: done once, done again when what they depend on changes, and their time is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.errors import E2GANError
from e2gan.progress import Progress
from e2gan.training import steps as module
from e2gan.training.steps import Steps
from tests.data.test_pairs import json_values


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path / "work" / "steps.json", Progress())


def test_a_step_is_done_once_for_what_it_depends_on(steps: Steps) -> None:
    done: list[int] = []

    def work(shown: Progress) -> dict[str, Any]:
        done.append(1)
        return {"times": len(done)}

    assert steps.run("select", {"seed": 1}, work) == {"times": 1}
    assert Steps(steps.file, Progress()).run("select", {"seed": 1}, work) == {"times": 1}
    assert steps.run("select", {"seed": 2}, work) == {"times": 2}
    assert steps.run("select", {"seed": 2}, work, lambda result: result["times"] == 1) == {"times": 3}
    assert steps.kept("select") == {"times": 3}
    assert steps.kept("train") is None


def test_the_time_of_a_killed_step_is_counted(steps: Steps, clock: Clock) -> None:
    class Killed(Exception):
        pass

    def work(shown: Progress) -> dict[str, Any]:
        clock.now += 12
        shown.advance(1, 2, {})
        clock.now += 3  # what is lost: the next note would come after ten seconds
        raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            steps.run("train", {}, work)

    def rest(shown: Progress) -> dict[str, Any]:
        clock.now += 5
        return {}

    steps.run("train", {}, rest)
    assert steps.times == {"train": 12 + 12 + 5}
    steps.do("train", {}, rest)
    assert steps.times == {"train": 29}, "the same again was only looked at"
    steps.run("train", {"seed": 1}, rest)
    assert steps.times == {"train": 5}


def test_another_process_writes_nothing(steps: Steps) -> None:
    other = Steps(steps.file, Progress(), writes=False)
    assert other.run("select", {}, lambda shown: {"a": 1}) == {"a": 1}
    assert not steps.file.exists()


def test_a_failure_of_the_disk_is_one_for_people(steps: Steps) -> None:
    def work(shown: Progress) -> dict[str, Any]:
        raise OSError(28, "No space left on device", "metrics.jsonl")

    with pytest.raises(E2GANError, match=r"metrics\.jsonl: No space left on device") as caught:
        steps.run("train", {}, work)
    assert caught.value.hint is not None and "free some disk space" in caught.value.hint


records = st.fixed_dictionaries({}, optional={"digest": json_values, "seconds": json_values, "result": json_values})
states = st.dictionaries(
    st.sampled_from(["select", "train"]), json_values | st.dictionaries(st.sampled_from(["done", "begun"]), records)
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps") / "steps.json"


@given(data=st.binary(max_size=100) | (json_values | states).map(lambda value: json.dumps(value).encode()))
def test_whatever_the_file_holds_the_step_is_done_and_kept(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    steps = Steps(file, Progress())
    assert all(isinstance(seconds, (int, float)) for seconds in steps.times.values())
    assert steps.run("train", {"seed": 1}, lambda shown: {"done": True}) == {"done": True}
    assert steps.kept("train") == {"done": True}
