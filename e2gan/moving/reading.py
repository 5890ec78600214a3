"""Reading a clip: its frames as upright pictures, and everything else in it as packets to copy.  By FFmpeg, in PyAV."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image

from e2gan.errors import ImageError
from e2gan.images import PHOTO, ImageWarning, Limits
from e2gan.images.colour import HLG_PEAK, Colour, from_cicp, to_srgb
from e2gan.images.formats import to_download
from e2gan.images.limits import DECODED

__all__ = [
    "Clip",
    "Colours",
    "Frame",
    "Length",
    "check_whole",
    "is_record",
    "open_clip",
    "read_provenance",
    "swscale_matrix",
]

FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
"""FFmpeg's demuxers that are used.  Others, such as playlists, open further files."""

OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}

WHOLE = ("mov", "matroska")
"""Formats whose files say how long they are; others guess it from what is there."""

MISSING = 0.5
"""Seconds that may be missing at the end of a clip that is whole: tracks differ in length."""

QUALITY = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)

UNKNOWN = 2
"""H.273's code point for colours that the clip does not tell."""

BT2020 = 9
"""Its code point for primaries."""

EBML, SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80g"
"""How Matroska and WebM begin, and how their one large element does."""

MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""FFmpeg's names of the matrices by their code points."""

SPARE = 2
"""Pixels that the decoder may allocate for each that a frame may have: it works on whole blocks."""

HD = 720
"""Rows from which a clip that does not tell its matrix is taken to have BT.709's, as players do."""

PQ_PEAK = 1000.0
"""cd/m²: the brightest value of a PQ clip that does not tell it; the display on which most are made."""


@dataclass(frozen=True)
class Colours:
    """What a clip tells of its colours, in code points of ITU-T H.273."""

    matrix: int
    primaries: int
    transfer: int
    full: bool
    """Whether luminance uses all values, not those of video (16 to 235 of 255)."""


@dataclass(frozen=True)
class Length:
    """How long a clip is, as far as its packets tell."""

    frames: int
    seconds: float


@dataclass(frozen=True)
class Frame:
    image: Image.Image
    """RGB, upright."""
    time: int
    """When it is shown, in the clip's `time_base`."""
    duration: int
    """How long, in the same unit; 0 if unknown."""


