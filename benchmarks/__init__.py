"""What the project promises, measured: ``python -m benchmarks --data PHOTOS``, or one module by itself.

Every figure is a ratio between things measured in the same run, or has a limit it is held against.
"""
