"""The base in one file, and each concept in a small file to append.

An ONNX file is one protobuf message, and a reader merges two messages in a row into one: lists are joined.  So the
base's part is a model without the concept's initialisers, a concept's part holds only these, and

    cat base.part vangogh.part > vangogh.onnx

is a whole model.  An app joins them in memory.  The LoRA is added to the base's weights in the graph, by operators on
constants alone, which a runtime computes once, when it loads the model; edits then cost as much as folded ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.errors import E2GANError
from e2gan.files import atomic_folder
from e2gan.leftovers import names
from e2gan.models.layout import Keeps, Ranks, adapter_shapes
from e2gan_onnx.check import compare, run
from e2gan_onnx.edit import SwappableEdit
from e2gan_onnx.export import Exported, describe, example, facts_of_base, facts_of_concept, require
from e2gan_onnx.graph import PHOTO, picture_dimensions, to_onnx
from e2gan_onnx.photos import check_photos

__all__ = ["BASE_PART", "INDEX", "base_part", "concept_part", "export_swappable", "takes_noise"]

BASE_PART, INDEX = "base.part", "concepts.json"

SUFFIX = ".part"

SMALL = 1024
"""Largest size, in numbers, of an initialiser that is not worth a cast."""


def base_part(base: Base, *, opset: int, noise: bool) -> bytes:
    """A model of the whole edit without the concept's tensors; no runtime loads it alone.

    Args:
        noise: whether the concepts may use noise (`takes_noise`).

    Raises:
        E2GANError: it cannot be expressed at that opset.
    """
    ranks = Ranks(sampling=(2, 2, 2, 2), transformer=2)  # of the example only: a concept may have any ranks
    concept = {name: torch.zeros(shape) for name, shape in adapter_shapes(base.config, ranks).items()}
    dynamic: dict[str, Any] = {
        name: {axis: torch.export.Dim.AUTO for axis, size in enumerate(tensor.shape) if size == 2}
        for name, tensor in concept.items()
    }
    concept["prompt"] = torch.zeros(1, 3, base.config.prompt_dim)
    concept["tone"], concept["shares"] = torch.zeros(1, 3, 4), torch.zeros(1, len(Keeps))
    if base.config.skips:
        concept["skips"] = torch.zeros(1, 3)
    if noise:
        concept["noise"] = torch.zeros(1)
    dynamic |= {"prompt": {1: torch.export.Dim.AUTO}}
    dynamic |= {name: {} for name in concept if name not in dynamic}
    model = to_onnx(
        SwappableEdit(base.generator()).eval(),
        {PHOTO: example(base), "concept": concept},
        {PHOTO: picture_dimensions(base.config.stride), "concept": dynamic},
        opset=opset,
        name=base.id,
        names=[PHOTO, *concept],
    )
    del model.graph.input[1:]
    _halve(model)
    describe(model, facts_of_base(base, "fp32", "float32"))
    data: bytes = model.SerializeToString()
    return data


def _halve(model: onnx.ModelProto) -> None:
    """Store in half precision the initialisers that lose nothing, such as a base's weights, which are float16 on disk.

    The graph casts them back, which a runtime does once.
    """
    initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, value in initializers.items():
        half = value.astype(np.float16) if value.dtype == np.float32 and value.size > SMALL else None
        if half is not None and np.array_equal(half.astype(np.float32), value):
            tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            cast = onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
            model.graph.node.insert(0, cast)


def takes_noise(base: Base, concepts: Sequence[Concept]) -> bool:
    """Whether the graph for these concepts includes noise; with skips always, so that later concepts fit, too."""
    return base.config.skips or any(concept.noise for concept in concepts)


def concept_part(concept: Concept, base: Base, *, noise: bool) -> bytes:
    """The rest of a model after :func:`base_part`: the concept's LoRA, prompt, tone and so on, and its metadata.

    Args:
        noise: as for the base's part.

    Raises:
        ConceptError: the concept is untrained, damaged or made for another base.
    """
    adapter = concept.load(base)
    tensors: dict[str, np.ndarray] = {
        **adapter.tensors,
        "prompt": adapter.prompt[None],
        "tone": np.array([concept.tone], np.float32),
        "shares": np.array([[kind == concept.keeps for kind in Keeps]], np.float32),
    }
    if base.config.skips:
        tensors["skips"] = np.array([concept.skips], np.float32)
    if noise:
        tensors["noise"] = np.array([concept.noise], np.float32)
    part = onnx.ModelProto()
    part.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in tensors.items())
    describe(part, facts_of_concept(concept))
    data: bytes = part.SerializeToString()
    return data


def export_swappable(
    concepts: Sequence[Concept],
    base: Base,
    folder: Path,
    *,
    opset: int,
    editor: Editor | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> list[Exported]:
    """Write the base's part, each concept's, their previews, and ``concepts.json``, which lists them.

    Args:
        folder: replaced in one step; must be empty or hold an earlier export.
        editor: in float32, of ``base``: what to compare with.  Without one nothing is checked.
        tell: is told what is being done, a line at a time.

    Returns:
        The base's part and each concept's.

    Raises:
        ConceptError: a concept is untrained, damaged or made for another base.
        E2GANError: the folder holds something else or cannot be written, or a model differs too much from the editor.
    """
    _refuse_foreign(folder)
    with atomic_folder(folder) as new:
        noise = takes_noise(base, concepts)
        parts = [concept_part(concept, base, noise=noise) for concept in concepts]
        tell(f"{base.id}: tracing")
        whole = base_part(base, opset=opset, noise=noise)
        (new / BASE_PART).write_bytes(whole)
        exported = [Exported(base.id, folder / BASE_PART, len(whole), None)]
        for concept, part in zip(concepts, parts):
            likeness = None
            if editor is not None:
                tell(f"{concept.id}: checking")
                likeness = compare(run(whole + part), concept, editor, check_photos())
                require(likeness, "fp32", concept.id)
            (new / f"{concept.id}{SUFFIX}").write_bytes(part)
            if concept.preview:
                (new / _preview(concept)).write_bytes(concept.preview.read_bytes())
            exported.append(Exported(concept.id, folder / f"{concept.id}{SUFFIX}", len(part), likeness))
        index = {
            "base": {"id": base.id, "sha256": base.sha256, "file": BASE_PART, "bytes": len(whole)},
            "stride": base.config.stride,
            "concepts": [_entry(concept, len(part)) for concept, part in zip(concepts, parts)],
        }
        (new / INDEX).write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return exported


def _entry(concept: Concept, size: int) -> Mapping[str, Any]:
    return {
        **facts_of_concept(concept),
        "description": concept.description,
        "file": f"{concept.id}{SUFFIX}",
        "bytes": size,
        "preview": _preview(concept) if concept.preview else None,
    }


def _preview(concept: Concept) -> str:
    return f"{concept.id}.webp"


def _refuse_foreign(folder: Path) -> None:
    """Raise E2GANError for a folder that holds anything but an earlier export."""
    present = names(folder) if folder.is_dir() else []
    if present and INDEX not in present:
        raise E2GANError(
            f"{folder} holds {min(present)}, which is not a file of an export", hint="choose an empty folder"
        )
