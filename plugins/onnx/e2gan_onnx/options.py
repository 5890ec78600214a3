"""What an export may be asked for; light, so that the command line can name it."""

__all__ = ["LEAST_PSNR", "OPSETS"]

LEAST_PSNR = {"fp32": 75.0, "fp16": 45.0, "int8": 35.0}
"""By precision, how near in dB a model's pictures must come to the PyTorch editor's."""

OPSETS = (18, 23)
"""First and last version of ONNX's operators that can be asked for; the exporter writes none below."""
