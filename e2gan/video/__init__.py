"""Clips: their frames are edited one by one and made steady; the rest of the file stays.

It needs PyAV, which brings FFmpeg, and OpenCV: ``pip install 'e2gan[video]'``.
"""

from e2gan.video.editing import edit_clip
from e2gan.video.reading import check_whole, open_clip, read_provenance
from e2gan.video.steady import STEADY, Steady
from e2gan.video.writing import CODECS

__all__ = ["CODECS", "STEADY", "Steady", "check_whole", "edit_clip", "open_clip", "read_provenance"]
