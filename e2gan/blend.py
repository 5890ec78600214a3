"""What a photo is edited with: one concept, or several with weights, named in any of the supported ways."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from e2gan.base import find_base, preferred
from e2gan.concept import MANIFEST, Concept, concept_in, holds_concept
from e2gan.errors import ConceptError
from e2gan.installing import install_command
from e2gan.plugins import OFFERED_BY, registry
from e2gan.tables import shown

if TYPE_CHECKING:
    from torch import nn

    from e2gan.base import Base

__all__ = ["Blend", "ConceptBlend", "Concepts", "OtherModel", "Part", "find_concept", "on_one_base", "resolve"]


class Blend(Protocol):
    """What makes an edit: concepts with their weights, or a generator other than E²GAN's.

    The editor needs nothing else, so a source may return any such object in place of a concept.
    """

    @property
    def parts(self) -> tuple[Part, ...]:
        """The concepts to fold into the base; empty if another generator makes the edit."""

    @property
    def load(self) -> Callable[[], nn.Module] | None:
        """Returns the generator in evaluation mode, (N, 3, H, W) float32 in [-1, 1] to the same; None: the base's."""

    @property
    def sha256(self) -> str:
        """Digest of that generator's weights, which identifies it; empty for the base's."""

    @property
    def base_id(self) -> str | None:
        """The base that it is applied with; None if any base will do."""

    @property
    def stride(self) -> int | None:
        """H and W must be multiples of it; None: the base's stride."""

    @property
    def longest(self) -> int | None:
        """Longest side, in pixels, that it takes; larger photos are made smaller for it."""

    @property
    def title(self) -> str:
        """For people: the concepts' ids, or the model's."""

    def provenance(self, base: Base) -> dict[str, Any]:
        """``concepts`` and ``base`` in the provenance of an edit that is made with ``base``."""

    def not_finite(self, dtype: str) -> ConceptError:
        """The error for an edit that is not finite, computed in ``dtype``."""


class Part(NamedTuple):
    """One concept of a blend."""

    concept: Concept
    weight: float
    """Its share of the blend, above 0 and up to 1.  It multiplies the concept's ΔW and its part of the attention to the
    prompt."""


@dataclass(frozen=True)
class ConceptBlend:
    """Concepts with their weights, which add up to 1, in order; the bare base if there are none."""

    parts: tuple[Part, ...] = ()
    load: None = None
    sha256: str = ""
    stride: None = None
    longest: None = None

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    @property
    def base_id(self) -> str | None:
        return self.parts[0].concept.base_id if self.parts else None

    @property
    def title(self) -> str:
        return ", ".join(part.concept.id for part in self.parts)

    def provenance(self, base: Base) -> dict[str, Any]:
        concepts = [{"id": c.id, "version": c.version, "weight": weight} for c, weight in self.parts]
        return {"concepts": concepts, "base": {"id": base.id, "sha256": base.sha256}}

    def not_finite(self, dtype: str) -> ConceptError:
        return ConceptError(
            f"{self.title}: the edit is not finite in {dtype}",
            hint="lower the weights, or use an Editor with dtype=torch.float32",
        )


@dataclass(frozen=True, eq=False)
class OtherModel:
    """A trained generator other than E²GAN's: it makes one edit by itself, without a base or an adapter.

    A source may return one in place of a concept.  The editor applies it like a concept, but it takes no weight.
    """

    id: str
    """Id of the concept that it was trained for."""
    version: str
    """Version of that concept."""
    model: str
    """Which generator it is, such as ``pix2pix``."""
    sha256: str
    """Digest of its weights, which identifies it."""
    load: Callable[[], nn.Module]
    """Returns the generator in evaluation mode: (N, 3, H, W) float32 in [-1, 1] to the same."""
    stride: int = 1
    """H and W must be multiples of it; missing rows and columns are filled by reflection."""
    longest: int | None = None
    """Longest side, in pixels, that it takes; larger photos are made smaller for it."""
    parts: tuple[Part, ...] = ()
    base_id: None = None

    @property
    def title(self) -> str:
        return self.model

    def provenance(self, base: Base) -> dict[str, Any]:
        concept = {"id": self.id, "version": self.version, "weight": 1.0}
        return {"concepts": [concept], "base": {"id": self.model, "sha256": self.sha256}}

    def not_finite(self, dtype: str) -> ConceptError:
        return ConceptError(f"{self.id}: the edit of the model '{self.model}' is not finite")


