"""How much the edits of a clip flicker, and how fast a clip is edited.

    python -m benchmarks.flicker
    python -m benchmarks.flicker --frames 4 --width 192 --height 108 --speed-frames 2 --speed-height 180

The second line is short.  Three clips are made from the sample photographs: a still camera with grain, a pan, and a
figure that walks by.  Flicker is the mean absolute difference of consecutive edits, after the former one is warped
along the optical flow of the photos, divided by the same of the photos themselves.  Frames edited independently of each
other are listed beside the default.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.measuring import SAMPLES, Figure, parser, report, script
from e2gan.editor import Editor
from e2gan.moving.clips import edit_clip
from e2gan.moving.defaults import STEADY
from e2gan.moving.steady import Steady

__all__ = ["clips", "flicker", "measure"]

MOST = 1.5
"""Flicker, as a multiple of the photos' own."""

SHARE = 0.8
"""A clip's frames a second, as a share of one divided by the seconds of one edit."""

GRAIN = 4.0
"""Standard deviation of the camera's noise, of 255, as in a lit room."""

RATE = 24


def _sample(number: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: a sample photograph."""
    paths = sorted(SAMPLES.glob("*.jpg"))
    with Image.open(paths[number % len(paths)]) as photo:
        scale = max(width / photo.width, height / photo.height)
        larger = photo.convert("RGB").resize(
            (max(width, round(photo.width * scale)), max(height, round(photo.height * scale))), Image.Resampling.LANCZOS
        )
        return np.asarray(larger)[:height, :width]


def _grainy(picture: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, GRAIN, picture.shape)
    return (picture + noise).round().clip(0, 255).astype(np.uint8)


def clips(frames: int, width: int, height: int) -> dict[str, list[np.ndarray]]:
    """Three clips, each a list of (height, width, 3) uint8, by name."""
    still = _sample(0, width, height)
    step = max(1, width // 160)
    wide = _sample(1, width + step * frames, height)
    figure, scene = _sample(2, width, height), _sample(0, width, height)
    across, down = width // 6, height * 2 // 3
    shape = Image.new("L", (across, down), 0)
    draw = ImageDraw.Draw(shape)
    draw.ellipse((across // 4, 0, across * 3 // 4, down // 4), fill=255)  # a head
    draw.rounded_rectangle((2, down // 5, across - 2, down), across // 3, fill=255)
    opacity = np.asarray(shape.filter(ImageFilter.GaussianBlur(1)))[..., None] / 255
    clothes = figure[:down, :across]
    walking = []
    for number in range(frames):
        picture = scene.astype(float)
        left, top = width // 8 + 2 * step * number, height - down
        part = picture[top:, left : left + across]
        part += opacity[:, : part.shape[1]] * (clothes[:, : part.shape[1]] - part)
        walking.append(picture)
    return {
        "still camera with grain": [_grainy(still, number) for number in range(frames)],
        "pan": [_grainy(wide[:, step * n : step * n + width], 1000 + n) for n in range(frames)],
        "figure walking by": [_grainy(picture, 2000 + n) for n, picture in enumerate(walking)],
    }


def flicker(photos: Sequence[np.ndarray], edits: Sequence[np.ndarray]) -> float:
    """How much the edits change along the photos' motion, divided by how much the photos do."""
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    own = made = 0.0
    for (before, now), (edit_before, edit_now) in zip(pairwise(photos), pairwise(edits), strict=True):
        grey = [cv2.cvtColor(cv2.GaussianBlur(p, (0, 0), 1.0), cv2.COLOR_RGB2GRAY) for p in (before, now)]
        flow = dis.calc(grey[1], grey[0], None)
        own += _changed(before, now, flow)
        made += _changed(edit_before, edit_now, flow)
    return made / own


def _changed(before: np.ndarray, now: np.ndarray, flow: np.ndarray) -> float:
    height, width = flow.shape[:2]
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    warped = cv2.remap(before, x, y, cv2.INTER_LINEAR)
    return float(np.abs(warped[inside].astype(np.float32) - now[inside]).mean())


def _flickers(editor: Editor, concept: str, frames: int, width: int, height: int) -> list[Figure]:
    figures = []
    for name, photos in clips(frames, width, height).items():
        edits = [np.asarray(editor.apply(Image.fromarray(photo), concept)) for photo in photos]
        steady = Steady()
        steadied = [steady(photo, edit) for photo, edit in zip(photos, edits)]
        figures += [
            Figure(f"{name}, frame by frame", flicker(photos, edits), "times"),
            Figure(f"{name}, --steady {STEADY:g} (the default)", flicker(photos, steadied), "times", at_most=MOST),
        ]
    return figures


def _speed(editor: Editor, concept: str, frames: int, height: int) -> list[Figure]:
    """Frames a second of a whole clip, against the time of one edit."""
    width = height * 16 // 9 // 2 * 2
    photos = clips(frames, width, height)["pan"]
    edit: Callable[[Image.Image], Image.Image] = lambda frame: editor.apply(frame, concept)  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        with av.open(str(path), "w") as out:
            stream: Any = out.add_stream("libx264", rate=RATE, width=width, height=height)
            for number, photo in enumerate(photos):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(photo), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        edit(Image.fromarray(photos[0]))  # warm
        seconds = []
        for photo in photos:
            start = time.perf_counter()
            edit(Image.fromarray(photo))
            seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        edit_clip(path, Path(folder, "out.mp4"), edit)
        rate = frames / (time.perf_counter() - start)
    return [
        Figure(f"{width}×{height}, a clip", rate, "frames/s"),
        Figure(f"{width}×{height}, one edit", median(seconds), "s"),
        Figure("a clip's rate by that of single edits", rate * median(seconds), "times", at_least=SHARE),
    ]


def measure(
    concept: str = "vangogh",
    *,
    frames: int = 16,
    width: int = 640,
    height: int = 360,
    speed_frames: int = 24,
    speed_height: int = 720,
    base: str | None = None,
) -> Mapping[str, list[Figure]]:
    editor = Editor(base) if base else Editor()
    return {
        f"flicker of {concept}, as a multiple of the photos' own": _flickers(editor, concept, frames, width, height),
        f"speed of {concept}": _speed(editor, concept, speed_frames, speed_height),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--concept", default="vangogh")
    command.add_argument("--base", default=None)
    for name, usual in {"frames": 16, "width": 640, "height": 360, "speed-frames": 24, "speed-height": 720}.items():
        command.add_argument(f"--{name}", type=int, default=usual)
    options = vars(command.parse_args(arguments))
    output, concept = options.pop("output"), options.pop("concept")
    report(measure(concept, **options), output)


if __name__ == "__main__":
    script(main)
