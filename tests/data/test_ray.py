"""Distillation over Ray: a worker that is killed loses nothing, and the pairs are those of local processes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from e2gan.data import crew, teachers
from e2gan.data.cluster import run_on_ray
from e2gan.errors import MissingExtraError
from e2gan.installing import install_command
from e2gan.recipe import Framing

with_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: e2gan[ray]")

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from PIL import ImageOps

MARK = Path(sys.argv[0]).parent / "killed"

class Mortal:
    "Its first picture kills the process that makes it."

    def __call__(self, photo):
        time.sleep(0.02)
        try:
            MARK.touch(exist_ok=False)
        except FileExistsError:
            return ImageOps.invert(photo)
        os.kill(os.getpid(), signal.SIGKILL)

class Weightless:
    def load(self):
        from e2gan.errors import TeacherError
        raise TeacherError("no weights here", hint="take another")

    __call__ = load

if __name__ == "__main__":
    import ray
    import mortal
    from e2gan.errors import TeacherError
    from e2gan.recipe import Recipe, TeacherChoice
    from e2gan.data import make_pairs
    from tests import throwaway

    for attempt in range(5):  # Ray gives up on itself where the machine is busy with other tests
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            break
        except Exception:
            ray.shutdown()
    throwaway.offer(teachers={"mortal": mortal.Mortal, "weightless": mortal.Weightless})
    recipe = Recipe((TeacherChoice("mortal"),))
    report = make_pairs.write_pairs("photos", "ray", recipe, workers=2, ray=True)
    make_pairs.write_pairs("photos", "local", recipe, workers=1)
    try:
        make_pairs.write_pairs("photos", "none", Recipe((TeacherChoice("weightless"),)), ray=True)
    except TeacherError as error:
        said = {"made": report.made, "skipped": dict(report.skipped), "error": [str(error), error.hint]}
        Path("said.json").write_text(json.dumps(said))  # what is printed, Ray adds its own to
"""


@with_ray
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(12):
        Image.effect_noise((64, 64), 10 + number).convert("RGB").save(tmp_path / f"photos/{number}.png")
    (tmp_path / "photos/broken.jpg").write_text("no photo")
    (tmp_path / "mortal.py").write_text(PROGRAM.replace("sys.argv[0]", "__file__"))
    root = Path(teachers.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "mortal.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["made"] == 12
    assert list(said["skipped"]) == ["broken.jpg"]
    assert said["error"] == ["no weights here", "take another"]
    made = {name: {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*.jpg")} for name in ("ray", "local")}
    assert len(made["ray"]) == 12 * 2 + 1
    assert made["ray"] == made["local"]


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    job = crew.Job(tmp_path / "a", "", tmp_path / "b", tmp_path / "c")
    with pytest.raises(MissingExtraError) as error:
        list(run_on_ray(crew.Crew(dict, "t", {}, Framing(64)), [[job]], None, alone=False))
    assert error.value.hint == install_command("e2gan[ray]")
