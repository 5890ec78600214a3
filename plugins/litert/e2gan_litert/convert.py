"""From a concept to a LiteRT model, through litert-torch."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan.files import temporary_folder
from e2gan.installing import install_command
from e2gan_litert.network import PHOTO, build

__all__ = ["convert", "stored"]


def convert(base: Base, concept: Concept, size: tuple[int, int]) -> bytes:
    """A model of a concept's whole edit in float32, for photos of ``size``, width and height in pixels.

    Raises:
        ConceptError: the concept is untrained, malformed or made for another base.
        BaseModelError: the base's files are damaged.
        E2GANError: litert-torch is not installed, or cannot convert the base.
    """
    network = build(base, concept)
    try:
        with _silence():
            import litert_torch
    except ImportError as fault:
        raise E2GANError(
            f"writing LiteRT models needs the package 'litert-torch' ({fault})",
            hint=install_command("e2gan-litert[convert]"),
        ) from fault
    width, height = size
    example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with temporary_folder(for_libraries=True) as folder:
        file = Path(folder, "model.tflite")
        try:
            with _silence(), torch.no_grad():
                litert_torch.convert(network, sample_kwargs={PHOTO: example}).export(str(file))
        # Its compilers have no common class of exceptions.
        except Exception as fault:
            reason = " ".join(str(fault).split())[:200] or type(fault).__name__
            raise E2GANError(
                f"litert-torch cannot convert '{concept.id}': {reason}", hint="export to ONNX, or another concept"
            ) from fault
        return file.read_bytes()


def stored(model: bytes, precision: str) -> bytes:
    """A float32 model with the weights of its convolutions and projections in another precision.

    Args:
        precision: ``float32``; ``float16``; or ``int8``, which is float16 but for the residual blocks, with half of
            the weights and most of the sums, and the transformer's projections.  Their inputs, too, are rounded to
            8 bits, by a range for each picture; in the other convolutions that would cost 13 dB.
    """
    if precision == "float32":
        return model
    with _silence():
        from ai_edge_quantizer import algorithm_manager, quantizer
        from ai_edge_quantizer.qtyping import TFLOperationName as Operation

        with temporary_folder(for_libraries=True) as folder:
            file = Path(folder, "model.tflite")
            file.write_bytes(model)
            work = quantizer.Quantizer(str(file))
            casting = algorithm_manager.AlgorithmName.FLOAT_CASTING
            for operation in (Operation.CONV_2D, Operation.CONV_2D_TRANSPOSE, Operation.FULLY_CONNECTED):
                work.add_weight_only_config(".*", operation, num_bits=16, algorithm_key=casting)
            if precision == "int8":
                # By the names of the generator's modules, which the converter keeps.
                work.add_dynamic_config(".*ResBlock", Operation.CONV_2D, num_bits=8)
                work.add_dynamic_config(".*TransformerBlock", Operation.FULLY_CONNECTED, num_bits=8)
            work.quantize().export_model(str(file), overwrite=True)
            return file.read_bytes()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Suppress the libraries' messages to their developers; their compilers write to the file descriptors."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for descriptor, _ in saved:
                os.dup2(null, descriptor)
            yield
    finally:
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(null)
        logging.disable(before)
