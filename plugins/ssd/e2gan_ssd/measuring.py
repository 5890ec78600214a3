"""How close generated pictures are to photos: FID, clean-FID and clean-KID (paper, table 1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from e2gan.embedders import EfficientNetLite0
from e2gan.evaluation.fid import fid, kid
from e2gan.evaluation.inception import Inception, find_inception
from e2gan_ssd.sampling import Model, pictures

__all__ = ["Measured", "measure"]


@dataclass(frozen=True)
class Measured:
    """Distances between photos and the same number of generated pictures."""

    features: str
    """The network of the features; only Inception's figures compare with published ones."""
    pictures: int
    fid: float
    """Pictures enlarged for the network bilinearly, without smoothing, as in the first programs."""
    clean_fid: float
    """Pictures enlarged as in clean-FID (Parmar et al., 2022)."""
    clean_kid: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    model: Model, photos: np.ndarray, *, seed: int = 0, inception: str | os.PathLike[str] | None = None
) -> Measured:
    """Compare photos (N, 64, 64, 3) uint8 with N pictures of the model, whose seeds begin at ``seed``.

    Uses Inception's features if its file is on the machine (`find_inception`), else EfficientNet's.

    Raises:
        E2GANError: ``inception`` is missing or the wrong file, or no network is installed.
        DataError: there are fewer than two photos.
    """
    file = find_inception(inception)
    embed: Inception | EfficientNetLite0 = EfficientNetLite0() if file is None else Inception(file)
    label = "EfficientNet features, not comparable with published FID" if file is None else "Inception"
    real = [Image.fromarray(photo) for photo in photos]
    generated = pictures(model, range(seed, seed + len(real)))
    clean_real, clean_made = embed(real), embed(generated)
    return Measured(
        features=label,
        pictures=len(real),
        fid=fid(embed(_enlarged(generated, embed.size)), embed(_enlarged(real, embed.size))),
        clean_fid=fid(clean_made, clean_real),
        clean_kid=kid(clean_made, clean_real),
    )


def _enlarged(images: Sequence[Image.Image], side: int) -> list[Image.Image]:
    """Resize pictures to the network's size as pytorch-fid does, so that the embedder need not."""
    x = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
    enlarged = []
    for part in x.split(64):
        y = F.interpolate(part.float(), (side, side), mode="bilinear", align_corners=False)
        enlarged += [Image.fromarray(array) for array in y.round().byte().permute(0, 2, 3, 1).numpy()]
    return enlarged
