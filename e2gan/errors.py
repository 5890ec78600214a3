"""The exceptions that E²GAN raises on purpose.

Each carries one line for a person (what is wrong, in which file) and, if
possible, a hint that says what to do.  The command line prints both and
exits with 1; every other exception that escapes is a bug.
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
    """A problem that the user can understand and fix."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # Both may quote outside text, and may be shown on a terminal, on a page or in a log.
        super().__init__(printable(message))
        self.hint = hint and printable(hint)
        """One line that says what to do, or None."""


class E2GANWarning(UserWarning):
    """Something that the user should know but that stops nothing; the command line prints it as a note."""


class ConceptError(E2GANError):
    """A concept is unknown, or its bundle is malformed, unsafe or made for another base."""


class BaseModelError(E2GANError):
    """A base model is missing, malformed, or not the one its digest promises."""


class ImageError(E2GANError):
    """A picture cannot be read, is too large, or cannot be written."""


class PluginError(E2GANError):
    """A plugin is broken, or two plugins claim the same id."""


class TeacherError(E2GANError):
    """A teacher is unknown, misconfigured, or failed on a photo."""


class RecipeError(E2GANError):
    """A recipe has an unknown key, or a value out of range."""


class DataError(E2GANError):
    """A folder of photos or pairs is empty, corrupt, or changed under a running job."""


class TrainingError(E2GANError):
    """Training cannot continue: a loss is not finite, or a checkpoint does not fit."""


class MissingExtraError(E2GANError):
    """A part of the program needs a package that is not installed, either from an extra or on its own."""

    def __init__(self, package: str, extra: str | None) -> None:
        """Without an ``extra``, the package must be installed without its own requirements."""
        from e2gan.installing import install_command

        self._needs = package, extra
        super().__init__(
            f"this needs the package '{package}', which is not installed",
            hint=install_command(f"e2gan[{extra}]") if extra else install_command(package, no_deps=True),
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str | None]]:
        # So that it survives the way out of a worker process.
        return type(self), self._needs
