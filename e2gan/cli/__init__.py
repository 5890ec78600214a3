"""The command line: one thin function for each command.

The modules import torch, numpy and Pillow only when a command needs them, so that ``e2gan --help``
answers at once.
"""

from __future__ import annotations

from e2gan.cli.apply import apply
from e2gan.cli.check import check
from e2gan.cli.clean import clean
from e2gan.cli.distill import distill
from e2gan.cli.evaluate import evaluate
from e2gan.cli.export import export
from e2gan.cli.import_ import import_
from e2gan.cli.installed import list_, plugins, show
from e2gan.cli.make import new, select, train, train_base
from e2gan.cli.program import cli, main
from e2gan.cli.search_ranks import search_ranks
from e2gan.cli.teachers import teachers

__all__ = ["cli", "main"]

for command in (
    list_,
    show,
    apply,
    new,
    teachers,
    import_,
    distill,
    select,
    train,
    train_base,
    search_ranks,
    evaluate,
    check,
    export,
    plugins,
    clean,
):
    cli.add_command(command)
