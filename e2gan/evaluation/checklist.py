"""What a maintainer asks of a concept before taking it in, as a checklist; nothing is trained or measured for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from e2gan.base import find_base
from e2gan.concept import CARD, Concept, check_bundle, concept_in, ratios, render_card
from e2gan.errors import BaseModelError, ConceptError, E2GANError
from e2gan.evaluation.summary import worse_than_nothing
from e2gan.files import read_toml
from e2gan.recipe import GIVEN
from e2gan.tables import shown

__all__ = ["FAILED", "LARGE", "NOT_CHECKED", "PASSED", "Check", "Status", "checklist"]

Status = Literal["passed", "failed", "not checked"]
PASSED: Status = "passed"
FAILED: Status = "failed"
NOT_CHECKED: Status = "not checked"

LARGE = 5_000_000
"""Maximum bytes of a bundle that needs no discussion; a usual one has 400,000."""


@dataclass(frozen=True)
class Check:
    """One line of the checklist."""

    name: str
    status: Status
    detail: str
    """What was found."""
    hint: str | None = None
    """What to do about it."""


class _Unknown(E2GANError):
    """The question cannot be answered here, or not yet."""


@dataclass(frozen=True)
class _Subject:
    folder: Path
    """As given: the bundle, or the distribution around it."""
    concept: Concept


def checklist(folder: Path) -> tuple[Concept | None, list[Check]]:
    """Ask everything about the concept in ``folder``, its bundle or its distribution.

    Returns:
        The concept, None if its manifest cannot be read, and a line for each question, in a fixed order.
    """
    try:
        subject = _Subject(folder, concept_in(folder))
    except E2GANError as error:
        unread = [Check(name, NOT_CHECKED, "the bundle cannot be read") for name in QUESTIONS if name != "bundle"]
        return None, [Check("bundle", FAILED, str(error), error.hint), *unread]
    return subject.concept, [_asked(name, question, subject) for name, question in QUESTIONS.items()]


def _asked(name: str, question: Callable[[_Subject], str], subject: _Subject) -> Check:
    try:
        return Check(name, PASSED, question(subject))
    except _Unknown as error:
        return Check(name, NOT_CHECKED, str(error), error.hint)
    except E2GANError as error:
        return Check(name, FAILED, str(error), error.hint)
    except OSError as error:
        return Check(name, FAILED, f"{error.filename}: {error.strerror}")


def _bundle(subject: _Subject) -> str:
    if check_bundle(subject.concept):
        return "every file is sound and fits the base"
    return "every file is sound, as far as that can be seen without its base"


def _base(subject: _Subject) -> str:
    concept = subject.concept
    try:
        base = find_base(concept.base_id)
    except BaseModelError as error:
        raise _Unknown(f"the base '{concept.base_id}' is not installed here", hint=error.hint) from error
    if base.sha256 != concept.base_sha256:
        raise ConceptError(
            f"made for another '{base.id}' ({concept.base_sha256[:12]}…) than the installed one ({base.sha256[:12]}…)",
            hint="train it again: e2gan train",
        )
    return f"'{base.id}', as installed here"


def _package(subject: _Subject) -> str:
    """The distribution around the bundle agrees with it and holds no code but the hook and tests."""
    folder, concept = subject.folder, subject.concept
    if concept.path == folder:
        return "a bundle alone"
    package = concept.path.parent
    hook, tests = package / "__init__.py", folder / "tests"
    code = [file for file in sorted(folder.rglob("*.py")) if file != hook and tests not in file.parents]
    if code:
        raise ConceptError(
            f"{code[0].relative_to(folder)}: code, but a concept is data", hint="remove it, or make it a plugin"
        )
    file = folder / "pyproject.toml"
    project: Any = read_toml(file, error=ConceptError).get("project", {})
    expected = {"name": f"e2gan-concept-{concept.id}", "version": concept.version, "license": concept.license}
    for key, value in expected.items():
        found = project.get(key) if isinstance(project, dict) else None
        if not isinstance(found, str) or found.lower() != value.lower():
            raise ConceptError(f"{file.name}: {key} is {shown(found)}, but the bundle says '{value}'")
    for other in concept.others:
        if other.version != concept.version or other.license != concept.license:
            raise ConceptError(
                f"{other.path.name}: {other.version}, {other.license}, but the bundle beside it "
                f"{concept.version}, {concept.license}"
            )
    return f"{project['name']} {concept.version}"


def _need_training(concept: Concept) -> None:
    """Ask nothing that only a training answers: the bundle's line says already that it comes first."""
    if not concept.trained:
        raise _Unknown("not trained yet")


