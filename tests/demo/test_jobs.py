"""Long jobs: the time that is left, and cancelling."""

from __future__ import annotations

import pytest

from e2gan_demo.jobs import MOST, Cancelled, Jobs


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(clock: Clock) -> Jobs:
    return Jobs(clock)


def test_the_time_left_follows_from_what_is_done(jobs: Jobs, clock: Clock) -> None:
    with jobs.running("a", 10) as job:
        assert jobs.left("a") is None, "nothing is known yet"
        clock.now += 6
        job.advance(0.25)
        assert jobs.left("a") == 18
        job.advance(0.2)
        assert jobs.left("a") == 18, "it does not go back"
    assert jobs.left("a") is None


def test_a_second_job_is_known_from_the_first(jobs: Jobs, clock: Clock) -> None:
    with jobs.running("a", 10):
        clock.now += 20
    with jobs.running("b", 30):
        clock.now += 5
        assert jobs.left("b") == 55
        clock.now += 100
        assert jobs.left("b") == 0


def test_a_cancelled_job_ends_where_it_reports(jobs: Jobs) -> None:
    with pytest.raises(Cancelled), jobs.running("a", 1) as job:
        job.advance(0.1)
        jobs.cancel("a")
        job.advance(0.2)
    assert jobs.left("a") is None


def test_a_job_may_be_cancelled_before_it_begins(jobs: Jobs) -> None:
    jobs.cancel("a")
    with pytest.raises(Cancelled), jobs.running("a", 1):
        pytest.fail("it has begun")
    with jobs.running("a", 1):
        pass


@pytest.mark.parametrize("name", [None, 3, "", "x" * 65, ["a"], {"a": 1}])
def test_names_from_outside(jobs: Jobs, name: object) -> None:
    jobs.cancel(name)
    assert jobs.left(name) is None
    with jobs.running(name, 1) as job:
        job.advance(0.5)
        assert jobs.left(name) is None


def test_cancelling_what_never_comes_takes_no_memory(jobs: Jobs) -> None:
    for number in range(3 * MOST):
        jobs.cancel(str(number))
    assert len(jobs._jobs) == MOST
