"""What the card and ``e2gan show`` say first, in words that need no other page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from e2gan.concept import Concept, main_facts

Write = Callable[..., Concept]


def facts(write: Write, manifest: dict[str, Any], **changes: Any) -> dict[str, str]:
    return main_facts(write(manifest={**manifest, **changes}))


def test_in_words(write: Write, manifest: dict[str, Any]) -> None:
    quality = {"l1_ratio": 0.49, "headline": "net", "net": {"fid_ratio": 0.451}, "photographs": 39}
    said = facts(write, manifest, quality=quality, training={"photographs": 1309})
    assert said["quality"].startswith("in look, 55 % of the way; pixel by pixel, 51 % of the way (0 % is the photo")
    assert said["measured on"] == "39 photos that it never saw"
    assert said["learned from"] == "the program magenta-multistyle (style = 19), on 1,309 photos"
    assert said["made for"].startswith("the base ")


def test_no_nearer_than_the_photo(write: Write, manifest: dict[str, Any]) -> None:
    assert facts(write, manifest, quality={"l1_ratio": 1.0})["quality"].startswith("pixel by pixel, no nearer than")


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "39", 10**12])
def test_a_number_of_photos_that_is_none(write: Write, manifest: dict[str, Any], count: object) -> None:
    said = facts(write, manifest, quality={"photographs": count}, training={"photographs": count})
    assert "measured on" not in said
    assert said["learned from"].endswith(", on scenery256")  # the author's words
