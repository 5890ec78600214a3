"""A training that is killed again and again ends with the adapter of one that never was.

Run as a program, this file is what is killed: it makes a child for each life, and the child kills itself before one
of its writes.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_again_and_again_it_gives_the_same_adapter(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "E2GAN_LOAD_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lives = int(done.stdout)
    assert lives > 5
    whole, killed = (tmp_path / name / "negative" for name in ("whole", "killed"))
    (bundle,) = killed.glob("*/bundle")
    assert {file.name for file in bundle.iterdir()} == {file.name for file in next(whole.glob("*/bundle")).iterdir()}
    for file in ("adapter_model.safetensors", "adapter_config.json", "prompt.safetensors", "preview.webp"):
        assert (bundle / file).read_bytes() == next(whole.glob(f"*/bundle/{file}")).read_bytes()
    assert not [file for file in killed.rglob(".*") if file.name != ".gitignore"]


def main(folder: Path) -> None:
    from tests.training import concepts

    for slow in ("peft", "sklearn.cluster", "scipy.optimize"):
        importlib.import_module(slow)  # once, and not in every life
    concepts.stand_in(setattr)
    concepts.tiny_base(folder / "base")
    for name in ("whole", "killed"):
        concepts.distribution(folder / name / "negative")
    concepts.photos(folder / "photos")
    assert life(folder, "whole") == 0
    lives = 1
    # Each life is two writes longer than the last, so each gets on: what it finds done it need not do again.
    while (status := life(folder, "killed", dies_at=2 * lives)) != 0:
        assert status == -signal.SIGKILL, status
        lives += 1
    print(lives)


def life(folder: Path, name: str, dies_at: int = 0) -> int:
    """Train in a child that kills itself before its write number ``dies_at``; its exit code."""
    child = os.fork()
    if not child:
        live(folder, name, dies_at)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def live(folder: Path, name: str, dies_at: int) -> NoReturn:
    from functools import partial

    from e2gan.training import concept as training
    from e2gan.training import loop

    replace, writes = os.replace, 0

    def die(source: Path, target: Path) -> None:
        nonlocal writes
        writes += 1
        if writes == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = die  # type: ignore[assignment]
    loop.draw_metrics = lambda *files: None
    training.Trainer = partial(training.Trainer, checkpoint_every=0.0)  # type: ignore[assignment,misc]
    try:
        training.train_concept(
            folder / name / "negative",
            folder / "photos",
            work=folder / name / "work",
            base=folder / "base",
            workers=1,
            device="cpu",
        )
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
