"""The web demo: a page to edit photos with the installed concepts, on your own machine or as a Space."""

__version__ = "0.1.0"
