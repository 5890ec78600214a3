"""What comes from outside: no character of it rewrites the terminal, no fault of it ends in a traceback."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from e2gan.cli import cli, program
from e2gan.cli.output import Output
from e2gan.errors import ConceptError, E2GANWarning
from e2gan.terminal import echo, one_line, printable, say

EVIL = "\x1b]0;taken\x07\x1b[2J\u202egnp.exe\u200f\x9b31m\r\x00\udc80\u2028\x7f"

BUNDLE = """\
schema = 1
id = "evil"
title = "Evil"
version = "1.0.0"
prompt = "evil"
license = "apache-2.0"
[base]
id = "tiny"
sha256 = "{zeros}"
[recipe]
teacher = "grade"
[recipe.teacher_options]
"k\\u001b[31m" = "{evil}"
[quality]
"k\\u001b[31m\\u202e" = "{evil}"
{more}
"""


def bundle(folder: Path, more: str = "") -> Path:
    folder.mkdir()
    evil = json.dumps(EVIL.replace("\udc80", "").replace("\0", ""))[1:-1]
    text = BUNDLE.format(zeros="0" * 64, evil=evil, more=more)
    (folder / "concept.toml").write_text(text, "utf-8")
    return folder


def harmless(text: str) -> bool:
    return all(
        each in "\n\t" or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for each in text
    )


@given(st.text())
def test_printable(text: str) -> None:
    assert harmless(printable(text))
    assert printable(printable(text)) == printable(text)
    assert harmless(one_line(text)) and "\n" not in one_line(text)
    if harmless(text):
        assert printable(text) == text


def test_what_is_harmless_stays() -> None:
    for text in ("a\n\tb", "é 😀 —  漢字 ½", "no\u00a0break"):
        assert printable(text) == text
    assert printable("\x1b[2J\u202e\r") == "\\x1b[2J\\u202e\\r"


@given(st.text(), st.text())
def test_errors_and_what_is_printed(message: str, hint: str) -> None:
    error = ConceptError(message, hint=hint)
    assert harmless(f"{error}{error.hint}")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        echo(message)
        say(message)
        Output().table(("A", message), [(hint, message)])
        Output().figures({message: [hint], hint: {message: 1}})
        program.report(error)
        with Output().warnings():
            import warnings

            warnings.warn(E2GANWarning(message), stacklevel=1)
            warnings.warn(message, stacklevel=1)
    assert harmless(out.getvalue() + err.getvalue())


@pytest.mark.parametrize("arguments", [("show",), ("show", "--json")])
def test_a_bundle_is_shown(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*arguments, str(bundle(tmp_path / "b"))])
    assert result.exit_code == 0, result.output
    assert harmless(result.output)
    assert "taken" in result.output


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('"\\u001b[2J" = 0x' + "f" * 4000, "64 bits"),
        ("x = " + "9" * 400, "x must be a whole number of at most 64 bits"),
        ("x = 1e999", "finite"),
        ("x = " + "[" * 40 + "]" * 40, "nested too deeply"),
        ('["\\u001b[2J"]\nx = 1', "unknown key"),
        ('x = "\\u001b" y', "not valid TOML"),
    ],
)
def test_a_bundle_is_refused(tmp_path: Path, more: str, fault: str) -> None:
    result = CliRunner().invoke(cli, ["show", str(bundle(tmp_path / "b", more))])
    assert (result.exit_code, result.stdout) == (1, "")
    assert fault in result.stderr
    assert harmless(result.stderr)
    assert len(result.stderr.splitlines()) <= 2


def test_misuse(tmp_path: Path) -> None:
    for arguments in (
        [EVIL],
        ["show", "a", EVIL],
        ["show", f"--{EVIL}"],
        ["apply", "x", "y", "-o", "z", "--size", EVIL],
    ):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 2
        assert harmless(result.output)


def test_a_fault_of_the_program_is_told_as_one(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    @click.command("broken")
    def broken() -> None:
        raise RuntimeError(EVIL)

    monkeypatch.setitem(cli.commands, "broken", broken)
    monkeypatch.setattr(sys, "argv", ["e2gan", "broken"])
    monkeypatch.setattr(program, "end_at_the_second_interrupt", lambda code: None)
    monkeypatch.setattr(program, "make_environment_safe", lambda: None)
    with pytest.raises(SystemExit) as ended:
        program.main()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert "Traceback" in told and "please report it" in told
    assert harmless(told)


@pytest.mark.parametrize("name", ["/data/file", None])
def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    @click.command("full")
    def full() -> None:
        raise OSError(28, "No space left on device", name)

    monkeypatch.setitem(cli.commands, "full", full)
    result = CliRunner().invoke(cli, ["full"])
    assert result.exit_code == 1
    line, hint = result.stderr.splitlines()
    assert line == f"error: {f'{name}: ' if name else ''}No space left on device"
    assert hint.startswith("hint: free some disk space")


RESULTS = """
import os, subprocess
from e2gan.terminal import stdout_for_results

with stdout_for_results() as stream:
    print("a library")
    os.write(1, b"below Python\\n")
    subprocess.run(["echo", "a child"], check=True)
    stream.write(b"\\x89PNG")
print("after")
try:
    with stdout_for_results():
        raise RuntimeError
except RuntimeError:
    print("and on")
"""


def test_only_results_are_on_stdout(repository: Path) -> None:
    done = subprocess.run([sys.executable, "-c", RESULTS], cwd=repository, capture_output=True)
    assert done.stdout == b"\x89PNGafter\nand on\n"
    assert sorted(done.stderr.decode().splitlines()) == ["a child", "a library", "below Python"]
