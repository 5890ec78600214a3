"""Check the rules of a release: names, versions, requirements on each other, and what was built.

python release/check.py                    # the rules alone
python release/check.py --dist dist        # also that this folder holds exactly what a release publishes
python release/check.py --tag v0.1.0       # also that everything is ready to be published under this tag
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"e2gan": ".", "e2gan-hub": "hub", "e2gan-demo": "spaces/demo"}
ROOMS = ("plugins", "spaces", "concepts")
CONCEPT = "e2gan-concept-"


def projects(root: Path) -> dict[str, Mapping[str, Any]]:
    """The table ``[project]`` of each distribution in the repository, by its folder."""
    patterns = ("pyproject.toml", "hub/pyproject.toml", *(f"{room}/*/pyproject.toml" for room in ROOMS))
    files = [file for pattern in patterns for file in sorted(root.glob(pattern))]
    return {
        file.parent.relative_to(root).as_posix(): tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for file in files
    }


def faults(root: Path, dist: Path | None = None, tag: str | None = None) -> Iterator[str]:
    """Each rule that is broken, as a line."""
    found = projects(root)
    versions = {str(project["name"]): str(project["version"]) for project in found.values()}
    for folder, project in found.items():
        yield from (f"{folder}: {fault}" for fault in _project_faults(root / folder, folder, project, versions))
    if dist is not None:
        yield from _dist_faults(dist, versions)
    if tag is not None:
        yield from _tag_faults(root, tag, versions["e2gan"])


def _project_faults(place: Path, folder: str, project: Mapping[str, Any], versions: Mapping[str, str]) -> Iterator[str]:
    name, version = str(project["name"]), str(project["version"])
    room, _, last = folder.rpartition("/")
    expected = f"{CONCEPT if room == 'concepts' else 'e2gan-'}{last}" if FOLDERS.get(name) != folder else name
    if name != expected:
        yield f"the name is {name}, but by its folder it is {expected}"
    if name != canonicalize_name(name):
        yield f"the name {name} is not normalised: {canonicalize_name(name)}"
    try:
        if str(Version(version)) != version or Version(version).is_prerelease:
            yield f"the version {version} is not final, or not normalised"
    except InvalidVersion:
        yield f"{version} is no version"
    if name.startswith(CONCEPT):
        for bundle in sorted(place.glob("*/bundle*/concept.toml")):
            inside = tomllib.loads(bundle.read_text(encoding="utf-8"))["version"]
            if inside != version:
                yield f"the version is {version}, but the {bundle.parent.name}'s is {inside}"
    elif version != versions["e2gan"]:
        yield f"the version is {version}, but e2gan's is {versions['e2gan']}: they are released together"
    for line in project.get("dependencies", []):
        requirement = Requirement(line)
        own = versions.get(canonicalize_name(requirement.name))
        if own is not None and not requirement.specifier.contains(own):
            yield f"it requires {line}, but {requirement.name} has the version {own}"
        if own is not None and not any(part.operator in ("<", "==", "~=") for part in requirement.specifier):
            yield f"it requires {line}, without an upper bound"
    for key in ("description", "license", "readme", "requires-python", "authors"):
        if not project.get(key):
            yield f"{key} is missing"


def _dist_faults(dist: Path, versions: Mapping[str, str]) -> Iterator[str]:
    expected = set()
    for name, version in versions.items():
        stem = f"{name.replace('-', '_')}-{version}"
        expected |= {f"{stem}.tar.gz", f"{stem}-py3-none-any.whl"}
    present = {file.name for file in dist.iterdir()}
    yield from (f"{dist / name} is missing" for name in sorted(expected - present))
    yield from (f"{dist / name} is not part of a release" for name in sorted(present - expected))


def _tag_faults(root: Path, tag: str, version: str) -> Iterator[str]:
    if tag != f"v{version}":
        yield f"the tag is {tag}, but e2gan's version is {version}"
    source = (root / "e2gan" / "installing.py").read_text(encoding="utf-8")
    if not re.search(r"^PUBLISHED = True$", source, re.MULTILINE):
        yield "e2gan/installing.py: PUBLISHED is not True, so help and errors would not name the index"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dist", type=Path, metavar="DIR", help="the folder of the built files")
    parser.add_argument("--tag", metavar="TAG", help="the release's tag")
    options = parser.parse_args()
    broken = list(faults(ROOT, options.dist, options.tag))
    for fault in broken:
        print(f"error: {fault}", file=sys.stderr)
    if not broken:
        print(f"{len(projects(ROOT))} distributions keep the rules of a release")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
