"""Convert concepts to a Core ML package."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias, get_args

import torch

from e2gan import __version__
from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan.files import temporary_folder
from e2gan.models.layout import MAX_KEYS
from e2gan_coreml.network import PackagedEdit, build
from e2gan_coreml.program import MODEL
from e2gan_coreml.tools import quiet_coremltools

__all__ = ["COMPRESSIONS", "TARGETS", "Compression", "Size", "Target", "function_names", "write_package"]

Target: TypeAlias = Literal["iOS17", "iOS18"]
TARGETS: tuple[Target, ...] = get_args(Target)
"""The oldest system that a package runs on: iOS 17 and macOS 14, or iOS 18 and macOS 15."""

Compression: TypeAlias = Literal["int8", "palette8", "palette6"]
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)

Size: TypeAlias = "tuple[int, int]"
"""Width and height in pixels, multiples of 8."""

INPUT, OUTPUT = "photo", "edit"

LARGE = 1 << 15
"""Smallest tensor that is compressed; a concept's factors and the first and last convolutions are smaller."""


def function_names(concepts: Sequence[Concept]) -> list[str]:
    """The package's function for each concept: ``main`` for a single concept, else its id as an identifier."""
    if len(concepts) == 1:
        return ["main"]
    return [("_" if concept.id[0].isdigit() else "") + concept.id.replace("-", "_") for concept in concepts]


def write_package(
    folder: Path,
    base: Base,
    concepts: Sequence[Concept],
    sizes: Sequence[Size] = ((256, 256),),
    target: Target = "iOS17",
    compression: Compression | None = None,
) -> None:
    """Fill an empty folder with the package of some concepts.

    A single concept is folded into the base's weights.  Several become functions of one package, each with its change
    in branches beside the base's weights, which are stored once; this needs ``target="iOS18"``.

    Raises:
        ConceptError: a concept is untrained, malformed or made for another base.
        E2GANError: Core ML supports neither the base nor the sizes.
    """
    _check_feasible(base, sizes)
    with quiet_coremltools() as ct, temporary_folder(for_libraries=True) as work:
        package = folder / "made.mlpackage"  # coremltools requires this suffix
        parts = []
        for name, concept in zip(function_names(concepts), concepts):
            network = build(base, concept, sizes, folded=len(concepts) == 1)
            model = _compressed(ct, _converted(ct, network, sizes, target), compression)
            parts.append(package if len(concepts) == 1 else Path(work, f"{name}.mlpackage"))
            model.save(str(parts[-1]))
        if len(concepts) > 1:
            whole = ct.utils.MultiFunctionDescriptor()
            for name, part in zip(function_names(concepts), parts):
                whole.add_function(str(part), "main", name)
            whole.default_function_name = function_names(concepts)[0]
            ct.utils.save_multifunction(whole, str(package))
        _describe(ct, package / MODEL, base, concepts, sizes, compression)
    for entry in package.iterdir():
        os.replace(entry, folder / entry.name)
    package.rmdir()


