"""Dense strokes, a concept for E²GAN: ``e2gan apply dense-strokes photo.jpg -o edited.jpg``."""

from collections.abc import Callable
from pathlib import Path

import e2gan


@e2gan.hookimpl
def register_concepts(register: Callable[[Path], None]) -> None:
    for bundle in sorted(Path(__file__).parent.glob("bundle*")):  # one for each base
        register(bundle)
