"""How much of the machine's processors distilling uses, and how many photos a second it edits."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figure, parser, report, script
from e2gan.data.crew import Job
from e2gan.data.distill import distill
from e2gan.data.folders import find_photos
from e2gan.errors import DataError
from e2gan.files import sha256_file
from e2gan.processes import default_workers

TEACHER, OPTIONS = "magenta-multistyle", {"style": 19}


def measure(
    data: Path, *, photos: int = 256, teacher: str = TEACHER, options: Mapping[str, Any] = OPTIONS
) -> list[Figure]:
    """The figures of editing ``photos`` photos in ``data`` (or as many as there are) with the bundled teacher.

    All processes are counted, from before the first starts until after the last has ended.

    Raises:
        DataError: there are no photos, or one cannot be edited.
        TeacherError: the teacher is not installed.
    """
    files = [file for _, file in find_photos(data)][:photos]
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(file, sha256_file(file), Path(folder, f"{number}-photo.jpg"), Path(folder, f"{number}-edit.jpg"))
            for number, file in enumerate(files)
        ]
        start, before = time.perf_counter(), _processor_seconds()
        for result in distill(teacher, options, jobs):
            if result.fault:
                raise DataError(f"{result.job.photo}: {result.fault}")
        seconds, used = time.perf_counter() - start, _processor_seconds() - before
    cores = default_workers()
    return [
        Figure("photos", len(files)),
        Figure(f"distilling with {teacher}, {cores} processes", len(files) / seconds, "/s"),
        Figure(f"share of {cores} processors used", used / seconds / cores, at_least=0.9),
    ]


def _processor_seconds() -> float:
    """Processor time of this process and of its ended children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--data", type=Path, required=True, help="folder of photos")
    command.add_argument("--photos", type=int, default=256, help="how many of them (default: %(default)s)")
    options = command.parse_args(arguments)
    report({"distill": measure(options.data, photos=options.photos)}, options.output)


if __name__ == "__main__":
    script(main)
