"""Concepts on the Hugging Face Hub: push, pull, search, lock and verify.

The protocol is huggingface_hub's.  What is here says what a concept's repository may hold, makes nothing visible that
has not been checked, and records where everything came from.  Nothing imports huggingface_hub before it talks to the
Hub, so a concept that is there already costs no more than one from pip.
"""

from __future__ import annotations

__all__: list[str] = []
