"""``e2gan apply`` in a process of its own, which says whether it imported PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import e2gan

SCRIPT = """
import sys
from e2gan.cli import cli
try:
    cli(sys.argv[1:])
finally:
    print("torch" in sys.modules)
"""


def imports_torch(*words: str | os.PathLike[str], distribution: str, cache: Path) -> bool:
    """Whether the command, which must succeed with only this distribution of ours, imports PyTorch."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(e2gan.__file__).parents[1]),
        "E2GAN_LOAD_PLUGINS": distribution,
        "XDG_CACHE_HOME": str(cache),
    }
    command = [sys.executable, "-c", SCRIPT, *map(str, words)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return {"True": True, "False": False}[result.stdout.strip()]
