"""Mean intersection over union: whether a network sees in the pictures what their label maps say (Cityscapes).

A network for semantic segmentation, trained on photographs of streets, labels generated photographs.  For each of the
19 classes on which Cityscapes is measured, the pixels that it and the label map agree on are divided by those that
either gives that class; the score is the mean over the classes that occur.  Pixels without a class do not count.

The figure depends on the network as much as on the pictures: compare only figures from one network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from e2gan.errors import E2GANError, ImageError, MissingExtraError
from e2gan.files import read_bytes
from e2gan.images import open_image
from e2gan.quiet import quiet_transformers

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CLASSES", "IGNORED", "Agreement", "Segmenter", "agreement", "measure_miou", "read_labels"]

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""The measured classes, in the order of their train ids, 0 to 18."""

IGNORED = 255
"""The train id of pixels that are not measured."""

_COLOURS: dict[tuple[int, int, int], int] = {
    (128, 64, 128): 0, (244, 35, 232): 1, (70, 70, 70): 2, (102, 102, 156): 3, (190, 153, 153): 4, (153, 153, 153): 5,
    (250, 170, 30): 6, (220, 220, 0): 7, (107, 142, 35): 8, (152, 251, 152): 9, (70, 130, 180): 10, (220, 20, 60): 11,
    (255, 0, 0): 12, (0, 0, 142): 13, (0, 0, 70): 14, (0, 60, 100): 15, (0, 80, 100): 16, (0, 0, 230): 17,
    (119, 11, 32): 18,
    # Not measured: void, dynamic, ground, parking, rail track, guard rail, bridge, tunnel, caravan, trailer.
    (0, 0, 0): IGNORED, (111, 74, 0): IGNORED, (81, 0, 81): IGNORED, (250, 170, 160): IGNORED,
    (230, 150, 140): IGNORED, (180, 165, 180): IGNORED, (150, 100, 100): IGNORED, (150, 120, 90): IGNORED,
    (0, 0, 90): IGNORED, (0, 0, 110): IGNORED,
}  # fmt: skip
"""Train id by the colour in which Cityscapes draws a class."""

_IDS = {
    id: train
    for train, id in enumerate((7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33))
}  # fmt: skip
"""Train id by Cityscapes' own id; other ids are not measured."""

PICTURE_LIMIT = 1 << 28
"""Maximum bytes of a label picture's file."""


def read_labels(file: str | os.PathLike[str]) -> np.ndarray:
    """A label map as train ids: (H, W) uint8 of 0 to 18, and `IGNORED`.

    It reads Cityscapes' ``…_gtFine_labelIds.png``, ``…_labelTrainIds.png``, and pictures in its colours, either
    ``…_gtFine_color.png`` or JPEGs of them, whose colours are not exact: each pixel takes the nearest colour.

    Raises:
        ImageError: the file is not a picture, or is too large.
    """
    import io

    from PIL import Image

    name = os.fspath(file)
    data = read_bytes(file, limit=PICTURE_LIMIT, error=ImageError)
    picture = open_image(data, name=name)  # which checks it
    with Image.open(io.BytesIO(data)) as whole:
        if whole.mode != "L":
            return _nearest(np.asarray(picture.convert("RGB")))
        ids = np.asarray(whole)
    if "TrainIds" in os.path.basename(name):
        return np.where(ids < len(CLASSES), ids, np.uint8(IGNORED))
    table = np.full(256, IGNORED, np.uint8)
    table[list(_IDS)] = list(_IDS.values())
    return table[ids]


def _nearest(pixels: np.ndarray) -> np.ndarray:
    """The train id of the nearest colour for each of (H, W, 3) uint8 pixels: (H, W) uint8."""
    palette = np.array(list(_COLOURS), np.int32)
    classes = np.array(list(_COLOURS.values()), np.uint8)
    # A label map has few colours; even after JPEG, far fewer than pixels.
    colours, where = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    nearest = np.empty(len(colours), np.uint8)
    for start in range(0, len(colours), 4096):
        part = colours[start : start + 4096].astype(np.int32)
        nearest[start : start + 4096] = classes[((part[:, None] - palette) ** 2).sum(axis=2).argmin(axis=1)]
    return nearest[where.reshape(-1)].reshape(pixels.shape[:2])


@dataclass(frozen=True)
class Agreement:
    """How well segmentations agree with label maps."""

    classes: dict[str, float]
    """Intersection over union, 0 to 1, of each class that occurs in the segmentation or the label map."""
    accuracy: float
    """Share of the pixels that have the right class."""

    @property
    def miou(self) -> float:
        """The mean over the classes, 0 to 1; published figures are in per cent."""
        return sum(self.classes.values()) / len(self.classes)


