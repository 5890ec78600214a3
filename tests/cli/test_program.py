"""The program itself: help, versions, errors, plugins' commands, and what it leaves alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import e2gan
from e2gan import plugins
from e2gan.base import Base
from e2gan.cli import output
from e2gan.cli.program import cli
from e2gan.installing import install_command
from e2gan.plugins import Registry
from tests.cli.conftest import Run, install
from tests.editor.tiny import write_tiny_concept


def python(code: str, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)


# Light


def test_importing_the_package_imports_nothing_heavy(environment: dict[str, str]) -> None:
    heavy = "{'torch', 'numpy', 'PIL', 'peft', 'transformers', 'pluggy', 'click'}"
    done = python(f"import sys, e2gan; print(sorted({heavy} & set(sys.modules)))", environment)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["apply", "--help"], ["--version"], ["list"], ["show", "dusk"], ["plugins"]]
)
def test_looking_around_imports_no_torch(words: list[str], environment: dict[str, str]) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(sorted({'torch', 'peft'} & set(sys.modules)), file=sys.stderr))\n"
        "from e2gan.cli import main; main()"
    )
    done = python(code, environment, *words)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_runs_as_a_module(environment: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-m", "e2gan", "--version"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"e2gan {e2gan.__version__}\n")


def test_the_reader_of_standard_output_goes_away(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "e2gan", "list", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 1)


# Help and misuse


def test_help_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("apply", "distill", "eval", "list", "plugins", "show", "train", "train-base"):
        assert f"\n  {command}" in result.stdout
        assert run(command, "--help").exit_code == run(command, "-h").exit_code == 0


def test_misuse_is_exit_2(run: Run) -> None:
    for words in (["aply"], ["list", "--jsn"], ["show"], ["--nonsense"], []):
        result = run(*words)
        assert (result.exit_code, result.stdout) == (2, "")
    assert "no command 'aply': did you mean 'apply'?" in run("aply").stderr


# list


def test_list(run: Run) -> None:
    result = run("list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "NAME  TITLE  VERSION  BASE  FROM\n"
        "dawn  Dawn   1.2.0    tiny  e2gan-dawn\n"
        "dusk  Dusk   1.2.0    tiny  e2gan-dusk\n"
    )
    assert run("list", "-q").stdout == "dawn\ndusk\n"


def test_list_as_json(run: Run, base: Base, site: Path) -> None:
    dawn, dusk = json.loads(run("list", "--json").stdout)
    assert dawn["id"] == "dawn"
    assert dusk == {
        "name": "dusk",
        "id": "dusk",
        "title": "Dusk",
        "version": "1.2.0",
        "prompt": "in the style of dusk",
        "license": "apache-2.0",
        "base": {"id": "tiny", "sha256": base.sha256},
        "other_bases": [],
        "trained": True,
        "distribution": "e2gan-dusk",
        "source": None,
        "path": str(site / "bundles" / "dusk"),
    }


def test_list_of_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"no concepts are installed; try: {install_command('e2gan-concept-vangogh')}\n"
    plugins.reload_registry()
    assert run("list", "--json").stdout == "[]\n"


def test_a_broken_plugin_is_told_of(run: Run, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken-site"
    broken.mkdir()
    install(broken, "broken", "raise RuntimeError('out of paint')")
    monkeypatch.syspath_prepend(str(broken))
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-dusk,e2gan-broken")
    result = run("list")
    assert result.exit_code == 0
    assert "dusk" in result.stdout
    assert result.stderr == "note: there is 1 problem with plugins; see: e2gan plugins\n"
    result = run("plugins")
    assert result.exit_code == 0
    assert re.search(r"^broken +e2gan-broken +1\.0 +broken$", result.stdout, re.MULTILINE)
    assert "\nbroken: RuntimeError: out of paint\n" in result.stdout
    assert "no command 'unheard'. A plugin is broken, which may offer it: e2gan plugins" in run("unheard").stderr
    assert "Traceback (most recent call last)" in result.stdout
    found = json.loads(run("plugins", "--json").stdout)
    assert {info["name"]: info["status"] for info in found["plugins"]}["broken"] == "broken"
    assert [problem["message"] for problem in found["problems"]] == ["RuntimeError: out of paint"]
    monkeypatch.setenv("E2GAN_STRICT_PLUGINS", "1")
    plugins.reload_registry()
    result = run("list")
    assert (result.exit_code, result.stderr) == (1, "error: plugin 'broken': RuntimeError: out of paint\n")


# show


def test_show(run: Run, base: Base, site: Path) -> None:
    result = run("show", "dusk")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "Dusk (dusk 1.2.0)\n"
        "\n"
        "edits a photo to  in the style of dusk\n"
        "quality           not measured against the unedited photos\n"
        "learned from      the program grade (name = dusk), on photos that are not named\n"
        "licence           apache-2.0\n"
        f"made for          the base tiny ({base.sha256[:12]})\n"
        "\n"
        "Everything else: e2gan show dusk --all\n"
    )


def test_show_everything(run: Run, site: Path) -> None:
    result = run("show", "dusk", "--all")
    assert (result.exit_code, result.stderr) == (0, "")
    for line in (
        "photos         not named",
        "keeps          nothing",
        "ranks          1, 4, 8, 8; transformer 1",
        "from           e2gan-dusk",
        f"folder         {site / 'bundles' / 'dusk'}",
    ):
        assert f"{line}\n" in result.stdout


def test_show_as_json(run: Run) -> None:
    shown = json.loads(run("show", "dusk", "--json").stdout)
    assert shown["recipe"] == {"teacher": "grade", "teacher_options": {"name": "dusk"}}
    assert (shown["id"], shown["quality"], shown["trained"]) == ("dusk", {}, True)


def test_show_a_folder(run: Run, base: Base) -> None:
    write_tiny_concept(Path("new"), base, trained=False)
    result = run("show", "./new")
    assert result.exit_code == 0
    assert "quality           not trained yet\n" in result.stdout


def test_show_what_is_not_there(run: Run) -> None:
    result = run("show", "dust")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: no concept 'dust'\nhint: did you mean 'dusk'?\n"
    assert run("show", "./nowhere").exit_code == 1


def test_the_traceback_of_a_known_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2GAN_DEBUG", "1")
    result = run("show", "dust")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.endswith("error: no concept 'dust'\nhint: did you mean 'dusk'?\n")


# Progress


def test_a_bar_keeps_room_for_itself() -> None:
    metrics = {"rate": 0.001, "l1": 0.123456, "gan": 12.3, "perceptual": 0.5, "discriminator": 0.25}
    assert output._fitting(metrics, 200) == "rate=0.001, l1=0.123, gan=12.3, perceptual=0.5, discriminator=0.25"
    for columns in range(200):
        text = output._fitting(metrics, columns)
        assert not text or len(text) + output.BAR <= columns
        assert output._fitting(metrics, 200).startswith(text)
    assert output._fitting(metrics, 109) == "rate=0.001, l1=0.123, gan=12.3"


# Plugins' commands


@pytest.fixture
def with_commands(run: Run, monkeypatch: pytest.MonkeyPatch):
    """Put a plugin's commands into the program, for one test."""

    def add(register) -> None:
        class Plugin:
            register_commands = staticmethod(e2gan.hookimpl(register))

        monkeypatch.setattr(cli, "commands", dict(cli.commands))
        monkeypatch.setattr(cli, "_plugins_loaded", False)
        monkeypatch.setattr(plugins, "register_commands", Registry.load([Plugin]).register_commands)

    return add


def test_a_plugin_adds_a_command(run: Run, with_commands) -> None:
    def register_commands(cli: click.Group) -> None:
        @cli.command()
        def greet() -> None:
            """Say hello."""
            click.echo("hello")

    with_commands(register_commands)
    result = run("greet")
    assert (result.exit_code, result.stdout) == (0, "hello\n")
    assert "Say hello." in run("--help").stdout
    assert "did you mean 'greet'" in run("gret").stderr


@pytest.mark.parametrize("name", ["list", "greet"])
def test_a_plugin_that_fails_or_takes_a_name_adds_none(run: Run, with_commands, name: str) -> None:
    def register_commands(cli: click.Group) -> None:
        cli.add_command(click.Command(name, callback=lambda: click.echo("mine")))
        if name == "greet":
            raise RuntimeError

    with_commands(register_commands)
    assert run("--help").exit_code == 0
    assert run("greet").exit_code == 2
    assert run("list").stdout.startswith("NAME")
