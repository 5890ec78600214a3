"""What the libraries say that training imports, which is nothing a maker can act on."""

from __future__ import annotations

import subprocess
import sys

import pytest

LORA = """
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig, Ranks
from e2gan.models.lora import attach

attach(Generator(GeneratorConfig(prompt_dim=16, width=8, res_blocks=1, tb_positions=(1,))), Ranks())
"""

PROMPT = """
from e2gan.models.prompt import PromptEncoder

PromptEncoder().encode("a woodcut")
"""


@pytest.mark.parametrize("loads", [LORA, PROMPT], ids=["PEFT", "transformers"])
def test_loading_a_library_prints_nothing_and_later_warnings_are_heard(loads: str) -> None:
    """Where torchao is installed, both import it, and it logs each kernel that it cannot load."""
    code = loads + "\nimport logging\nlogging.warning('heard')\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert (done.stdout, done.stderr) == ("", "WARNING:root:heard\n")