def agreement(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Agreement:
    """Compare all segmentations with their label maps; both are (H, W) train ids of one size.

    Raises:
        ValueError: a segmentation and its label map differ in size.
        E2GANError: no pixel of the label maps has a class.
    """
    count = len(CLASSES)
    table = np.zeros((count, count), np.int64)
    for predicted, wanted in pairs:
        if predicted.shape != wanted.shape:
            raise ValueError(f"a segmentation is {predicted.shape}, its label map {wanted.shape}")
        labelled = wanted < count
        cells = count * wanted[labelled].astype(np.int64) + predicted[labelled]
        table += np.bincount(cells, minlength=count**2).reshape(table.shape)
    if not table.any():
        raise E2GANError("no pixel of the label maps has a class that is measured")
    both = np.diag(table)
    either = table.sum(axis=0) + table.sum(axis=1) - both
    shares = {name: float(both[i] / either[i]) for i, name in enumerate(CLASSES) if either[i]}
    return Agreement(shares, float(both.sum() / table.sum()))


class Segmenter:
    """A network that labels photographs of streets, in transformers' format."""

    def __init__(self, model: str | os.PathLike[str], *, device: Any = "cpu") -> None:
        """``model`` is the network's folder, or its id on the Hugging Face Hub.

        Raises:
            MissingExtraError: transformers is not installed.
            E2GANError: the network cannot be found or downloaded, is not for semantic segmentation, or does
                not know Cityscapes' classes.
        """
        self.name = os.fspath(model)
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError("transformers", "train") from error
        local = os.path.isdir(self.name)
        try:
            with quiet_transformers():
                self._processor = transformers.AutoImageProcessor.from_pretrained(self.name, local_files_only=local)
                network, remarks = transformers.AutoModelForSemanticSegmentation.from_pretrained(
                    self.name, local_files_only=local, output_loading_info=True
                )
        except Exception as error:  # damaged files raise many kinds
            raise E2GANError(
                f"the segmentation network '{self.name}' cannot be loaded: {' '.join(str(error).split())[:200]}",
                hint="give the folder of a network for semantic segmentation in transformers' format, or its id",
            ) from error
        if missing := sorted(remarks["missing_keys"]):
            raise E2GANError(f"the segmentation network '{self.name}' has no weights for {missing[0]}")
        self._device = device
        self._network: Any = network.to(device).eval()
        self._channels = _channels(network.config.id2label, self.name)

    def __call__(self, photo: Image.Image, size: tuple[int, int] | None = None) -> np.ndarray:
        """The train ids of a photo, (H, W) uint8, at ``size`` (width, height), by default the photo's.

        It scales the scores to that size and then takes the best, as published measurements do.
        """
        import torch

        width, height = size or photo.size
        with torch.inference_mode():
            pixels = self._processor(images=photo.convert("RGB"), return_tensors="pt")["pixel_values"]
            scores = self._network(pixel_values=pixels.to(self._device)).logits.float()[:, self._channels]
            scores = torch.nn.functional.interpolate(scores, (height, width), mode="bilinear", align_corners=False)
            return scores[0].argmax(dim=0).to(torch.uint8).cpu().numpy()


def _channels(names: dict[int, str], model: str) -> list[int]:
    """The indices of the 19 classes in a network, by name; unnamed classes are assumed to be in order."""
    indices = {name.strip().lower().replace("_", " "): index for index, name in names.items()}
    if all(name in indices for name in CLASSES):
        return [indices[name] for name in CLASSES]
    if len(names) == len(CLASSES) and all(name == f"LABEL_{index}" for index, name in names.items()):
        return list(range(len(CLASSES)))
    raise E2GANError(
        f"the segmentation network '{model}' has {len(names)} classes, not Cityscapes' {len(CLASSES)}",
        hint=f"their names must be {', '.join(CLASSES)}",
    )


def measure_miou(
    photos: Sequence[Image.Image], labels: Sequence[str | os.PathLike[str]], segmenter: Segmenter
) -> Agreement:
    """Measure how much of the label maps a network recognises in the photos made from them.

    Args:
        photos: RGB, of any size.
        labels: the files of their label maps, which `read_labels` can read; segmentations get their sizes.

    Raises:
        ImageError: a label map cannot be read.
        E2GANError: no pixel of the label maps has a class.
    """
    maps = map(read_labels, labels)
    return agreement((segmenter(photo, seen.shape[::-1]), seen) for photo, seen in zip(photos, maps, strict=True))
