"""How a package is installed here and now: the one place that says so, for hints, help and pages.

The right command depends on where e2gan itself came from: a clone of its repository, a folder of wheels, a repository
that pip cloned (all recorded by pip, PEP 610), or, once the project is published there, a package index.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

__all__ = ["PUBLISHED", "install_command", "install_elsewhere", "install_folder"]

PUBLISHED = False
"""Whether this project's packages are on PyPI.  The first release sets it: docs/release.md."""

CONCEPTS = (
    *("vangogh", "ukiyoe", "impressionism"),
    *("autumn", "winter", "dusk", "old-photo", "black-and-white", "cinema", "neon"),
    *("black-lines", "blueprint", "dense-strokes", "expressionism", "instant-film"),
    *("painted-stained-glass", "painted-woodcut", "pale-oil", "pastel-cubism"),
)

PLUGINS = ("baselines", "catalogue", "coreml", "gmic", "litert", "onnx", "openvino", "reproduce", "ssd", "teachers")

DISTRIBUTIONS = {
    "e2gan": ".",
    "e2gan-hub": "hub",
    "e2gan-demo": "spaces/demo",
    **{f"e2gan-{name}": f"plugins/{name}" for name in PLUGINS},
    **{f"e2gan-concept-{name}": f"concepts/{name}" for name in CONCEPTS},
}
"""The folder of each distribution in the repository."""

NO_DEPS = "requirements/no-deps.txt"
NEEDS_NO_DEPS = {"all", "eval", "train"}
"""The extras of e2gan that need the packages in NO_DEPS besides."""


@dataclass(frozen=True)
class _Origin:
    """Where e2gan came from."""

    clone: Path | None = None
    """The root of a clone of the repository."""
    editable: bool = False
    wheels: Path | None = None
    """A folder of wheels."""
    git: str = ""
    """``git+URL@COMMIT``"""


def install_command(requirement: str, *, no_deps: bool = False) -> str:
    """The command that installs a distribution into the environment that runs now.

    Args:
        requirement: the distribution's name, with or without extras: ``e2gan-hub[sign]``.
        no_deps: whether it must be installed without its own requirements.

    Returns:
        One line for a shell.  If nothing is known about where to get a distribution of this project, the line says
        WHEELS in place of the folder with its wheels.
    """
    name, extras = _parts(requirement)
    pip = [*_pip(), "install", *(["--no-deps"] if no_deps else [])]
    if not _ours(name):
        return shlex.join([*pip, requirement])
    origin = _origin()
    if origin.clone and _folder(origin.clone, name):
        parts = [*_missing_parts(origin.clone, name, extras, {}).items(), (name, extras)]
        folders = [_text_of(origin.clone / DISTRIBUTIONS[part]) + its for part, its in parts]
        words = [*pip, *_constraints(origin.clone)]
        for place in folders:
            words += ["-e", place] if origin.editable else [place]
        line = shlex.join(words)
        file = origin.clone / NO_DEPS
        if any(_needs_no_deps(part, its) for part, its in parts) and file.is_file():
            line += " && " + shlex.join([*_pip(), "install", "--no-deps", "-r", _text_of(file)])
        return line
    if there := _in_repository(origin, name, extras):
        return shlex.join([*pip, there])
    if own := _recorded(name):
        return shlex.join([*pip, own + extras])
    if origin.wheels or not PUBLISHED:
        return shlex.join([*pip, "--find-links", _text_of(origin.wheels) if origin.wheels else "WHEELS", name + extras])
    return shlex.join([*pip, name + extras])


def install_folder(folder: Path) -> str:
    """The command that installs the distribution in a folder, so that changes to its files take effect at once."""
    return shlex.join([*_pip(), "install", "-e", str(folder)])


def install_elsewhere(requirement: str) -> str:
    """The command that installs a distribution on another machine, for a page that others read; empty if none is known.

    It names no folder of this machine.  For a clone, it is relative to the root of a clone.
    """
    name, extras = _parts(requirement)
    if PUBLISHED or not _ours(name):
        return shlex.join(["pip", "install", requirement])
    origin = _origin()
    if origin.clone and _folder(origin.clone, name):
        words = ["-c", "constraints.txt"] if _constraints(origin.clone) else []
        path = "." if name == "e2gan" else f"./{DISTRIBUTIONS[name]}"
        return shlex.join(["pip", "install", *words, path + extras])
    there = _in_repository(origin, name, extras)
    return shlex.join(["pip", "install", there]) if there else ""