def _check_feasible(base: Base, sizes: Sequence[Size]) -> None:
    """Refuse a base that Core ML cannot run, and sizes that need different programs, since only one size is traced."""
    if base.config.tb_positions and base.config.tb_sampling == "pool":
        raise E2GANError(
            f"the base '{base.id}' cannot be exported: Core ML has no operation that undoes its max-pooling",
            hint='a base with tb_sampling = "conv" or "none" can',
        )
    # Attention skips tokens in large photos; how many is a constant of the program.
    steps = [max(1, width * height // base.config.stride**2 // MAX_KEYS) for width, height in sizes]
    for size, step in zip(sizes, steps):
        if step != steps[0]:
            (width, height), (other_width, other_height) = sizes[0], size
            raise E2GANError(
                f"{width}×{height} and {other_width}×{other_height} cannot share a package",
                hint="export the larger one to a separate package",
            )


def _converted(ct: ModuleType, network: PackagedEdit, sizes: Sequence[Size], target: Target) -> Any:
    _support_flexible_sizes()
    shapes = [(1, 3, height, width) for width, height in sizes]
    with warnings.catch_warnings():
        # The step between attended tokens, the same for all sizes.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(network, torch.zeros(shapes[0]), check_trace=False)
    try:
        return ct.convert(
            traced,
            inputs=[
                ct.ImageType(
                    name=INPUT,
                    shape=ct.EnumeratedShapes(shapes, default=shapes[0]) if len(shapes) > 1 else shapes[0],
                    scale=1 / 127.5,
                    bias=[-1.0, -1.0, -1.0],
                )
            ],
            outputs=[ct.ImageType(name=OUTPUT)],
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT16,
            skip_model_load=True,
        )
    except NotImplementedError as fault:
        raise E2GANError(f"coremltools cannot convert the generator: {fault}") from fault


def _support_flexible_sizes() -> None:
    """Teach coremltools to unflatten to computed sizes; it supports constant ones only."""
    from coremltools.converters.mil import Builder, register_torch_op
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs

    def unflatten(context: Any, node: Any) -> None:
        x, axis, sizes = _get_inputs(context, node, expected=3)
        if isinstance(sizes, (list, tuple)):
            sizes = Builder.concat(values=[Builder.expand_dims(x=size, axes=[0]) for size in sizes], axis=0)
        before = axis.val % x.rank
        shape = Builder.shape(x=x)
        pieces = [Builder.slice_by_index(x=shape, begin=[0], end=[before])] if before else []
        pieces.append(sizes)
        if before + 1 < x.rank:
            pieces.append(Builder.slice_by_index(x=shape, begin=[before + 1], end=[x.rank]))
        context.add(Builder.reshape(x=x, shape=Builder.concat(values=pieces, axis=0), name=node.name))

    register_torch_op(unflatten, override=True)


def _compressed(ct: ModuleType, model: Any, compression: Compression | None) -> Any:
    """The model with its large weights compressed; equal weights of several models stay equal."""
    optimize = ct.optimize.coreml
    if compression == "int8":
        quantize = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", weight_threshold=LARGE)
        return optimize.linear_quantize_weights(model, optimize.OptimizationConfig(quantize))
    if compression is not None:
        bits = int(compression.removeprefix("palette"))
        palettize = optimize.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=LARGE)
        return optimize.palettize_weights(model, optimize.OptimizationConfig(palettize))
    return model


def _describe(
    ct: ModuleType,
    model: Path,
    base: Base,
    concepts: Sequence[Concept],
    sizes: Sequence[Size],
    compression: Compression | None,
) -> None:
    """Write the description into a package's model file."""
    spec = ct.utils.load_spec(str(model))
    about = spec.description.metadata
    about.author = ", ".join(dict.fromkeys(author for concept in concepts for author in concept.authors))
    about.license = ", ".join(dict.fromkeys([*(concept.license for concept in concepts), base.license]))
    if len(concepts) == 1:
        about.versionString = concepts[0].version
        about.shortDescription = concepts[0].description or concepts[0].title
    else:
        about.versionString = ", ".join(f"{concept.id} {concept.version}" for concept in concepts)
        about.shortDescription = "Photo edits: " + ", ".join(concept.title for concept in concepts)
    listed = [
        {
            "function": name,
            "id": concept.id,
            "title": concept.title,
            "version": concept.version,
            "prompt": concept.prompt,
            "license": concept.license,
            "authors": concept.authors,
            "description": concept.description,
        }
        for name, concept in zip(function_names(concepts), concepts)
    ]
    details = {
        "concepts": listed,
        "base": {"id": base.id, "version": base.version, "license": base.license, "sha256": base.sha256},
        "sizes": sizes,
        "compression": compression,
        "program": f"e2gan {__version__}",
    }
    for key, value in details.items():
        about.userDefined[f"e2gan.{key}"] = json.dumps(value, ensure_ascii=False)
    for function in spec.description.functions or [spec.description]:
        function.input[0].shortDescription = "The photo, of one of the sizes"
        function.output[0].shortDescription = "Its edit, in the same size"
    model.write_bytes(spec.SerializeToString())
