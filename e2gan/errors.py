"""The exceptions E²GAN raises on purpose.

Each carries one line for a person (what is wrong, in which file) and, where
there is one, a hint that says what to do.  The command line prints both and
exits with 1; everything else that escapes is a bug.
"""

from __future__ import annotations

from e2gan.terminal import printable

__all__ = [
    "BaseModelError",
    "ConceptError",
    "DataError",
    "E2GANError",
    "E2GANWarning",
    "ImageError",
    "MissingExtraError",
    "PluginError",
    "RecipeError",
    "TeacherError",
    "TrainingError",
]


class E2GANError(Exception):
    """Something the user can understand and fix."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # Both may quote what came from outside, and end on a terminal, on a page or in a log.
        super().__init__(printable(message))
        self.hint = hint and printable(hint)
        """What to do about it, one line, or None."""


class E2GANWarning(UserWarning):
    """Something the user should know, and that stops nothing; the command line prints it as a note."""


class ConceptError(E2GANError):
    """A concept is unknown, or its bundle is malformed, unsafe or made for another base."""


class BaseModelError(E2GANError):
    """A base model is missing, malformed, or not the one its digest promises."""


class ImageError(E2GANError):
    """A picture cannot be read, is too large, or cannot be written."""


class PluginError(E2GANError):
    """A plugin is broken, or two of them claim the same id."""


class TeacherError(E2GANError):
    """A teacher is unknown, misconfigured, or failed on a photo."""


class RecipeError(E2GANError):
    """A recipe has an unknown key, or a value out of range."""


class DataError(E2GANError):
    """A folder of photos or pairs is empty, corrupt, or changed under a running job."""


class TrainingError(E2GANError):
    """Training cannot go on: a non-finite loss, or a checkpoint that does not fit."""


class MissingExtraError(E2GANError):
    """A part of the program needs a package that is not installed: one of an extra, or one that comes alone."""

    def __init__(self, package: str, extra: str | None) -> None:
        """Without an ``extra`` it is one of the packages whose own requirements must not be followed."""
        self._needs = package, extra
        super().__init__(
            f"this needs the package '{package}', which is not installed",
            hint=f"pip install 'e2gan[{extra}]'" if extra else f"pip install --no-deps {package}",
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str | None]]:
        # So that it comes whole out of a worker process.
        return type(self), self._needs
