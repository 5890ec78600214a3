"""What the two web pages share: modules, look and fonts.  The pages are in ``spaces/``.

A page has these files in a folder ``shared`` beside its own: the demo serves them, ``make web`` copies them.
"""

from pathlib import Path

__all__ = ["ASSETS"]

ASSETS = Path(__file__).parent
"""The folder of the files."""
