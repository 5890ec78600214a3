"""The looks: each a G'MIC command of ours with places for bounded numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LOOKS", "Look", "Parameter"]


@dataclass(frozen=True)
class Parameter:
    """A number that a recipe may set."""

    name: str
    default: int | float
    """An integer where only whole numbers are allowed."""
    low: int | float
    high: int | float
    help: str


@dataclass(frozen=True)
class Look:
    """A filter of G'MIC with settings of ours."""

    id: str
    title: str
    command: str
    """In G'MIC's language; `{name}` is where the number of a parameter goes."""
    parameters: tuple[Parameter, ...] = ()


LOOKS: dict[str, Look] = {
    look.id: look
    for look in (
        Look(
            "pencil",
            "Pencil",
            "pencilbw {stroke},{contrast}",
            (
                Parameter("stroke", 0.3, 0.1, 2.0, "width of the strokes, pixels"),
                Parameter("contrast", 60, 0, 100, "how dark they are"),
            ),
        ),
        Look(
            "painting",
            "Painting",
            "fx_painting {abstraction},{detail},1.5,50,1,0,0",
            (
                Parameter("abstraction", 5, 1, 10, "how far from the photo"),
                Parameter("detail", 2.5, 0.0, 4.0, "how much of it is kept"),
            ),
        ),
    )
}
