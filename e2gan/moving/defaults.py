"""What the help says of clips, without importing FFmpeg or OpenCV."""

from __future__ import annotations

__all__ = ["CODECS", "STEADY"]

STEADY = 0.9
"""Usual share of the former frame's edit."""

CODECS = ("h264", "h265", "vp9", "av1")
"""Names of the codecs that clips are written with."""
