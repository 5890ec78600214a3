"""What commands print: the result to stdout, what is said about it to stderr, each as the options ask."""

from __future__ import annotations

import json
import warnings

import click
import pytest
from click.testing import CliRunner

from e2gan.cli.output import Output, output_options
from e2gan.errors import E2GANWarning


@click.command()
@output_options()
def command(out: Output) -> None:
    """Print one of each."""
    out.data({"figures": [1, 2]})
    out.table(("A", "B"), [("long name", "x")])
    out.figures({"l1": {"ratio": 0.123456}})
    out.line("done")
    out.note("wrote it")
    with out.warnings():
        warnings.warn(E2GANWarning("something is lost"), stacklevel=1)
    with out.progress() as progress:
        progress.stage("train")


PEOPLE = "A          B\nlong name  x\nl1 ratio  0.1235\ndone\n"


@pytest.mark.parametrize(
    ("options", "stdout", "stderr"),
    [
        ([], PEOPLE, "wrote it\nnote: something is lost\ntrain\n"),
        (["-q"], PEOPLE, ""),
        (["--json"], json.dumps({"figures": [1, 2]}, indent=2) + "\n", "note: something is lost\n"),
        (["--json", "-q"], json.dumps({"figures": [1, 2]}, indent=2) + "\n", ""),
    ],
)
def test_who_reads_it(options: list[str], stdout: str, stderr: str) -> None:
    result = CliRunner().invoke(command, options, catch_exceptions=False)
    assert (result.stdout, result.stderr) == (stdout, stderr)


def test_a_command_may_have_one_of_the_options() -> None:
    @click.command()
    @output_options(json=False, quiet_help="Print only the ids.")
    def ids(out: Output) -> None:
        out.line(f"{out.as_json} {out.quiet}")

    text = CliRunner().invoke(ids, ["--help"]).stdout
    assert "--json" not in text and "-q, --quiet  Print only the ids." in text
    assert CliRunner().invoke(ids, ["-q"]).stdout == "False True\n"
    assert CliRunner().invoke(ids, ["--json"]).exit_code == 2


def test_a_bar_is_drawn_for_several_things_only(capsys: pytest.CaptureFixture[str]) -> None:
    for items in ([], [1], [1, 2]):
        assert list(Output().bar(items, "photo")) == items
    assert capsys.readouterr().out == ""
