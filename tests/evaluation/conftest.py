from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest


class ToTensor:
    """torchvision's transform: a (H, W, C) array to a (C, H, W) tensor, bytes divided by 255."""

    def __call__(self, picture: np.ndarray) -> Any:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        return tensor / 255 if picture.dtype == np.uint8 else tensor


@pytest.fixture(scope="session")
def cleanfid() -> Any:
    """`cleanfid.fid`, with which our figures are compared.

    clean-fid asks for torchvision, gigabytes of it on Linux, and uses little: ToTensor to read pictures, and the
    blocks of the Inception network, which is not used here.  Where torchvision is missing, that name is put in
    its place, and an empty module in the network's, while clean-fid is imported.
    """
    stand_ins: dict[str, Any] = {}
    if importlib.util.find_spec("torchvision") is None:
        torchvision, inception = ModuleType("torchvision"), ModuleType("cleanfid.inception_pytorch")
        torchvision.transforms = SimpleNamespace(ToTensor=ToTensor)  # type: ignore[attr-defined]
        inception.InceptionV3 = None  # type: ignore[attr-defined]
        stand_ins = {"torchvision": torchvision, inception.__name__: inception}
    sys.modules.update(stand_ins)
    try:
        return pytest.importorskip("cleanfid.fid")
    finally:  # at once, or transformers takes the stand-in for torchvision
        for name in stand_ins:
            del sys.modules[name]
