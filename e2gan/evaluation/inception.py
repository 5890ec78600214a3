"""The Inception network of published FID, as clean-FID uses it (Parmar et al., CVPR 2022)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from e2gan.embedders import batches, embed_with
from e2gan.errors import E2GANError
from e2gan.files import sha256_file

__all__ = ["Inception", "find_inception"]

FILE = "inception-2015-12-05.pt"
SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{FILE}"
"""Where clean-FID downloads it from: 96 MB."""

CLEAN_FID = Path("." if sys.platform == "win32" else "/tmp", FILE)
"""Where clean-FID puts it."""

VARIABLE = "E2GAN_INCEPTION"
"""The environment variable that may name the file."""


class Inception:
    """Inception-v3's pooled features: 2,048 numbers a picture, those that FID was defined on (Heusel et al., 2017).

    The file is the TorchScript program that clean-FID downloads, and pictures go in as there: scaled to 299 × 299
    by `clean_resize`, not by the program itself.
    """

    size = 299
    dimensions = 2048

    def __init__(self, file: str | os.PathLike[str], device: str | torch.device = "cpu") -> None:
        """
        Raises:
            E2GANError: the file cannot be read, or is not the expected one, in which case none of it is run.
        """
        digest = sha256_file(file)
        if digest != SHA256:
            raise E2GANError(
                f"{file}: not the Inception network of clean-FID: its SHA-256 is {digest[:12]}…, not {SHA256[:12]}…",
                hint=f"delete it, or name the right file in {VARIABLE}",
            )
        self._device = torch.device(device)
        self._layers: Any = torch.jit.load(os.fspath(file), map_location=self._device).eval().layers

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, 2048) float32."""

        def features(batch: torch.Tensor) -> torch.Tensor:
            pooled: torch.Tensor = self._layers((batch.to(self._device) - 128) / 128)
            return pooled.flatten(1).cpu()

        return embed_with(features, batches(images, self.size), self.dimensions)


def find_inception(file: str | os.PathLike[str] | None = None, *, download: bool = False) -> Path | None:
    """The file of the network, or None if it is missing; `Inception` checks whether it is the right one.

    It looks for ``file``, the file that ``E2GAN_INCEPTION`` names, and then in torch hub's cache and in clean-FID's
    place.  With ``download``, it otherwise downloads the network into torch hub's cache and checks it.

    Raises:
        E2GANError: ``file``, or the file that ``E2GAN_INCEPTION`` names, does not exist, or the download failed.
    """
    for named, source in ((file, "--inception"), (os.environ.get(VARIABLE), VARIABLE)):
        if named:
            if not Path(named).is_file():
                raise E2GANError(f"{named}: no such file, but {source} names it", hint=f"download it from {URL}")
            return Path(named)
    cached = next((place for place in (_cache(), CLEAN_FID) if place.is_file()), None)
    return _download() if cached is None and download else cached


def _cache() -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", FILE)


def _download() -> Path:
    target = _cache()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(target), hash_prefix=SHA256, progress=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: the digest differs
        raise E2GANError(
            f"{URL} could not be downloaded ({error})", hint=f"fetch it in another way, and name the file in {VARIABLE}"
        ) from error
    return target
