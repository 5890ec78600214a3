"""Data distillation: a teacher edits photos in parallel, each process one picture or batch at a time (paper §3).

The caller decides where the pictures go: `e2gan.data.make_pairs` lays them out as a dataset.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from e2gan.data.crew import Crew, Distilled, Job, edit
from e2gan.data.teachers import make_teacher
from e2gan.errors import TeacherError
from e2gan.plugins import registry
from e2gan.processes import BrokenProcessPool, default_workers, in_workers
from e2gan.recipe import Framing

__all__ = ["distill"]


def distill(
    teacher_id: str,
    options: Mapping[str, Any],
    jobs: Sequence[Job],
    *,
    framing: Framing | None = None,
    workers: int | None = None,
    ray: bool = False,
) -> Generator[Distilled, None, None]:
    """Run a teacher over photos; yield each job when it is done, in any order.

    Photos are turned upright and framed (`frame`); a JPEG that needs neither is kept byte for byte.  Each picture is
    written atomically.  `workers` processes of one thread each share the work (default: one a processor; 1 runs in
    this process, as does a teacher that asks for it).  With `ray`, the workers of a Ray cluster do it
    (`e2gan.data.cluster`).  Leaving the iterator early, or Ctrl-C, drops the jobs not yet started and lets the running
    ones finish their picture; a second Ctrl-C stops them.

    Raises TeacherError when the teacher cannot be made or a worker process dies, E2GANError when a picture
    cannot be written.
    """
    framing = framing or Framing()
    factory = registry().get("teacher", teacher_id).factory
    teacher = make_teacher(teacher_id, options)
    in_process = getattr(teacher, "in_process", False)
    batch = max(getattr(teacher, "batch_size", 1), 1) if hasattr(teacher, "edit_batch") else 1
    batches = [jobs[start : start + batch] for start in range(0, len(jobs), batch)]
    crew = Crew(factory, teacher_id, dict(options), framing)
    if ray and batches:
        from e2gan.data.cluster import run_on_ray

        crew.check()
        yield from run_on_ray(crew, batches, workers, alone=in_process)
        return
    workers = min(default_workers() if workers is None else workers, len(batches))
    if workers <= 1 or in_process:
        for some in batches:
            yield from edit(teacher, some, framing)
        return
    crew.check()
    try:
        # Close at once when interrupted, so that nothing is still being written when this returns.
        with closing(in_workers(_edit_in_worker, batches, workers, _begin_worker, crew)) as done:
            for results in done:
                yield from results
    except BrokenProcessPool:
        raise TeacherError(
            f"a process running the teacher '{teacher_id}' died",
            hint="it may have run out of memory: try fewer workers; finished pairs are kept",
        ) from None


_crew: Crew
"""The crew of a worker process."""


def _begin_worker(crew: Crew) -> None:
    global _crew
    crew.begin()
    _crew = crew


def _edit_in_worker(jobs: Sequence[Job]) -> list[Distilled]:
    return _crew.edit(jobs)
