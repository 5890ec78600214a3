"""LPIPS (Zhang et al., 2018) on AlexNet, if its packages and weights are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from e2gan.errors import E2GANError
from e2gan.files import sha256_file
from e2gan.installing import install_command

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Lpips"]

ALEXNET = "alexnet-owt-7be5be79.pth"
"""torchvision's file, named by the start of its SHA-256; the package ``lpips`` adds the heads on top."""


class Lpips:
    """Perceptual distance of two pictures by the package ``lpips``, 0 for equal ones; on AlexNet, since a training
    loss looks through VGG."""

    def __init__(self) -> None:
        """
        Raises:
            E2GANError: the package or the weights are not on this machine, or are not the expected ones.
        """
        import torch

        weights = Path(torch.hub.get_dir(), "checkpoints", ALEXNET)
        if not weights.is_file():
            raise E2GANError("AlexNet's weights are not in torch hub's cache", hint=f"they are expected at {weights}")
        if not sha256_file(weights).startswith(ALEXNET.rpartition("-")[2].removesuffix(".pth")):
            raise E2GANError(f"{weights}: not torchvision's AlexNet, by its SHA-256", hint="delete it")
        try:
            import lpips
        except ImportError as error:
            raise E2GANError(f"the package '{error.name}' is not installed", hint=install_command("lpips")) from error
        self._network: Any = lpips.LPIPS(net="alex", verbose=False)

    def __call__(self, a: Image.Image, b: Image.Image) -> float:
        """The distance of two pictures of one size."""
        import torch

        pictures = (np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1) for image in (a, b))
        with torch.inference_mode():
            return float(self._network(*(torch.from_numpy(x / 127.5 - 1)[None] for x in pictures)))
