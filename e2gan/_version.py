"""The version, for whoever needs only that."""

__all__ = ["__version__"]

__version__ = "0.1.0"
