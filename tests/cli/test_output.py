"""What commands print: the result to stdout, what is said about it to stderr, each as the options ask."""

from __future__ import annotations

import io
import json
import warnings

import click
import pytest
from click.testing import CliRunner
from tqdm import tqdm

from e2gan.cli.output import Output, _fitting, output_options
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
        assert list(Output().bar(items, "photo", len(items))) == items
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("quiet", "said"), [(False, True), (True, False)])
def test_on_a_terminal_a_single_thing_has_a_line_until_it_is_done(
    quiet: bool, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    for _ in Output(quiet=quiet).bar([1], "photo", 1):
        assert ("editing the photo" in terminal.getvalue()) == said
    assert terminal.getvalue().rpartition("\r")[2].strip() == ""  # the line is gone


@pytest.mark.parametrize("columns", [70, 80, 96, 110, 140])
def test_the_bar_of_a_training_keeps_a_bar(columns: int) -> None:
    """Beside its counts, times and figures, on terminals of usual widths."""
    figures = {"l1": 0.12345, "val_l1": 0.14567, "perceptual": 1.2345, "style": 0.0012, "gan": 0.5}
    line = tqdm.format_meter(
        1351, 12_000, 5025, ncols=columns, unit="it", postfix=_fitting(figures, columns), unit_scale=False
    )
    assert len(line) <= columns
    assert len(line.split("|")[1]) >= 5
    assert ("l1=" in line) == (columns >= 80)


@pytest.mark.parametrize("resumes", [True, False])
def test_whoever_interrupts_a_long_job_is_told_how_to_go_on(resumes: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), Output().progress(resumes=resumes) as progress:
        progress.stage("train")
        progress.advance(1, 10, {})
        raise KeyboardInterrupt
    assert ("run the same command again" in capsys.readouterr().err) is resumes