Name: TypeAlias = "str | os.PathLike[str] | Concept | Blend"
"""A concept: itself, the id of an installed one, the path of its folder, or a source and a name there; or what a source
gives in the place of one."""

Concepts: TypeAlias = "Name | Mapping[Any, float]"
"""One concept, ``{concept: weight}``, or the text ``vangogh=0.6,ukiyoe=0.4``; ``vangogh,ukiyoe`` has equal weights."""

HINT = "for example vangogh=0.6,ukiyoe=0.4"
A_FILE = "a concept is an installed id or a folder, and e2gan apply takes it before the photos"


def resolve(concepts: Concepts, base: str | None = None) -> Blend:
    """Resolve names to concepts, in order and without those of weight 0, or to another model.

    Weights are shares of the blend: if they do not add up to 1, they are scaled so that they do.  Of a concept that its
    package holds for several bases, the one for ``base`` is taken, as by `find_concept`.

    Raises:
        ConceptError: a concept is unknown, malformed or named twice, a weight is not a number from 0 to 1, or another
            model, which takes no weight, is given one.
    """
    if isinstance(concepts, str) and ("=" in concepts or "," in concepts) and not _is_folder(concepts):
        concepts = dict(_split(concepts))
    if not isinstance(concepts, Mapping):
        model = _find(concepts, base)
        if isinstance(model, Concept):
            return ConceptBlend((Part(model.on(base), 1.0),))
        if isinstance(model, ConceptBlend) and base:
            return replace(model, parts=tuple(Part(concept.on(base), weight) for concept, weight in model.parts))
        return model
    parts: list[Part] = []
    for name, value in concepts.items():
        weight = _weight(value, name)
        concept = find_concept(name, base).on(base)
        if any(part.concept.path == concept.path for part in parts):
            raise ConceptError(f"the concept '{concept.id}' appears twice in the blend", hint="add its weights up")
        parts.append(Part(concept, weight))
    used = tuple(part for part in parts if part.weight)
    if not used:
        raise ConceptError("a blend needs a concept with a weight above 0", hint=HINT)
    total = math.fsum(part.weight for part in used)
    if math.isclose(total, 1):  # shares as they were given, not changed by rounding
        return ConceptBlend(used)
    return ConceptBlend(tuple(Part(part.concept, part.weight / total) for part in used))


def _is_folder(text: str) -> bool:
    """Whether text that contains ``=`` or a comma is the path of a concept's folder, not a blend."""
    if not _looks_like_a_path(text):
        return False
    last = text.rpartition("=")[2]
    return Path(text).expanduser().is_dir() or ("/" in last and "," not in text)


def _looks_like_a_path(text: str) -> bool:
    return text.startswith((".", "~")) or "/" in text or os.sep in text


def find_concept(name: Name, base: str | None = None) -> Concept:
    """Find a concept: itself, an installed one by its id, one in a folder, or one from a plugin's source.

    If an installed package holds the concept for several bases, it is the one for ``base``, an id or a digest; if None,
    for the base that the environment names in ``E2GAN_BASE``; otherwise the package's first.

    Text that begins with a source's id and a colon goes to that source, unless a concept is installed under that very
    name.  Other text that contains a slash, or begins with a dot or ``~``, is a path; if there is no such folder, text
    of the form OWNER/NAME is the repository that an installed concept came from.

    Raises:
        ConceptError: there is no such concept, it is malformed, or it is another model.
        PluginError: several installed distributions claim the id.
    """
    concept = _find(name, base)
    if not isinstance(concept, Concept):
        who = shown(name) if isinstance(name, str) else concept.title
        raise ConceptError(
            f"{who}: a model ({concept.title}), not a concept",
            hint="apply it alone, without a weight; --strength mixes its edit with the photo",
        )
    return concept


