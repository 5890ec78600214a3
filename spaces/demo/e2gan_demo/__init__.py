"""The web demo: a page on which photos are edited with the installed concepts, for one's own machine and as a Space."""

__version__ = "0.1.0"
