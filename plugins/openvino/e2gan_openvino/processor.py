"""What this machine's processor can do."""

from __future__ import annotations

import platform
import warnings
from functools import cache

from archspec.cpu import detect

__all__ = ["features", "is_x86"]


@cache
def features() -> frozenset[str]:
    """The processor's features by Linux's names, such as ``avx512_bf16``.

    These are not the features of archspec's ``host()``: a virtual machine often hides a feature or two, and without,
    say, ``rdseed``, the host is no model that archspec knows, but a generic processor with hardly any features.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ways to ask that do not work here
        return frozenset(detect.detected_info().features)


def is_x86() -> bool:
    """Whether the processor is of the kind x86-64."""
    return platform.machine().lower() in ("x86_64", "amd64")
