"""Measurements of the project's promises: ``python -m benchmarks --data PHOTOS``, or a single module.

Every figure is a ratio between measurements of the same run, or has a limit.
"""
