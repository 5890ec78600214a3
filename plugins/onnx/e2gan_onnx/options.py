"""Options of an export; cheap to import, for the command line."""

__all__ = ["IO", "LEAST_PSNR", "OPSETS"]

IO = ("uint8", "float32")
"""What a model takes and returns; the default first."""

LEAST_PSNR = {"fp32": 75.0, "fp16": 45.0, "int8": 35.0}
"""By precision: the least PSNR, in dB, to the PyTorch editor's pictures."""

OPSETS = (18, 23)
"""First and last supported ONNX opset; the exporter writes no older one."""
