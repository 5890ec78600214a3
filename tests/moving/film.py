"""Clips that the tests make, and what a clip holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 8
SOUND = 24_000


def picture(number: int = 0, width: int = 64, height: int = 48) -> np.ndarray:
    """(height, width, 3) uint8: a red quarter at the top left, a blue one below it, and a white bar that moves."""
    pixels = np.full((height, width, 3), 40, np.uint8)
    pixels[: height // 2, : width // 2] = 200, 40, 30
    pixels[height // 2 :, : width // 2] = 30, 60, 190
    start = width // 2 + 2 * number % (width // 2 - 4)
    pixels[:, start : start + 4] = 235
    return pixels


def write_clip(
    path: str | Path,
    *,
    frames: int = 24,
    size: tuple[int, int] = (64, 48),
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    sound: str | None = "aac",
    video: bool = True,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    chapters: bool = False,
    **colours: int,
) -> Path:
    """A clip of 3 seconds; ``times`` are the frames' in milliseconds."""
    millisecond = Fraction(1, 1000)
    with av.open(str(path), "w") as out:
        if video:
            stream: Any = out.add_stream(codec, rate=RATE, width=size[0], height=size[1], options=options or {})
            stream.pix_fmt = pixels
            stream.codec_context.time_base = Fraction(1, RATE) if times is None else millisecond
            for name, value in colours.items():
                setattr(stream.codec_context, name, value)
            if rotation:
                stream.set_display_rotation(rotation)
        voice: Any = out.add_stream(sound, rate=48_000 if sound == "libopus" else SOUND) if sound else None
        out.metadata.update(metadata or {})
        if chapters:
            out.set_chapters(
                [
                    {
                        "id": n,
                        "start": 1000 * n,
                        "end": 1000 * n + 1000,
                        "time_base": millisecond,
                        "metadata": {"title": t},
                    }
                    for n, t in enumerate(["One", "Two"])
                ]
            )
        if voice is not None:
            rate = voice.codec_context.sample_rate
            for start in range(0, rate * frames // RATE, 1024):
                wave = 0.2 * np.sin(np.arange(start, start + 1024) / 20).astype("f4")
                block = av.AudioFrame.from_ndarray(wave[None].repeat(2, 0), format="fltp", layout="stereo")
                block.sample_rate, block.pts, block.time_base = rate, start, Fraction(1, rate)
                out.mux(voice.encode(block))
            out.mux(voice.encode(None))
        for number in range(frames if video else 0):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            if times is None:
                frame.pts, frame.time_base = number, Fraction(1, RATE)
            else:
                frame.pts, frame.time_base = times[number], millisecond
            out.mux(stream.encode(frame))
        if video:
            out.mux(stream.encode(None))
    return Path(path)


@dataclass
class Film:
    """What a clip holds."""

    pictures: list[np.ndarray]
    times: list[float]
    last: float
    """Seconds that the last frame is shown."""
    codec: str
    size: tuple[int, int]
    rotation: int
    interlaced: bool
    colours: tuple[int, int, int, int]
    """Matrix, primaries, transfer, range."""
    sound: list[bytes]
    sound_times: list[float]
    chapters: list[tuple[float, float, str]]
    metadata: dict[str, str]


def read_clip(path: str | Path) -> Film:
    with av.open(str(path)) as clip:
        stream: Any = clip.streams.video[0]
        frames: list[Any] = list(clip.decode(stream))
        about = stream.codec_context
        chapters = [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"].get("title", ""))  # type: ignore[operator]
            for c in clip.chapters()
        ]
        film = Film(
            [frame.to_ndarray(format="rgb24") for frame in frames],
            [float(frame.pts * frame.time_base) for frame in frames],
            float(
                ((stream.start_time or 0) + stream.duration) * stream.time_base - frames[-1].pts * frames[-1].time_base
            )
            if stream.duration
            else 0.0,
            about.name,
            (about.width, about.height),
            frames[0].rotation,
            any(frame.interlaced_frame for frame in frames),
            (about.colorspace, about.color_primaries, about.color_trc, about.color_range),
            [],
            [],
            chapters,
            {name.lower(): value for name, value in clip.metadata.items()},
        )
    with av.open(str(path)) as clip:
        for packet in clip.demux(clip.streams.audio) if clip.streams.audio else ():
            if packet.size:
                film.sound.append(bytes(packet))
                film.sound_times.append(float((packet.pts or 0) * packet.time_base))
    return film