def _missing_parts(clone: Path, name: str, extras: str, found: dict[str, str]) -> dict[str, str]:
    """What a distribution in a clone requires of this project and is not installed, each with its extras.

    No index has them, so pip must be told where they are.  They are added to ``found``, each after what it requires.
    """
    file = clone / DISTRIBUTIONS[name] / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):  # of a clone that is being changed: a hint must not fail
        return found
    optional = project.get("optional-dependencies", {})
    wanted = [line for extra in re.findall(r"[\w-]+", extras) for line in optional.get(extra, [])]
    for line in (*project.get("dependencies", []), *wanted):
        match = re.match(r"(e2gan(?:-[\w-]+)?)(\[[^]]*\])?", line)
        if match is None or match[1] == name or match[1] in found:
            continue
        part, its = match[1], match[2] or ""
        if _folder(clone, part) and (its or not _is_installed(part)):
            _missing_parts(clone, part, its, found)
            found[part] = its
    return found


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _needs_no_deps(name: str, extras: str) -> bool:
    return name == "e2gan" and bool(NEEDS_NO_DEPS & set(re.findall(r"[\w-]+", extras)))


def _parts(requirement: str) -> tuple[str, str]:
    name, bracket, rest = requirement.partition("[")
    return name.strip(), bracket + rest


def _ours(name: str) -> bool:
    return name == "e2gan" or name.startswith("e2gan-")


def _pip() -> list[str]:
    """The pip of the environment that runs now, which need not be the one that the shell finds."""
    if importlib.util.find_spec("pip") is None and shutil.which("uv"):
        return ["uv", "pip", "--python", sys.executable]
    found = shutil.which("pip")
    return (
        ["pip"]
        if found and Path(found).parent == Path(sys.executable).parent
        else [_text_of(Path(sys.executable)), "-m", "pip"]
    )


def _constraints(clone: Path) -> list[str]:
    file = clone / "constraints.txt"
    return ["-c", _text_of(file)] if file.is_file() else []


def _text_of(path: Path) -> str:
    """A path as pip reads it: relative to the current folder if it lies in it."""
    here = Path.cwd()
    if path == here:
        return "."
    if here not in path.parents:
        return str(path)
    relative = str(path.relative_to(here))
    return relative if path.is_file() else f".{os.sep}{relative}"


@functools.cache
def _origin() -> _Origin:
    root = Path(__file__).resolve().parents[1]
    if _folder(root, "e2gan") == root:
        return _Origin(clone=root, editable=True)
    record = _direct_url("e2gan")
    url = str(record.get("url", ""))
    if isinstance(vcs := record.get("vcs_info"), dict):
        commit = vcs.get("commit_id")
        return _Origin(git=f"{vcs.get('vcs', 'git')}+{url}" + (f"@{commit}" if commit else ""))
    place = _local(url)
    if place and place.is_dir() and _folder(place, "e2gan") == place:
        return _Origin(clone=place)
    if place and "archive_info" in record and place.parent.is_dir():
        return _Origin(wheels=place.parent)
    return _Origin()


def _folder(clone: Path, name: str) -> Path | None:
    """The folder of a distribution in a clone of the repository; None if it has none."""
    folder = clone / DISTRIBUTIONS[name] if name in DISTRIBUTIONS else None
    try:
        project = (folder / "pyproject.toml").read_text(encoding="utf-8") if folder else ""
    except (OSError, ValueError):
        return None
    return folder if f'\nname = "{name}"\n' in project else None


def _in_repository(origin: _Origin, name: str, extras: str) -> str | None:
    """A distribution as pip takes it from the repository that e2gan came from."""
    if not origin.git or name not in DISTRIBUTIONS:
        return None
    part = "" if name == "e2gan" else f"#subdirectory={DISTRIBUTIONS[name]}"
    return f"{name}{extras} @ {origin.git}{part}"


def _recorded(name: str) -> str | None:
    """Where an installed distribution came from, if that is a folder or a file that is still here, or an address."""
    record = _direct_url(name)
    url = str(record.get("url", ""))
    if isinstance(vcs := record.get("vcs_info"), dict):
        part = f"#subdirectory={record['subdirectory']}" if record.get("subdirectory") else ""
        return f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}{part}".replace("@#", "#")
    if url.startswith("file:"):
        place = _local(url)
        return _text_of(place) if place and place.exists() else None
    return url or None


def _direct_url(name: str) -> dict[str, Any]:
    """pip's record of where a distribution was installed from (PEP 610); empty for one from an index."""
    try:
        record = json.loads(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("url"), str) else {}


def _local(url: str) -> Path | None:
    """The path that a ``file:`` address names."""
    parts = urlsplit(url)
    path = Path(url2pathname(parts.path)) if parts.scheme == "file" else None
    return path if path and path.is_absolute() else None
