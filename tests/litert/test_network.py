"""The network that is converted makes the editor's edits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept
from e2gan.editor import Editor
from e2gan.models.generator import UpConv
from e2gan_litert.network import build
from tests.editor.tiny import CONFIG, photo, write_tiny_base, write_tiny_concept


@pytest.mark.parametrize("size", [(64, 48), (51, 33), (33, 100)])
def test_it_is_the_editor_at_any_size(
    size: tuple[int, int],
    base: Base,
    new_base: Base,
    winter: Concept,
    mixed: Concept,
    editor: Editor,
    new_editor: Editor,
) -> None:
    picture = photo(*size)
    for of, concept, by in ((base, winter, editor), (new_base, mixed, new_editor)):
        with torch.no_grad():
            edit = build(of, concept)(torch.from_numpy(picture)[None])["edit"][0].numpy()
        assert edit.dtype == np.uint8
        assert np.abs(edit.astype(int) - np.asarray(by.apply(Image.fromarray(picture), concept))).max() <= 1


@pytest.mark.parametrize("smoothing", ["none", "mean", "binomial"])
def test_every_enlarging_kernel_is_even(smoothing: str, tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base", replace(CONFIG, smoothing=smoothing))
    concept = write_tiny_concept(tmp_path / "dusk", base)
    generator = build(base, concept).edit.generator
    assert not any(isinstance(module, UpConv) for module in generator.modules())
    enlarging = [m for m in generator.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert len(enlarging) == 3
    for layer in enlarging:
        assert layer.kernel_size[0] % 2 == 0 and layer.output_padding == (0, 0)
