"""The modules, look, fonts and samples that the web pages share: the demo's, and the catalogue's.

Each page finds these files in a folder ``shared`` beside its own: the demo serves them, and the catalogue copies them.
"""

from pathlib import Path

__all__ = ["ASSETS"]

ASSETS = Path(__file__).parent
"""The folder of the files."""
