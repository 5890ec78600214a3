"""Measure everything: ``python -m benchmarks --data PHOTOS``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    backends,
    baselines,
    clustering,
    coreml,
    demo,
    distill,
    export,
    hub,
    lite,
    quality,
    speed,
    startup,
    switching,
)
from benchmarks.measuring import parser, report, script


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--data", type=Path, required=True, help="folder of photos, to distil and to measure on")
    options = command.parse_args(arguments)
    figures = {
        "speed": speed.measure(),
        "backends": backends.measure(),
        "lite": [*lite.measure(), *lite.measure_apply()],
        "baselines": baselines.measure(),
        "switching": switching.measure(),
        "startup": startup.measure(),
        "distill": distill.measure(options.data),
        "clustering": clustering.measure(),
        "hub": hub.measure(),
        "export": export.measure(options.data),
        "coreml": coreml.measure(),
        "demo": demo.measure(),
        "quality": quality.measure(options.data),
    }
    report(figures, options.output)


if __name__ == "__main__":
    script(main)
