"""How a visitor gets a concept: the one place that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2gan.installing import install_elsewhere

if TYPE_CHECKING:
    from e2gan.concept import Concept

__all__ = ["Step", "step_to_install", "steps_to_get"]


@dataclass(frozen=True)
class Step:
    """A line of text, and the command that it is about."""

    text: str
    command: str


def step_to_install() -> Step:
    """How to install the program itself."""
    command = install_elsewhere("e2gan")
    if not command or " ." in command:  # relative to a clone
        return Step("Install the program, in a copy of its repository", command or "pip install -c constraints.txt .")
    return Step("Install the program", command)


def steps_to_get(concept: Concept, archive: str) -> list[Step]:
    """The ways to get a concept and to use it, once the program is installed.

    Args:
        archive: name of the file that the site offers for download.
    """
    steps = []
    name = f"./{concept.id}"
    if concept.source and concept.source.startswith("hub:"):
        repository = concept.source.removeprefix("hub:")
        steps.append(Step("From the Hugging Face Hub", f"e2gan pull {repository}"))
        name = concept.source.partition("@")[0]
    else:
        steps.append(Step("Download it, and unpack it", f"python -m zipfile -e {archive} ."))
    steps.append(Step("Edit a photo with it", f"e2gan apply {name} photo.jpg -o edited.jpg"))
    return steps
