"""Options of an export; cheap to import, for the command line."""

__all__ = ["LEAST_PSNR"]

LEAST_PSNR = {"float32": 60.0, "float16": 45.0, "int8": 35.0}
"""By precision: the least PSNR, in dB, to the editor's pictures."""
