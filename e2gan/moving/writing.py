"""Writing a clip: encode the edited frames, and copy what else the clip had."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from e2gan.errors import ImageError
from e2gan.images import ImageWarning
from e2gan.images.formats import container_for
from e2gan.moving.defaults import CODECS
from e2gan.moving.reading import Clip, Colours, Frame, is_record, swscale_matrix

__all__ = ["ClipWriter", "codec_for"]

ENCODERS: Mapping[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "17", "preset": "medium"}),
    "h265": ("libx265", {"crf": "20", "preset": "medium", "x265-params": "log-level=none"}),
    "vp9": ("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "3", "row-mt": "1"}),
    "av1": ("libsvtav1", {"crf": "24", "preset": "7"}),
}
"""Encoders and their settings by the names in `CODECS`.  Strokes are fine detail, so quality is set high."""

USUAL = {"webm": "vp9"}
"""The codec by container; otherwise H.264, which plays everywhere."""

SDR = Colours(matrix=1, primaries=1, transfer=1, full=False)
"""BT.709: what an HDR clip is brought to."""

OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "comment")
"""Metadata that describes the old file, and what is written anew."""

PLACES = ("location", "gps", "xyz")
"""Parts of the names of metadata that tell where a clip was recorded."""

OF_A_STREAM = ("language", "title")
"""Metadata of a track that is kept."""


def codec_for(target: str | os.PathLike[str], codec: str | None = None) -> str:
    """The name of the codec that a clip of that name is written with.

    Raises:
        ImageError: the suffix stands for no container that can be written.
    """
    return codec or USUAL.get(container_for(target), "h264")


class ClipWriter:
    """Writes a clip's edited frames and its copied packets, in the order of reading; a context manager.

    Everything that could be refused is refused when it is entered, before the first frame is edited.
    """

    def __init__(
        self,
        path: Path,
        clip: Clip,
        size: tuple[int, int],
        *,
        name: str,
        codec: str,
        keep_location: bool = False,
    ) -> None:
        """
        Args:
            path: where to write.
            clip: the clip whose frames are written.
            size: width and height of its upright frames.
            name: the file's name in errors.
            codec: one of `CODECS`.
            keep_location: whether the metadata may say where the clip was recorded.

        Raises:
            ImageError: the container does not hold the codec, or the clip's sound.
            OSError: the file cannot be written.
        """
        self._target, self._name, self._clip, self._keep_location = path, name, clip, keep_location
        self._size = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._colours = clip.colours if clip.hdr is None else SDR
        self._matrix = swscale_matrix(self._colours.matrix, clip.height)
        self._range = ColorRange.JPEG if self._colours.full else ColorRange.MPEG
        self._durations: dict[int, int] = {}
        self._last: Frame | None = None
        container = container_for(path)
        self._by_decoding = container in ("mp4", "mov")
        if self._size != size:
            warnings.warn(
                f"{name}: {size[0]}×{size[1]} is odd: its last row or column is there twice", ImageWarning, stacklevel=2
            )
        with self._faults():
            # "file:", so that no name is taken for a network address.
            self._out: Any = av.open(f"file:{path}", "w", format=container)
        try:
            self._frames = self._encoder(container, codec)
            self._copies = {stream.index: self._copy(container, stream) for stream in clip.copied}
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._discard()
            return
        with self._faults():
            packets = self._frames.encode(None)
            if packets and self._last and self._by_decoding:
                # These containers know how long one packet lasts: the one decoded last, whose end is the clip's.
                self._durations[packets[-1].pts] = self._last.duration
            self._mux(packets)
            self._out.close()

    def write(self, what: Frame | Any) -> bool:
        """Write the next frame, or packet of a copied stream, and say whether it was a frame.

        A frame must come first.  Its ``info["e2gan"]`` becomes the last line of the clip's comment.
        """
        with self._faults():
            if isinstance(what, Frame):
                if self._last is None:
                    self._begin(what.image.info.get("e2gan"))
                elif self._last.time in self._durations:
                    self._durations[self._last.time] = what.time - self._last.time
                self._durations[what.time] = what.duration
                self._last = what
                self._mux(self._frames.encode(self._encoded(what)))
                return True
            if (copy := self._copies[what.stream.index]) is not None:
                what.stream = copy
                self._out.mux(what)
            return False

    def _begin(self, record: str | None) -> None:
        self._out.metadata.update(_metadata(self._clip.container.metadata, record, self._keep_location))
        if chapters := self._clip.container.chapters():
            self._out.set_chapters(chapters)
        self._out.start_encoding()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """FFmpeg's failures become errors that name the file."""
        try:
            yield
        except av.FFmpegError as fault:
            if isinstance(fault, OSError):
                raise OSError(fault.errno, fault.strerror, str(self._target)) from fault
            raise ImageError(f"{self._name}: cannot be written ({fault.strerror})") from fault

    def _encoder(self, container: str, codec: str) -> Any:
        encoder, options = ENCODERS[codec]
        clip = self._clip
        try:
            stream = self._out.add_stream(encoder, rate=clip.rate, options=options, time_base=clip.time_base)
        except (av.codec.codec.UnknownCodecError, ValueError) as fault:
            hint = f"choose another --codec ({', '.join(CODECS)}) or suffix"
            raise ImageError(
                f"{self._name}: {container} does not hold {codec}, or no encoder is there", hint=hint
            ) from fault
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = clip.time_base
        if codec == "h265" and container in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players want it
        if clip.shape and clip.shape > 0:
            turned = (self._size[0] > self._size[1]) != (clip.width > clip.height)
            context.sample_aspect_ratio = 1 / clip.shape if turned else clip.shape
        colours = self._colours
        context.colorspace = colours.matrix or SDR.matrix  # RGB becomes YCbCr
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        context.color_range = self._range
        stream.metadata.update(_of_a_stream(clip.stream.metadata))
        return stream

    def _copy(self, container: str, stream: Any) -> Any | None:
        """The new stream for a copied one; None if it is left out."""
        try:
            copy = self._out.add_stream_from_template(stream)
        except ValueError as fault:
            codec = stream.codec_context.name
            if stream.type == "audio":
                raise ImageError(
                    f"{self._name}: {container} does not hold the clip's sound ({codec}), which is copied as it is",
                    hint="write an .mkv, which holds any",
                ) from fault
            warnings.warn(
                f"{self._name}: {container} does not hold its subtitles ({codec})", ImageWarning, stacklevel=2
            )
            return None
        copy.metadata.update(_of_a_stream(stream.metadata))
        with suppress(AttributeError):
            copy.disposition = stream.disposition
        return copy

    def _encoded(self, frame: Frame) -> Any:
        pixels = np.asarray(frame.image)
        across, down = self._size[0] - pixels.shape[1], self._size[1] - pixels.shape[0]
        if across or down:
            pixels = np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="edge")
        coded = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_colorspace=self._matrix,
            dst_color_range=self._range,
            interpolation="BICUBIC",
        )
        coded.pts, coded.time_base = frame.time, self._clip.time_base
        return coded

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration or 0)
            self._out.mux(packet)

    def _discard(self) -> None:
        with suppress(av.FFmpegError, ValueError, RuntimeError):
            self._out.close()


def _metadata(metadata: Mapping[str, str], record: str | None, keep_location: bool) -> dict[str, str]:
    kept = {
        name: value
        for name, value in metadata.items()
        if name.lower() not in OF_THE_FILE and (keep_location or not any(part in name.lower() for part in PLACES))
    }
    own = next((value for name, value in metadata.items() if name.lower() == "comment"), "")
    lines = [line for line in own.splitlines() if not is_record(line)] + [record or ""]
    if any(lines):
        kept["comment"] = "\n".join(lines)
    return kept


def _of_a_stream(metadata: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if name.lower() in OF_A_STREAM}
