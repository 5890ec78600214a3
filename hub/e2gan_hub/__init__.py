"""Concepts on the Hugging Face Hub: push, pull, search, lock and verify.

huggingface_hub implements the protocol.  This package defines what a concept's repository may hold, shows only what it
has checked, and records where everything came from.  Modules import huggingface_hub only when they talk to the Hub, so
a concept that was pulled before costs no more than one from pip.
"""

from __future__ import annotations

__all__: list[str] = []