def on_one_base(names: Iterable[Name], base: str | os.PathLike[str] | None = None) -> tuple[list[Concept], Base]:
    """Concepts, as by `find_concept`, and the base to use them with: ``base``, an id or a folder, or if None, the first
    concept's.

    Raises:
        ConceptError, PluginError: as `find_concept`.
        BaseModelError: there is no such base.
    """
    wanted = find_base(base).sha256 if base else None
    concepts = [find_concept(name, wanted) for name in names]
    foundation = find_base(base or concepts[0].base_id)
    return [concept.on(foundation.sha256) for concept in concepts], foundation


def _find(name: Name, base: str | None = None) -> Concept | Blend:
    if isinstance(name, os.PathLike):
        return _in_folder(Path(name), base)
    if not isinstance(name, str):
        return name
    scheme, colon, rest = name.partition(":")
    if colon and (installed := registry().all("concept").get(name)):
        return installed
    if colon and scheme in registry().all("source"):
        blend: Concept | Blend = registry().get("source", scheme).factory(rest)
        return blend
    if colon and (package := OFFERED_BY.get(("source", scheme))):
        needing = "trained baselines need" if scheme == "baseline" else "concepts on the Hub need"
        raise ConceptError(f"{shown(name)}: {needing} the package '{package}'", hint=install_command(package))
    if _looks_like_a_path(name):
        path = Path(name).expanduser()
        if not path.exists() and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name):
            return _from_repository(name)
        return _in_folder(path, base)
    try:
        return registry().get("concept", name).on(base or preferred())
    except ConceptError as error:
        if "+" in name:
            raise ConceptError(str(error), hint=f"a blend is written with weights, {HINT}") from None
        if holds_concept(name):
            raise ConceptError(str(error), hint=f"to use the folder of that name, write .{os.sep}{name}") from None
        if Path(name).is_file():
            raise ConceptError(str(error), hint=A_FILE) from None
        raise


def _in_folder(folder: Path, base: str | None) -> Concept:
    """The concept whose bundle the folder is, or which it is the distribution of."""
    if folder.is_file():
        raise ConceptError(f"{shown(str(folder))} is a file, not a concept", hint=A_FILE)
    around = not (folder / MANIFEST).exists() and any(folder.glob(f"*/bundle/{MANIFEST}"))
    return concept_in(folder).on(base or preferred()) if around else Concept.read(folder)


def _from_repository(repo: str) -> Concept:
    """The installed concept that came from a repository, OWNER/NAME in any capitals, on any source."""
    for concept in registry().all("concept").values():
        if concept.source and concept.source.partition(":")[2].partition("@")[0].lower() == repo.lower():
            return concept
    raise ConceptError(
        f"{repo}: no folder here has this name, and no concept was pulled from a repository of this name",
        hint=f"for a repository on the Hub that is not pulled, write hub:{repo}",
    )


def _split(text: str) -> Iterable[tuple[str, float]]:
    """``vangogh=0.6,ukiyoe=0.4`` as (name, weight); ``vangogh,ukiyoe`` has equal weights."""
    seen = set()
    items = [item.strip() for item in text.split(",")]
    for number, item in enumerate(items, 1):
        if not item:
            raise ConceptError(f"item {number} of the blend {shown(text)} is empty", hint=HINT)
    equal = "=" not in text
    for item in items:
        name, sign, weight = (item, "=", "1") if equal else (piece.strip() for piece in item.rpartition("="))
        if not (name and sign and weight):
            fault = "names no concept" if not name and sign else "has no weight"
            raise ConceptError(f"{shown(item)} in the blend is not CONCEPT=WEIGHT: it {fault}", hint=HINT)
        if name in seen:
            raise ConceptError(f"the concept '{name}' appears twice in the blend", hint="add its weights up")
        seen.add(name)
        yield name, _weight(weight, name)


def _weight(value: float | str, name: object) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight <= 1:
        shown_name = name.id if isinstance(name, Concept) else name
        raise ConceptError(
            f"the weight of '{shown_name}' must be a number from 0 to 1, not {shown(value)}",
            hint=f"weights are shares of a blend, {HINT}; the strength says how much of the photo remains",
        )
    return weight