class Clip:
    """An open clip; a context manager."""

    def __init__(self, container: Any, name: str, limits: Limits) -> None:
        self.name = name
        self.container = container
        self.stream = _picture_stream(container, name)
        context = self.stream.codec_context
        self.width, self.height = context.width, context.height
        """Of the stored frames."""
        limits.check(name, self.width, self.height)
        # A stream may grow while it is decoded.
        context.options = {"max_pixels": str(SPARE * limits.memory // DECODED)}
        self.time_base: Fraction = self.stream.time_base
        self.rate: Fraction = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        """Frames a second, on average."""
        self.colours = Colours(
            context.colorspace, context.color_primaries, context.color_trc, context.color_range == ColorRange.JPEG
        )
        # HDR is BT.2020's unless the clip tells otherwise.
        primaries = BT2020 if self.colours.primaries == UNKNOWN else self.colours.primaries
        told = from_cicp(primaries, self.colours.transfer)
        self.hdr = told if told and told.encoding and told.encoding.hdr else None
        """The meaning of the samples of an HDR clip."""
        self.copied = [s for s in container.streams if s.type in ("audio", "subtitle") and s.codec_context is not None]
        """Streams besides the frames that a new file can hold."""
        self._peak: float | None = None

    @property
    def count(self) -> int | None:
        """The number of frames, as far as it is known."""
        if self.stream.frames:
            return int(self.stream.frames)
        return round(self.container.duration / 1e6 * self.rate) if self.container.duration else None

    @property
    def shape(self) -> Fraction | None:
        """Width of a stored pixel, divided by its height."""
        return self.stream.sample_aspect_ratio

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, *exception: object) -> None:
        self.container.close()

    def read(self) -> Iterator[Frame | Any]:
        """What the clip has, in its order: each frame, and each packet of the streams in ``copied``.

        Raises:
            ImageError: it is damaged or cut off.
        """
        copied = {stream.index for stream in self.copied}
        shown = _Times(self.time_base, self.rate)
        smooth = _Deinterlacer(self.stream, self.name)
        frames = 0
        self.stream.thread_type = "AUTO"
        for packet in self._packets():
            # Not by its `stream_index`: the packets that end the streams all have 0.
            if packet.stream is self.stream:
                with _faults_name(self.name):
                    decoded = [frame for each in packet.decode() for frame in smooth(each)]
                frames += len(decoded)
                yield from (self._frame(frame, shown) for frame in decoded)
            elif packet.stream.index in copied and packet.dts is not None:
                yield packet
        for frame in smooth(None):
            frames += 1
            yield self._frame(frame, shown)
        if not frames:
            raise ImageError(f"{self.name}: has no frames")

    def check(self) -> Length:
        """Read everything without decoding it, and say how long it is.

        Raises:
            ImageError: it is damaged or cut off.
        """
        frames, end = 0, 0.0
        for packet in self._packets():
            if packet.stream is self.stream and packet.size:
                frames += 1
                time = packet.dts if packet.pts is None else packet.pts
                if time is not None:
                    end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
        return Length(frames, max(0.0, end - (self.container.start_time or 0) / 1e6))

    def _packets(self) -> Iterator[Any]:
        end = 0.0
        with _faults_name(self.name):
            for packet in self.container.demux():
                if packet.is_corrupt:
                    raise ImageError(f"{self.name}: damaged or cut off")
                if packet.pts is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                yield packet
        self._check_end(end)

    def _check_end(self, end: float) -> None:
        length = self.container.duration
        if not length or not any(name in self.container.format.name for name in WHOLE):
            return
        whole = ((self.container.start_time or 0) + length) / 1e6
        if end < whole - MISSING:
            raise ImageError(f"{self.name}: damaged or cut off ({end:.1f} of {whole:.1f} seconds)")

    def _frame(self, decoded: Any, shown: _Times) -> Frame:
        time, duration = shown(decoded)
        deep = self.hdr is not None
        matrix = swscale_matrix(
            decoded.colorspace if decoded.colorspace != UNKNOWN else self.colours.matrix, self.height
        )
        rgb = decoded.reformat(
            self.width,
            self.height,
            "rgb48le" if deep else "rgb24",
            src_colorspace=matrix,
            # What FFmpeg decodes from full-range formats says so itself.
            src_color_range=decoded.color_range or (ColorRange.JPEG if self.colours.full else ColorRange.MPEG),
            dst_color_range=ColorRange.JPEG,
            interpolation=QUALITY,
        ).to_ndarray()
        rgb = _upright(rgb, _matrix(decoded))
        if self.hdr is None:
            return Frame(Image.fromarray(np.ascontiguousarray(rgb)), time, duration)
        if self._peak is None:
            self._peak = _brightest(decoded, self.hdr)
        return Frame(to_srgb(np.ascontiguousarray(rgb), self.hdr, peak=self._peak), time, duration)


class _Times:
    """The times of frames, each after the other, whatever the clip says."""

    def __init__(self, time_base: Fraction, rate: Fraction) -> None:
        self._base = time_base
        self._last: int | None = None
        self._step = max(1, round(1 / (rate * time_base)))

    def __call__(self, frame: Any) -> tuple[int, int]:
        time = frame.pts
        if time is not None and frame.time_base and frame.time_base != self._base:
            time = round(time * frame.time_base / self._base)
        if self._last is None:
            self._last = time or 0
        else:
            following = self._last + self._step if time is None else max(time, self._last + 1)
            self._step, self._last = following - self._last, following
        return self._last, frame.duration or self._step


class _Deinterlacer:
    """Interlaced frames become progressive, one for each (bwdif); others pass."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream, self._name = stream, name
        self._graph: Graph | None = None

    def __call__(self, frame: Any | None) -> Iterator[Any]:
        if self._graph is None and frame is not None and frame.interlaced_frame:
            warnings.warn(f"{self._name}: it is interlaced; the edit is not", ImageWarning, stacklevel=2)
            self._graph = Graph()
            source = self._graph.add_buffer(template=self._stream)
            sieve = self._graph.add("bwdif", "mode=send_frame:deint=interlaced")
            source.link_to(sieve)
            sieve.link_to(self._graph.add("buffersink"))
            self._graph.configure()
        if self._graph is None:
            if frame is not None:
                yield frame
            return
        self._graph.push(frame)
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                yield self._graph.pull()


def open_clip(path: str | os.PathLike[str], *, name: str | None = None, limits: Limits = PHOTO) -> Clip:
    """Open a clip.

    Raises:
        ImageError: it is missing or no clip, has no picture or one that cannot be decoded, or its frames exceed the
            limits.
    """
    name = name or os.fspath(path)
    container = _opened(path, name)
    try:
        clip = Clip(container, name, limits)
        if clip.hdr:
            warnings.warn(f"{name}: an HDR clip, brought to SDR", ImageWarning, stacklevel=2)
        elif any(part.bits > 8 for part in clip.stream.format.components):
            bits = max(part.bits for part in clip.stream.format.components)
            warnings.warn(f"{name}: has {bits} bits a channel; the edit has 8", ImageWarning, stacklevel=2)
        return clip
    except BaseException:
        container.close()
        raise


def _opened(path: str | os.PathLike[str], name: str) -> Any:
    try:
        size = os.path.getsize(path)
        if size == 0:
            raise ImageError(f"{name}: the file is empty")
        with open(path, "rb") as file:
            if _matroska_size(file.read(4096)) > size:
                raise ImageError(f"{name}: damaged or cut off")
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise ImageError(f"{name}: {reason}", hint=to_download(name)) from fault
    try:
        with _faults_name(name):
            # "file:", so that no name is taken for a network address.
            return av.open(f"file:{os.fspath(path)}", options=OPTIONS, metadata_errors="replace")
    except ImageError as fault:
        if isinstance(fault.__cause__, OSError):
            raise
        raise ImageError(
            f"{name}: not a clip, damaged or cut off",
            hint="e2gan reads MP4, MOV, Matroska, WebM, AVI, MPEG, FLV, WMV and Ogg",
        ) from fault


def _matroska_size(head: bytes) -> int:
    """The bytes that a Matroska or WebM file says it has; 0 if it is none or does not say (RFC 8794, RFC 9559)."""
    at = head.find(SEGMENT)
    if not head.startswith(EBML) or at < 0 or at + 12 > len(head):
        return 0
    first = head[at + 4]
    length = 9 - first.bit_length()
    value = int.from_bytes(head[at + 4 : at + 4 + length], "big") & ((1 << 7 * length) - 1)
    unknown = value == (1 << 7 * length) - 1 or not first
    return 0 if unknown else at + 4 + length + value


def _picture_stream(container: Any, name: str) -> Any:
    attached = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & attached]
    if not streams:
        raise ImageError(f"{name}: has no pictures, only {_named(container) or 'nothing'}")
    default = [stream for stream in streams if stream.disposition & av.stream.Disposition.default]
    stream = (default or streams)[0]
    if len(streams) > 1:
        warnings.warn(f"{name}: only one of its {len(streams)} video tracks is used", ImageWarning, stacklevel=3)
    context = stream.codec_context
    if context is None or context.codec is None:
        raise ImageError(f"{name}: FFmpeg has no decoder for its pictures")
    if not context.width or not context.height or context.format is None:
        raise ImageError(f"{name}: its pictures cannot be decoded ({context.name})")
    return stream


def _named(container: Any) -> str:
    return ", ".join(sorted({{"audio": "sound"}.get(stream.type, stream.type) for stream in container.streams}))


@contextmanager
def _faults_name(name: str) -> Iterator[None]:
    """FFmpeg's failures become one error that names the clip."""
    try:
        yield
    except av.FFmpegError as fault:
        if isinstance(fault, OSError):
            reason = fault.strerror
        elif isinstance(fault, av.DecoderNotFoundError):
            reason = "FFmpeg has no decoder for its pictures"
        else:
            reason = f"damaged or cut off ({fault.strerror})"
        raise ImageError(f"{name}: {reason}") from fault


def read_provenance(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What `e2gan.moving.clips.edit_clip` wrote about how a clip was made; None if it says nothing.

    Raises:
        ImageError: the clip cannot be opened.
    """
    with _opened(path, os.fspath(path)) as container:
        told = {key.lower(): value for key, value in container.metadata.items()}
    line = (told.get("comment", "").splitlines() or [""])[-1]
    return json.loads(line) if is_record(line) else None


def is_record(line: str) -> bool:
    """Whether a line of a comment is our provenance."""
    try:
        record = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.get("program") == "e2gan"


def check_whole(path: str | os.PathLike[str]) -> None:
    """Check that a clip is not cut off, without decoding it.

    Raises:
        ImageError: it cannot be opened, is damaged or cut off.
    """
    with open_clip(path) as clip:
        clip.check()


def swscale_matrix(matrix: int, rows: int) -> Colorspace:
    """FFmpeg's name of a matrix."""
    return MATRICES.get(matrix, Colorspace.ITU709 if rows >= HD else Colorspace.ITU601)


def _matrix(frame: Any) -> tuple[int, ...] | None:
    """How a frame is turned for display, as (a, b, c, d): x' = ax + cy, y' = bx + dy."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            numbers = np.frombuffer(bytes(data), np.int32)
            return tuple(int(numbers[i]) for i in (0, 1, 3, 4))
    return None


def _upright(pixels: np.ndarray, matrix: tuple[int, ...] | None) -> np.ndarray:
    """(H, W, 3) as it is displayed; turns by other angles than right ones are left out."""
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, flip_x, flip_y = pixels.transpose(1, 0, 2), c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _brightest(frame: Any, colour: Colour) -> float:
    """The brightest value of an HDR clip, in cd/m²: one for the whole clip, so that brightness does not waver."""
    assert colour.encoding is not None
    if colour.encoding.transfer == "hlg":
        return HLG_PEAK
    for data in frame.side_data:
        if data.type.name == "CONTENT_LIGHT_LEVEL":
            brightest = int(np.frombuffer(bytes(data), np.uint32)[0])
            if brightest:
                return float(min(brightest, 10_000))
    return PQ_PEAK
