"""Distillation on the workers of a Ray cluster, through Ray Data (the extra ``e2gan[ray]``).

The workers read the photos and write the pairs themselves, as local processes do: with the same names and bytes,
each file whole or absent.  So photos and pairs must be in a folder that all machines share, and e2gan and the
teacher's package must be installed on all of them.  Ray replaces a worker that dies and repeats its batch.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import sysconfig
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from e2gan.data.crew import Crew, Distilled, Job
from e2gan.errors import DataError, E2GANError, MissingExtraError, TeacherError
from e2gan.processes import default_workers
from e2gan.shield import safe_environment

__all__ = ["run_on_ray"]

RETRIES = 3
"""How often a batch whose worker died is repeated before the batch counts as the cause."""

TASKS = 2000
"""Maximum number of tasks that a job is split into."""


def run_on_ray(
    crew: Crew, batches: Sequence[Sequence[Job]], workers: int | None, *, alone: bool
) -> Generator[Distilled, None, None]:
    """Have a cluster edit the batches; yields as `e2gan.data.distill.distill` does.

    The cluster is the one in ``RAY_ADDRESS``, or one that runs on this machine, or else one that is started
    for the job with ``workers`` processes and stopped afterwards.

    Args:
        workers: number of workers; by default one for each processor of the cluster, or each GPU if ``alone``.
        alone: whether the teacher is too large for a worker on each processor.

    Raises:
        MissingExtraError: Ray is not installed.
        TeacherError: a worker could not make the teacher, or died again and again.
        E2GANError: there is no such cluster, or a picture could not be written.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error
    written: list[Job] = []
    files = {name: os.path.abspath(v) for name, v in crew.options.items() if isinstance(v, str) and os.path.isfile(v)}
    crew = replace(crew, options={**crew.options, **files})
    with _cluster(min(workers or default_workers(), len(batches))):
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0)) if alone else 0
        most = gpus or (1 if alone else int(there.get("CPU", 1)))
        size = max(1, min(most, workers or most, len(batches)))
        rows = [{"index": n, "jobs": pickle.dumps([_absolute(job) for job in jobs])} for n, jobs in enumerate(batches)]
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised below
        worker: Any = _Worker  # Ray's types do not accept a class of callables
        with warnings.catch_warnings():
            # Ray warns that this way to set retries will change.
            warnings.simplefilter("ignore", DeprecationWarning)
            faults = ray.data.from_items(rows, override_num_blocks=min(len(rows), TASKS)).map(
                worker,
                fn_constructor_args=(pickle.dumps(crew),),
                compute=ray.data.ActorPoolStrategy(size=size),
                num_gpus=1 if gpus else None,
                # By default Ray retries for ever.
                ray_remote_args_fn=lambda: {"max_task_retries": RETRIES},
            )
        try:
            for row in faults.iter_rows():
                for result in _results(batches[row["index"]], pickle.loads(row["faults"])):
                    written += [] if result.fault else [result.job]
                    yield result
        except ray.exceptions.RayError as error:
            raise TeacherError(
                f"Ray's workers could not run the teacher '{crew.teacher_id}' ({_last_line(error)})",
                hint="if they died, they may have run out of memory: try fewer workers; finished pairs are kept",
            ) from error
    # Only at the end: a network file system may take a while to show what another machine wrote.
    for job in written:
        if not job.output.is_file():
            raise DataError(
                f"{job.output}: a worker wrote it where this machine does not see it",
                hint="photos and pairs must be in a folder that all machines of the cluster share",
            )


def _results(jobs: Sequence[Job], faults: dict[str, str | None] | Exception) -> Generator[Distilled, None, None]:
    if isinstance(faults, Exception):
        raise faults
    for job in jobs:
        yield Distilled(job, faults[str(_absolute(job).output)])


class _Worker:
    """An actor of Ray Data that edits batches of jobs; the jobs are pickled, so that Ray need not understand them."""

    def __init__(self, crew: bytes) -> None:
        self._pickled = crew
        self._crew: Crew | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"index": row["index"], "faults": pickle.dumps(self._edit(row["jobs"]))}

    def _edit(self, jobs: bytes) -> dict[str, str | None] | Exception:
        """The fault of each job by its output; or an error of the whole batch, which Ray would wrap if raised."""
        try:
            if self._crew is None:
                crew: Crew = pickle.loads(self._pickled)
                crew.begin()
                self._crew = crew
            return {str(result.job.output): result.fault for result in self._crew.edit(pickle.loads(jobs))}
        except (E2GANError, ImportError) as error:
            return error


def _absolute(job: Job) -> Job:
    """The job with absolute paths, for a process that may run in another folder."""
    photo, input, output = (Path(os.path.abspath(file)) for file in (job.photo, job.input, job.output))
    return replace(job, photo=photo, input=input, output=output)


@contextmanager
def _cluster(workers: int) -> Iterator[None]:
    """Connect this process to a cluster; a cluster that is started for the job is stopped afterwards."""
    import ray

    if ray.is_initialized():
        yield
        return
    # The workers must import the same modules as this process, but Ray would add the current folder.
    paths = [path for path in sys.path if os.path.isabs(path)]
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "error",
        "job_config": ray.job_config.JobConfig(_py_driver_sys_path=paths),
    }
    with _away(), safe_environment():
        _begin(workers, quiet)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _away() -> Iterator[None]:
    """Change to a folder that is on the import path anyway, and back afterwards."""
    here = os.getcwd()
    os.chdir(sysconfig.get_path("purelib"))
    try:
        yield
    finally:
        os.chdir(here)


def _begin(workers: int, quiet: dict[str, Any]) -> None:
    import ray

    try:
        ray.init("auto", **quiet)
    except ConnectionError as error:
        if address := os.environ.get("RAY_ADDRESS"):
            raise E2GANError(
                f"no Ray cluster at {address}, which RAY_ADDRESS names", hint="start it: ray start"
            ) from error
        # Do not send usage reports to Ray's makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(num_cpus=workers, include_dashboard=False, **quiet)
        except Exception as fault:  # Ray raises a plain Exception here
            raise E2GANError(
                f"Ray could not be started on this machine ({_last_line(fault)})",
                hint="try again when the machine is less busy",
            ) from fault


def _last_line(error: Exception) -> str:
    """The last line of an error, which sums up its traceback."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
