"""Charts: a PNG of the size that is asked for, whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from e2gan.drawing import chart


def test_it_is_written_when_it_is_drawn(tmp_path: Path) -> None:
    with chart(tmp_path / "new" / "chart.png", 4, 2.5) as figure:
        figure.add_subplot().plot([1, 2, 3])
        assert not (tmp_path / "new" / "chart.png").exists()
    with Image.open(tmp_path / "new" / "chart.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (440, 275))


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), chart(tmp_path / "chart.png", 4, 2.5):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
