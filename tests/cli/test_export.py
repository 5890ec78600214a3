"""``e2gan export``: what plugins offer, as commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2gan import plugins
from e2gan.installing import install_command
from tests.cli.conftest import Run, install

EXPORTER = """
import click

@e2gan.hookimpl
def register_exporters(register):
    register("paper", lambda: command, "Print it")
    register("nothing", dict)

@click.command()
@click.argument("concept")
def command(concept):
    click.echo(f"printed {concept}")
"""


@pytest.fixture
def exporter(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "paper", EXPORTER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-dusk,e2gan-paper")
    plugins.reload_registry()


def test_a_plugins_format_is_a_command(run: Run, exporter: None) -> None:
    assert run("export", "paper", "dusk").output == "printed dusk\n"


def test_the_help_lists_the_formats_and_those_that_could_be_had(run: Run, exporter: None) -> None:
    output = run("export", "--help").output
    assert "paper    Print it" in output
    assert "not installed: " in output and "plugins/coreml" in output


def test_a_format_that_is_not_installed_names_its_distribution(run: Run, site: Path) -> None:
    result = run("export", "onnx", "dusk")
    assert result.exit_code == 1
    assert f"hint: {install_command('e2gan-onnx')}" in result.stderr


def test_an_unknown_format_is_an_error(run: Run, exporter: None) -> None:
    result = run("export", "papre", "dusk")
    assert result.exit_code == 1
    assert "error: no exporter 'papre'" in result.stderr
    assert "paper" in result.stderr


def test_an_exporter_that_gives_no_command_is_an_error(run: Run, exporter: None) -> None:
    result = run("export", "nothing", "dusk")
    assert result.exit_code == 1
    assert "the exporter 'nothing' gives dict, not a command" in result.stderr
