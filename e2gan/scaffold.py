"""The distribution of an untrained concept, which ``e2gan new`` writes.

It is a folder for ``pip install``: a package with the bundle and its hook, a recipe to start from, and tests.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from e2gan._version import __version__
from e2gan.base import find_base
from e2gan.concept import Concept
from e2gan.errors import ConceptError
from e2gan.files import atomic_folder, atomic_write
from e2gan.leftovers import names
from e2gan.models.layout import Keeps
from e2gan.plugins import registry
from e2gan.recipe import GIVEN
from e2gan.tables import ID_PATTERN, Table, shown

__all__ = ["TEACHER", "new_concept"]

TEACHER: tuple[str, dict[str, Any]] = ("magenta-multistyle", {"style": 4})
"""The default teacher of a new concept, and its options."""

PYPROJECT = """\
[build-system]
requires = ["flit_core>=3.12,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "e2gan-concept-$id"
version = "1.0.0"
description = $description
readme = "README.md"
requires-python = ">=3.10"
license = $license
authors = [$names]
dependencies = ["e2gan$versions"]

[project.entry-points.e2gan]
$id = "$package"
"""

PACKAGE = '''\
"""A concept for E²GAN: ``e2gan apply $id photo.jpg -o edited.jpg``."""

from collections.abc import Callable
from pathlib import Path

import e2gan


@e2gan.hookimpl
def register_concepts(register: Callable[[Path], None]) -> None:
    for bundle in sorted(Path(__file__).parent.glob("bundle*")):  # one for each base
        register(bundle)
'''

CONCEPT = """\
schema = 1
id = "$id"
title = $title
version = "1.0.0"
prompt = $prompt   # what the edit looks like, in words: the network reads them
license = $license
$keeps
${lines}authors = [$authors]
# description = "One sentence for people who search for concepts."

[licenses]   # of what it is made from: e2gan check asks for them
$licenses
[base]
id = "$base"
sha256 = "$sha256"   # training pins the base that is installed at the time

[recipe]
teacher = "$teacher"   # the program to learn from; docs/teachers.md lists the teachers
source = "$data of mine"   # where the $data come from, for the reader

[recipe.teacher_options]
$options$pictures
[recipe.selection]
# K-means groups the photos into clusters, and the photo nearest to each centre is chosen. With fewer photos than
# clusters, all are.
method = "similarity-clustering"
clusters = 400
embedder = "efficientnet-lite0"

[recipe.training]
seed = 0   # two runs with one seed on one machine give the same adapter
steps = $steps   # fewer for a first look; the learning rate falls over the second half
batch_size = 1
crop = 256   # the whole square; four times as many smaller crops take as long and teach less
${scales}${half}learning_rate = $rate
discriminator_learning_rate = 1e-4
l1 = $l1   # closeness to the target: raise it if colours are off
gan = $gan   # sharpness: lower it if there is noise in the right colours
perceptual = 2.0   # the same things in the same places, as a network sees them
style = $style   # strokes and texture: raise it if they are missing; 0 for a colour grade
ema = 0.99   # the saved weights are an average over about the last 1 / (1 - ema) steps
# Parameters of the adapter: LoRA ranks from the image side inward, and in the transformer block.
ranks = [1, 4, 8, 8]
transformer_rank = 1
"""

PICTURES = """
# [recipe.pictures]   # what the teacher edits: by default the middle square of each photo, at 256 pixels
# side = 432   # side of the square, or shorter side of a whole photo, which is never enlarged
# whole = true   # edit whole photos, and train on crops of them: for filters, whose strokes have a size in pixels
"""

KEEPS = 'what stays of the photo: "nothing" for paintings and drawings; for photographs see docs/bundle.md'

HALF = "half_size = 0.5   # the first half of the steps sees pictures at half their size, in a quarter of the time\n"

SKIPS = "skips = [1, 1, 1]   # for drawings and photographs: the photo's lines bypass the bottleneck\n"
NOISE = "noise = 0.06   # strokes begin at this noise where the photo is flat; leave it out for drawings\n"

PAINTING = {"steps": 750, "half": HALF, "rate": "3e-3", "l1": 50.0, "gan": 1.0, "style": 4.0}
PHOTOGRAPH = {"steps": 400, "half": "", "rate": "1e-3", "l1": 100.0, "gan": 0.5, "style": 0.0}
"""Settings of the training for edits that stay photographs; those above are for all others."""

CROP = 256
"""The crop in `CONCEPT`."""

SMALLER = 0.9
"""Pairs are cropped at random scales if that makes them at least this much smaller."""

SCALES = "crops come from each pair scaled by a random factor in this range"

README = """\
# $plain

A concept for E²GAN.

```sh
pip install -e .
$train
e2gan apply $id photo.jpg -o edited.jpg
pytest
```

The recipe is `$package/bundle/concept.toml`. Training writes the adapter, the preview and the model card beside it,
and adds the measured quality to it.
"""

TESTS = '''\
"""The concept is listed, is pinned to the installed base and, once trained, edits a picture."""

import e2gan
import pytest
from PIL import Image, ImageChops


@pytest.fixture
def concept():
    """The installed concept."""
    return e2gan.registry().get("concept", "$id")


def test_it_is_listed(concept):
    assert concept.distribution == "e2gan-concept-$id"


def test_it_is_pinned_to_the_installed_base(concept):
    assert concept.base_sha256 == e2gan.find_base(concept.base_id).sha256


def test_it_edits_a_picture(concept):
    if not concept.trained:
        pytest.skip("not trained yet: e2gan train . --data $data/")
    photo = Image.radial_gradient("L").convert("RGB")
    edited = e2gan.Editor(concept.base_id).apply(photo, concept).convert("RGB")
    assert edited.size == photo.size
    assert ImageChops.difference(edited, photo).getbbox()
'''

GITIGNORE = """\
__pycache__/
.pytest_cache/
build/
dist/
*.egg-info/
runs/
"""


def new_concept(
    folder: str | os.PathLike[str],
    id: str,
    *,
    title: str | None = None,
    prompt: str | None = None,
    author: str | None = None,
    license: str = "apache-2.0",
    teacher: str = TEACHER[0],
    options: Mapping[str, Any] | None = None,
    base: str | None = None,
    keeps: Keeps = Keeps.NOTHING,
    why: str = "",
    side: int = 0,
) -> Concept:
    """Write the distribution ``e2gan-concept-ID`` into ``folder``, whole or not at all; the concept in it is untrained.

    Args:
        folder: must be missing or empty, or hold exactly this distribution, which then stays as it is.
        id: the concept's id: lower-case letters, digits and hyphens; the first and last character are not hyphens.
        title: the concept's name for people; the id with spaces if None.
        prompt: what the edit looks like, in words; the title if None.
        author: who makes the concept.
        license: an SPDX expression.
        teacher: id of the teacher, which need not be installed.
        options: its options, plain values; if None, those of `TEACHER` for that teacher.
        base: id or folder of the base that is pinned; if None, as for `find_base`.
        keeps: what the edits keep of their photos.
        why: a comment on that, in one line.
        side: the shortest side of given pairs, in pixels; training then crops larger ones than its crop.

    Raises:
        ConceptError: a value is invalid, or the folder is not empty.
        BaseModelError: there is no such base.
        E2GANError: the folder cannot be written.
    """
    if not ID_PATTERN.fullmatch(id) or id.endswith("-"):  # a distribution's name may not end so
        better = re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")[:64].rstrip("-")
        hint = f"for example: {better}" if better else None
        raise ConceptError(
            f"a concept's name may hold only lower-case letters, digits and hyphens, not {shown(id)}", hint=hint
        )
    if options is None:
        options = TEACHER[1] if teacher == TEACHER[0] else {}
    title = id.replace("-", " ").capitalize() if title is None else title
    given = {"title": title, "prompt": title if prompt is None else prompt, "license": license, "author": author or ""}
    table = Table({**given, "teacher": teacher, "options": options}, "the new concept", ConceptError)
    table.text("title", limit=100)
    table.text("prompt", limit=300)
    table.license("license")
    table.id("teacher")
    for name, value in table.plain("options").items():
        if isinstance(value, str) and not value.isprintable():
            raise table.fault(f"the option {shown(name)} holds characters that cannot be printed: {shown(value)}")
    if author is not None:
        table.text("author")

    target = Path(folder)
    foundation = find_base(base)
    package = f"e2gan_concept_{id.replace('-', '_')}"
    data, first = ("pairs", "") if teacher == GIVEN else ("photos", "makes the pairs, ")
    major, minor, _ = __version__.split(".", 2)
    values = {
        **{name: _toml(value) for name, value in given.items()},
        "id": id,
        "package": package,
        "plain": title,
        "description": _toml(f"{title}, a concept for E²GAN"),
        "authors": _toml(author) if author else "",
        "names": f"{{ name = {_toml(author)} }}" if author else "",
        "versions": f">={major}.{minor},<{major}.{int(minor) + 1}",
        "teacher": teacher,
        "licenses": _licenses(teacher),
        "data": data,
        "train": f"{f'e2gan train . --data {data}/':<47} # {first}trains, measures, draws",
        "options": "".join(f"{_key(name)} = {_toml(value)}\n" for name, value in options.items()),
        "pictures": "" if teacher == GIVEN else PICTURES,
        "keeps": f'keeps = "{keeps}"   # {why or KEEPS}',
        **(PHOTOGRAPH if keeps == Keeps.DETAIL else PAINTING),
        "lines": _lines(keeps, foundation.config.skips),
        "scales": f"scales = [{CROP / side:.2f}, 1.0]   # {SCALES}\n" if side * SMALLER > CROP else "",
        "base": foundation.id,
        "sha256": foundation.sha256,
    }
    files = {
        "pyproject.toml": PYPROJECT,
        "README.md": README,
        ".gitignore": GITIGNORE,
        f"{package}/__init__.py": PACKAGE,
        f"{package}/bundle/concept.toml": CONCEPT,
        "tests/test_concept.py": TESTS,
    }
    files = {name: Template(text).substitute(values) for name, text in files.items()}
    if target.exists() and not (target.is_dir() and not names(target)):
        # A run that was killed at its very end may have made the folder, so a second run accepts it.
        if not _holds(target, files):
            raise ConceptError(
                f"{target}: already exists, and is not an empty folder", hint="choose another folder with -o"
            )
        return Concept.read(target / package / "bundle")
    with atomic_folder(target) as new:
        for name, text in files.items():
            atomic_write(new / name, text)
        Concept.read(new / package / "bundle")
    return Concept.read(target / package / "bundle")


def _lines(keeps: Keeps, skips: bool) -> str:
    """The lines that say how strokes and the photo's lines come about; ``skips``: whether the base has them."""
    if keeps == Keeps.DETAIL:
        return SKIPS if skips else ""
    return (f"# {SKIPS}" if skips else "") + NOISE


def _licenses(teacher: str) -> str:
    """The lines of ``[licenses]``: the teacher's if it is installed and states its licence, the photos' to fill in."""
    if teacher == GIVEN:
        return '# photos = "CC-BY-4.0"   # of your pairs\n'
    entry = registry().all("teacher").get(teacher)
    known = entry.license if entry else ""
    line = f"teacher = {_toml(known)}\n" if known else '# teacher = "Apache-2.0"\n'
    return line + '# photos = "CC-BY-4.0"   # of your photos\n'


def _holds(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether the folder holds exactly these files with these texts."""
    present = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if not file.is_dir()}
    try:
        return present.keys() == files.keys() and all(present[name].read_text("utf-8") == files[name] for name in files)
    except (OSError, ValueError):
        return False


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    """Text, a number or a flag as TOML, which writes them like JSON."""
    return json.dumps(value, ensure_ascii=False)
