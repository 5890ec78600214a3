"""The photographs a recipe starts from: a given folder, or what a plugin makes."""

from __future__ import annotations

from pathlib import Path

from e2gan.data.folders import Data
from e2gan.errors import DataError
from e2gan.installing import install_command
from e2gan.leftovers import sweep
from e2gan.plugins import OFFERED_BY, registry
from e2gan.progress import Progress
from e2gan.recipe import Recipe
from e2gan.tables import shown

__all__ = ["photographs"]


def photographs(data: Data | None, recipe: Recipe, work: Path, progress: Progress) -> Data:
    """One or several folders of photographs: ``data``, or ``photos`` in ``work``, made by the recipe's ``source``.

    A source that makes photographs is an id that a plugin registered, a colon, and a name there, such as ``ssd:dogs``.

    Raises:
        DataError: no folder is given, and the recipe's source makes no photographs.
        PluginError: several plugins claim the source's id.
    """
    if data is not None:
        return Path(data) if isinstance(data, str) else data
    scheme, colon, name = recipe.source.partition(":")
    if not colon or scheme not in registry().all("photo source"):
        if colon and (package := OFFERED_BY.get(("photo source", scheme))):
            raise DataError(
                f"{shown(recipe.source)}: these photographs need the package '{package}'",
                hint=install_command(package),
            )
        cause = (
            f"no plugin offers the recipe's source {shown(recipe.source)}"
            if recipe.source
            else "the recipe names no source"
        )
        raise DataError(f"no folder of photographs is given, and {cause}", hint="give --data DIR")
    folder = work / "photos"
    progress.stage(f"photographs of {recipe.source}")
    registry().get("photo source", scheme).factory(name, folder)
    sweep(folder)
    return folder
