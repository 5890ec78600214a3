"""Other processes: what they import, and that they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from e2gan.processes import in_workers, run_python
from e2gan.shield import make_environment_safe, safe_environment

ROOT = Path(__file__).parents[2]

TRAPS = ("pip", "logging", "multiprocessing", "pickle", "signal", "json", "sitecustomize", "e2gan")


@pytest.fixture
def traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder, a PYTHONPATH and a start-up file full of modules that note that they were run."""
    for place in ("here", "path"):
        (tmp_path / place).mkdir()
        for name in TRAPS:
            mark = f"open({str(tmp_path / 'sprung')!r}, 'a').write({f'{place}/{name} '!r})"
            (tmp_path / place / f"{name}.py").write_text(mark)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", str(tmp_path / "path")]))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "path" / "json.py"))
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "path"))
    return tmp_path / "sprung"


def test_pip_is_the_installed_one(traps: Path) -> None:
    done = run_python("-m", "pip", "--version", timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pip ")
    assert not traps.exists()
    assert os.environ["PYTHONPATH"]


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(OSError, match=r"more than 0.5 seconds"):
        run_python("-c", "import time; time.sleep(60)", timeout=0.5)


def test_what_workers_import(traps: Path) -> None:
    assert sorted(in_workers(_here, [1, 2, 3], 2, _nothing)) == [1, 2, 3]
    assert not traps.exists()


def _here(number: int) -> int:
    import json
    import logging

    assert json.__file__ and "here" not in Path(json.__file__).parts
    assert logging.__file__ and "here" not in Path(logging.__file__).parts
    return number


def _nothing() -> None:
    pass


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX", "PYTHONWARNINGS", "PYTHONNEW"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("OTHER", "x")
    before = dict(os.environ)
    with safe_environment():
        found = {name for name in os.environ if name.startswith("PYTHON")}
        assert {"PYTHONSAFEPATH", "PYTHONHASHSEED"} <= found
        assert not found & {
            "PYTHONPATH",
            "PYTHONHOME",
            "PYTHONSTARTUP",
            "PYTHONPYCACHEPREFIX",
            "PYTHONWARNINGS",
            "PYTHONNEW",
        }
        assert os.environ["OTHER"] == "x"
        make_environment_safe()
    assert dict(os.environ) == before


PROGRAM = """
    import os, signal, sys, time
    from pathlib import Path

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    from e2gan.cli.interrupts import end_at_the_second_interrupt
    from e2gan.processes import in_workers

    def begin(seconds):
        Path(f"started-{os.getpid()}").touch()
        time.sleep(seconds)

    def work(item):
        Path(f"working-{os.getpid()}").touch()
        time.sleep(3600)

    if __name__ == "__main__":
        end_at_the_second_interrupt(130)
        Path("ready").touch()
        MAIN
"""

WORKERS = "list(in_workers(work, [1, 2, 3, 4], 2, begin, SECONDS))"


def start(folder: Path, main: str) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM).replace("MAIN", main))
    return subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(folder: Path, pattern: str, count: int = 1) -> None:
    while len(list(folder.glob(pattern))) < count:
        time.sleep(0.02)


def others(process: subprocess.Popen[str], folder: Path) -> list[int]:
    """The workers, by the files they made, that are still there."""
    pids = {int(file.name.partition("-")[2]) for file in folder.glob("*-[0-9]*")}
    return [
        pid for pid in pids if Path(f"/proc/{pid}").exists() and b"Z" not in Path(f"/proc/{pid}/stat").read_bytes()[:60]
    ]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
@pytest.mark.parametrize(
    ("main", "seen", "count"),
    [
        (WORKERS.replace("SECONDS", "0"), "working-*", 2),  # while they work
        (WORKERS.replace("SECONDS", "3600"), "started-*", 1),  # while they start
        (WORKERS.replace("SECONDS", "0"), "ready", 1),  # before there are any
        ("while True:\n            try: time.sleep(3600)\n            except KeyboardInterrupt: pass", "ready", 1),
    ],
)
def test_a_second_interrupt_ends_it(tmp_path: Path, main: str, seen: str, count: int) -> None:
    process = start(tmp_path, main)
    wait_for(tmp_path, seen, count)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    said, _ = process.communicate(timeout=300)  # it hung for ever
    assert process.returncode in (1, 130, -signal.SIGINT), said
    deadline = time.monotonic() + 60
    while (left := others(process, tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
def test_workers_do_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    process = start(tmp_path, WORKERS.replace("SECONDS", "0"))
    wait_for(tmp_path, "working-*", 2)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while (left := others(process, tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
