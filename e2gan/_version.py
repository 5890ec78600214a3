"""The version, for code that needs nothing else."""

__all__ = ["__version__"]

__version__ = "0.1.0"
