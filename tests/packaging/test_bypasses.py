"""What only one module may do: start processes, and print.

Read from the source, so that a bypass is found where it is written, be it in a plugin or in the hub.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLACES = ("e2gan", "hub", "plugins", "spaces", "concepts")

STARTS = {
    "modules": (
        *("subprocess", "multiprocessing", "concurrent.futures.process", "concurrent.futures.ProcessPoolExecutor"),
        *("pty", "pexpect", "billiard", "loky", "joblib"),
    ),
    "calls": (
        *("os.system", "os.popen", "os.fork", "os.forkpty", "os.startfile", "pty.spawn"),
        *(f"os.{name}{kind}" for name in ("exec", "spawn") for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp")),
        *("os.posix_spawn", "os.posix_spawnp", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
        *("torch.multiprocessing.spawn", "ray.init"),
    ),
    "only": {"e2gan/processes.py", "e2gan/data/cluster.py"},
}
"""Ray has its own way to start processes, in the one module that knows it."""

PRINTS = {
    "modules": ("curses", "rich", "blessed", "colorama"),
    "calls": (
        *("print", "input()", "breakpoint", "os.write", "tqdm", "tqdm.tqdm", "tqdm.write"),
        *(f"click.{name}" for name in ("echo", "secho", "style", "prompt", "confirm", "pause", "echo_via_pager")),
        *("click.progressbar", "click.edit", "click.get_text_stream", "click.get_binary_stream"),
        *(f"traceback.{name}" for name in ("print_exc", "print_exception", "print_last", "print_stack", "print_tb")),
        *("logging.basicConfig", "logging.StreamHandler", "warnings.showwarning", "pprint.pprint"),
        *("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "sys.displayhook", "sys.excepthook"),
    ),
    "only": {"e2gan/terminal.py", "e2gan/cli/program.py", "e2gan/cli/output.py", "e2gan/quarantine.py"},
}
"""`e2gan.terminal` prints, `e2gan.cli.output` draws bars, `e2gan.cli.program` survives a pipe that closes, and
`e2gan.quarantine` tells what plugins print."""

HARMLESS = ("isatty",)
"""What may be asked of a stream."""


def used(source: str) -> Iterator[tuple[int, str, bool]]:
    """Each name that a module imports, calls or mentions, in full and dotted, and whether it was imported."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                first = each.name.partition(".")[0]
                names[each.asname or first] = each.name if each.asname else first
                yield node.lineno, each.name, True
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
                yield node.lineno, f"{node.module}.{each.name}", True
    asked = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in HARMLESS}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and id(node) not in asked and (name := _dotted(node)):
            head, dot, rest = name.partition(".")
            yield node.lineno, f"{names.get(head, head)}{dot}{rest}", head in names
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, f"{node.func.id}()", False


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return None


def bypasses(source: str, rule: dict[str, object]) -> list[str]:
    modules, calls = rule["modules"], rule["calls"]
    assert isinstance(modules, tuple) and isinstance(calls, tuple)
    return [
        f"line {line}: {name}"
        for line, name, imported in used(source)
        if name in calls or (imported and any(f"{name}.".startswith(f"{module}.") for module in modules))
    ]


@pytest.mark.parametrize("rule", [STARTS, PRINTS], ids=["processes", "printing"])
def test_nothing_goes_past_it(repository: Path, rule: dict[str, object]) -> None:
    only = rule["only"]
    assert isinstance(only, set)
    found, seen = {}, set()
    for place in PLACES:
        for file in sorted((repository / place).rglob("*.py")):
            name = file.relative_to(repository).as_posix()
            seen.add(name)
            if name not in only and (lines := bypasses(file.read_text("utf-8"), rule)):
                found[name] = lines
    assert not found
    assert only < seen
    for name in only:
        assert bypasses((repository / name).read_text("utf-8"), rule), f"{name} needs no exception any more"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("import subprocess", STARTS),
        ("from subprocess import run as go", STARTS),
        ("from concurrent.futures import ProcessPoolExecutor", STARTS),
        ("import torch.multiprocessing as mp\nmp.spawn(f)", STARTS),
        ("import os\nos.execvp('sh', [])", STARTS),
        ("from os import system", STARTS),
        ("print(1)", PRINTS),
        ("f(print)", PRINTS),
        ("input('x')", PRINTS),
        ("import click as c\nc.echo(1)", PRINTS),
        ("from click import secho", PRINTS),
        ("import sys\nsys.stderr.write('x')", PRINTS),
        ("from sys import stdout", PRINTS),
        ("from tqdm import tqdm\ntqdm.write('x')", PRINTS),
        ("from tqdm import tqdm\nfor x in tqdm([]): pass", PRINTS),
        ("import traceback\ntraceback.print_exc()", PRINTS),
    ],
)
def test_a_bypass_is_found(source: str, rule: dict[str, object]) -> None:
    assert bypasses(source, rule)


def test_what_is_allowed() -> None:
    assert not bypasses("import sys, os\nsys.stdout.isatty()\nsys.exit(1)\nos.fspath('x')", PRINTS)
    assert not bypasses("import sys, os\nos.getpid()", STARTS)
