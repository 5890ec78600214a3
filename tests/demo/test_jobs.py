"""Long jobs: the time that is left, and cancelling."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2gan.errors import E2GANError
from e2gan_demo.jobs import MOST, Cancelled, Jobs, Turns


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


def test_the_first_edit_is_slow_and_counts_little(jobs: Jobs) -> None:
    for seconds in (50, 1, 2):
        jobs.measured(10, seconds)
    assert jobs.expected(10) == pytest.approx(1.3)


def test_a_job_ends_with_its_page(jobs: Jobs) -> None:
    with jobs.running(None, 1, session="mine") as mine, jobs.running(None, 1, session="") as nobodys:
        jobs.leave("other")
        jobs.leave("")
        mine.advance(0.1)
        jobs.leave("mine")
        with pytest.raises(Cancelled):
            mine.advance(0.2)
        nobodys.advance(0.2)


def test_a_job_may_take_so_long(jobs: Jobs, clock: Clock) -> None:
    with jobs.running("a", 1, longest=60) as job:
        clock.now += 60
        job.advance(0.1)
        clock.now += 1
        with pytest.raises(E2GANError, match="longer than is allowed"):
            job.advance(0.2)


def test_closing_ends_all_jobs_and_lets_none_begin(jobs: Jobs) -> None:
    begun = threading.Event()

    def work() -> None:
        with jobs.running("a", 1) as job:
            begun.set()
            while True:
                job.advance(0.1)

    with ThreadPoolExecutor(1) as side:
        future = side.submit(work)
        assert begun.wait(60)
        jobs.close(60)
        with pytest.raises(Cancelled):
            future.result(0)
    with pytest.raises(Cancelled), jobs.running("b", 1):
        pytest.fail("it has begun")


class TestTurns:
    def test_one_after_the_other_in_their_order(self, jobs: Jobs) -> None:
        turns, order = Turns(), []
        begun, go_on = threading.Event(), threading.Event()

        def work(name: str) -> None:
            with jobs.running(name, 1, turns=turns, visitor=name):
                order.append(name)
                begun.set()
                go_on.wait(60)

        with ThreadPoolExecutor(3) as side:
            futures = []
            for place, name in enumerate("abc"):
                futures.append(side.submit(work, name))
                while turns.ahead(jobs.find(name)) != place or jobs.find(name) is None:
                    pass
            assert begun.wait(60)
            assert order == ["a"] and jobs.left("b") is None
            jobs.cancel("b")
            with pytest.raises(Cancelled):
                futures[1].result(60)
            go_on.set()
            futures[2].result(60)
        assert order == ["a", "c"]

    def test_few_may_wait(self, jobs: Jobs) -> None:
        turns = Turns(most=2, each=1)
        with jobs.running("a", 1, turns=turns, visitor="a") as job:
            with pytest.raises(E2GANError, match="of yours"), jobs.running("b", 1, turns=turns, visitor="a"):
                pytest.fail("it has begun")
            job.cancelled = True  # and takes its time to end
            with ThreadPoolExecutor(1) as side:

                def work() -> None:
                    with jobs.running("c", 1, turns=turns, visitor="a"):
                        pass

                waiting = side.submit(work)
                while turns.ahead(jobs.find("c")) != 1:
                    pass
                job.cancelled = False
                with pytest.raises(E2GANError, match="too many clips"), jobs.running("d", 1, turns=turns, visitor="d"):
                    pytest.fail("it has begun")
                jobs.cancel("c")
                with pytest.raises(Cancelled):
                    waiting.result(60)


def test_cancelling_what_never_comes_takes_no_memory(jobs: Jobs) -> None:
    for number in range(3 * MOST):
        jobs.cancel(str(number))
    assert len(jobs._jobs) == MOST
