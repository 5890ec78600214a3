"""The modules, look and fonts that the two web pages share.  The pages are in ``spaces/``.

Each page finds these files in a folder ``shared`` beside its own: the demo serves them, and ``make web`` copies them.
"""

from pathlib import Path

__all__ = ["ASSETS"]

ASSETS = Path(__file__).parent
"""The folder of the files."""
