"""Cinema, a concept for E²GAN: ``e2gan apply cinema photo.jpg -o edited.jpg``."""

from collections.abc import Callable
from pathlib import Path

import e2gan


@e2gan.hookimpl
def register_concepts(register: Callable[[Path], None]) -> None:
    register(Path(__file__).parent / "bundle")