def _quality(subject: _Subject) -> str:
    concept = subject.concept
    _need_training(concept)
    figures = ratios(concept)
    if not figures:
        raise ConceptError(
            "no measured figures with unedited photos for comparison",
            hint=f"e2gan eval {subject.folder} --data PHOTOS --record",
        )
    tested = concept.quality.get("photographs")
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items()) + (
        f", on {tested} photographs" if isinstance(tested, int) else ""
    )


def _better(subject: _Subject) -> str:
    _need_training(subject.concept)
    if not ratios(subject.concept):
        raise _Unknown("nothing is measured")
    if lines := worse_than_nothing(subject.concept.quality):
        raise ConceptError(lines[0], hint=lines[1].strip())
    return "the edits are nearer to the teacher's than the photos are"


def _licences(subject: _Subject) -> str:
    concept = subject.concept
    given = all(teacher.id == GIVEN for teacher in concept.recipe.teachers)
    stated = {"photos": concept.licenses.photos} | ({} if given else {"teacher": concept.licenses.teacher})
    if missing := sorted(name for name, text in stated.items() if not text):
        stating = ", ".join(f'{name} = "…"' for name in missing)
        raise ConceptError(
            f"concept.toml does not state the licence of the {' and the '.join(missing)}: [licenses] needs {stating}"
        )
    return "; ".join([f"concept: {concept.license}", *(f"{name}: {text}" for name, text in sorted(stated.items()))])


def _authors(subject: _Subject) -> str:
    if not subject.concept.authors:
        raise ConceptError('concept.toml names no authors: it needs authors = ["…"]')
    return ", ".join(subject.concept.authors)


def _preview(subject: _Subject) -> str:
    from e2gan.images import PREVIEW, open_image

    _need_training(subject.concept)
    if subject.concept.preview is None:
        raise ConceptError("there is no preview", hint=f"e2gan train {subject.folder} --data PHOTOS --step preview")
    picture = open_image(subject.concept.preview, limits=PREVIEW)
    halves = [picture.convert("RGB").crop(box).tobytes() for box in _halves(*picture.size)]
    if halves[0] == halves[1]:
        raise ConceptError("the preview shows the same before and after", hint="look at the edits")
    return f"{picture.width} × {picture.height} pixels, before and after"


def _halves(width: int, height: int) -> list[tuple[int, int, int, int]]:
    half = width // 2
    return [(0, 0, half, height), (half, 0, 2 * half, height)]


def _card(subject: _Subject) -> str:
    _need_training(subject.concept)
    file = subject.concept.path / CARD
    if not file.is_file():
        raise ConceptError("there is no model card", hint=f"e2gan train {subject.folder} --data PHOTOS")
    if _told(file.read_text("utf-8")) != _told(render_card(subject.concept)):
        raise ConceptError(
            f"{CARD}: it does not say what concept.toml says", hint=f"e2gan train {subject.folder} --data PHOTOS"
        )
    return "it says what concept.toml says"


def _told(card: str) -> str:
    """A card without what a publication changes: its metadata, and how the concept is named on the command line."""
    body = re.sub(r"\A---\n.*?\n---\n", "", card, count=1, flags=re.DOTALL)
    return re.sub(r"^e2gan (apply|pull) .*$", "", body, flags=re.MULTILINE).strip()


def _size(subject: _Subject) -> str:
    size = sum(file.stat().st_size for file in subject.concept.path.iterdir())
    if size > LARGE:
        raise ConceptError(f"{size:,} bytes, more than {LARGE:,}", hint="lower ranks make a smaller adapter")
    return f"{size / 1000:,.0f} kB"


QUESTIONS: dict[str, Callable[[_Subject], str]] = {
    "bundle": _bundle,
    "base": _base,
    "package": _package,
    "quality": _quality,
    "better than nothing": _better,
    "licences": _licences,
    "authors": _authors,
    "preview": _preview,
    "card": _card,
    "size": _size,
}
"""The questions, in the order of the checklist; each returns what it found, or raises what is wrong."""
