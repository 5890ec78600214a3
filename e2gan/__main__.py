"""``python -m e2gan``."""

from e2gan.cli import main

main()
