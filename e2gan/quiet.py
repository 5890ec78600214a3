"""Silencing what libraries would print on the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_import", "quiet_transformers"]


@contextmanager
def quiet_import() -> Iterator[None]:
    """Suppress what libraries log while they are imported, up to warnings, such as which kernels they cannot use."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress transformers' bars, and its remarks on weights and imports; downloads still show their progress.

    Its switches apply to the whole process, so they are restored afterwards.
    """
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as switches

    verbosity, bars = switches.get_verbosity(), switches.is_progress_bar_enabled()
    downloads = not are_progress_bars_disabled()
    switches.set_verbosity_error()
    switches.disable_progress_bar()  # which disables the bars of downloads as well
    if downloads:
        enable_progress_bars()
    try:
        with quiet_import():
            yield
    finally:
        switches.set_verbosity(verbosity)
        if bars:
            switches.enable_progress_bar()
        if not downloads:
            disable_progress_bars()
