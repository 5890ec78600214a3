"""The editor: concepts on photos.

How coarse strokes are depends on the size at which a photo is edited.  By default, that is its own, up to about one
megapixel; larger photos are scaled down, edited, and brought back to size with the photo as the guide
(:mod:`e2gan.upsample`).  At more than a megapixel, a photo is edited in tiles (:mod:`e2gan.models.tiles`).
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from e2gan._version import __version__
from e2gan.backends import TORCH, Backend, fastest, name_of, open_backend, open_fastest
from e2gan.base import Base, find_base
from e2gan.blend import Blend, ConceptBlend, Concepts, resolve
from e2gan.gpu import has_no_gpu
from e2gan.images import Source, opaque, open_image
from e2gan.memory import left, taken
from e2gan.models.boxes import Box, pixels_of
from e2gan.models.layout import Keeps
from e2gan.runtime import BackendEdits, Runtime
from e2gan.strength import mix
from e2gan.stroke import MAX_PIXELS, MEDIUM, STROKES
from e2gan.upsample import guided_upsample

if TYPE_CHECKING:
    import torch

    from e2gan.pytorch import TorchEdits

__all__ = ["FORWARD", "MAX_PIXELS", "MIN_SIDE", "Editor"]

MIN_SIDE = 32
"""Smallest side that goes through the generator, in pixels; smaller photos are padded to it."""

FAINT = 16
"""Opacity, of 255, below which a pixel of a scaled photo takes the colours around it."""

FORWARD = 24.0
"""Work of a pixel in the generator, about, where enlarging an edit to it has 1: only for saying how much is done."""


class Editor:
    """Edits photos with concepts of one base.

    No concept leaves a trace (`e2gan.runtime.Runtime`).  Several threads may use one editor; their edits take turns.
    """

    def __init__(
        self,
        base: str | os.PathLike[str] | Base | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str | None = None,
        threads: int | None = None,
        backend: str | None = None,
        memory: int | None = None,
    ) -> None:
        """Load a base.

        Args:
            base: id of a bundled base, path of its folder, or the base itself; by default what `find_base` takes.
            device: where to compute; by default CUDA, then Apple's MPS, then the CPU.  Other backends than PyTorch
                may know other devices.
            dtype: a type of torch, or ``float32``, ``bf16`` or ``float16``; by default float16 on CUDA and MPS, on a
                CPU bfloat16 if it computes in it (AVX-512 BF16), else float32.  By its name, bf16 becomes float32,
                with a warning, on a CPU that only emulates it.  PyTorch computes the last layer always in float32, for
                smooth gradients.
            threads: CPU threads for this process; the runtime's choice if None.
            backend: the generator's runtime: ``torch``, or one that a plugin offers, such as ``openvino``
                (e2gan-openvino) or ``onnxruntime`` (e2gan-onnx).  By default PyTorch, or on a CPU, unless ``device`` or
                a type of torch is given, an installed one that is registered as faster.  If that cannot start, it is a
                warning, and PyTorch takes its place.
            memory: bytes that this process should not exceed while it edits a photo at more than about a megapixel:
                tiles are smaller for less, and the edit takes longer.  By default, half of what the machine has left.

        Raises:
            BaseModelError: there is no such base, or its files are damaged.
            PluginError: there is no such backend.
            E2GANError: there is no such device or precision, or the backend cannot use it.
        """
        self.base = base if isinstance(base, Base) else find_base(base)
        self.backend = backend or TORCH
        """The id of the backend that computes the edits."""
        self._threads, self._memory = threads, memory
        found: Backend | None = None
        by_name = dtype is None or isinstance(dtype, str)
        precision = None if dtype is None else name_of(dtype)
        if self.backend != TORCH:
            where = None if device is None else str(device)
            found = open_backend(self.backend, self.base, device=where, precision=precision, threads=threads)
        elif backend is None and device is None and by_name and fastest() and has_no_gpu():
            self.backend, found = open_fastest(self.base, precision=precision, threads=threads)
        self._pytorch: Runtime[TorchEdits] | None = None
        self._runtime: Runtime[TorchEdits] | Runtime[BackendEdits]
        if found is None:
            self._runtime = self._pytorch = self._open_pytorch(device, dtype)
        else:
            self._runtime = Runtime(self.base, BackendEdits(self.base.config, found))
        self.precision = self._runtime.edits.precision
        """What it computes in: ``float32``, ``bf16`` or ``float16``."""
        self._other: tuple[str, torch.nn.Module] | None = None
        self._lock = threading.RLock()

    @property
    def device(self) -> torch.device:
        """Where PyTorch computes: the edits, or if another backend does, tiles and other models."""
        import torch

        return torch.device("cpu") if self._pytorch is None else self._pytorch.edits.device

    @property
    def dtype(self) -> torch.dtype:
        """In what PyTorch computes there."""
        import torch

        return torch.float32 if self._pytorch is None else self._pytorch.edits.dtype

    def _open_pytorch(self, device: torch.device | str | None, dtype: torch.dtype | str | None) -> Runtime[TorchEdits]:
        from e2gan.pytorch import TorchEdits, choose_device

        self._limit_threads()
        return Runtime(self.base, TorchEdits(self.base, choose_device(device), dtype))

    def _tiling(self) -> Runtime[TorchEdits]:
        """PyTorch, which alone edits in tiles."""
        if self._pytorch is None:
            self._pytorch = self._open_pytorch("cpu", "float32" if self.precision == "float32" else None)
        return self._pytorch

    def apply(
        self,
        photo: Source,
        concepts: Concepts,
        strength: float = 1.0,
        size: int | None = None,
        stroke: str = MEDIUM,
    ) -> Image.Image:
        """Edit a photo.

        Args:
            photo: a path, bytes, a binary stream or a Pillow image, of any size and mode.
            concepts: a concept's id, path or itself; ``{concept: weight}``; or ``"vangogh=0.6,ukiyoe=0.4"``.  Or
                another model (`e2gan.blend.OtherModel`), which is applied in float32, on PyTorch.
            strength: 0 gives the photo, 1 the edit, and values between them a mix.
            size: longer side in pixels to edit at, at least 32: smaller gives broader strokes.  Never more
                than the photo's.  It takes the place of ``stroke``.
            stroke: one of `e2gan.stroke.STROKES`: ``fine`` edits at the photo's own size, ``medium`` at up to about one
                megapixel, ``broad`` at up to a quarter of one.

        With a concept that keeps the photo's detail, and with another model, a photo is edited at no more than about
        one megapixel.  More than that is edited in tiles, which PyTorch computes, whatever the backend.

        Returns:
            RGB, or RGBA with the photo's transparency, at the size at which the photo is displayed.
            ``info["exif"]`` holds the camera's EXIF, ``info["e2gan"]`` the provenance as JSON:
            :func:`e2gan.images.save_image` writes both.

        Raises:
            ImageError: the photo cannot be read.
            ConceptError: a concept is unknown, malformed, untrained or made for another base.
        """
        return self.apply_batch([photo], concepts, strength, size, stroke)[0]

    def apply_batch(
        self,
        photos: Sequence[Source],
        concepts: Concepts | Sequence[Concepts],
        strength: float = 1.0,
        size: int | None = None,
        stroke: str = MEDIUM,
        *,
        advance: Callable[[float], None] | None = None,
    ) -> list[Image.Image]:
        """Edit several photos: with one concept or blend for all, or with a list of one for each.

        Photos of one size and concept go through the generator together, up to a megapixel at once.
        See :meth:`apply` for the rest; the first unreadable photo raises.

        Args:
            advance: is told now and then which share of the work is done, from 0 to 1; what it raises ends the work.
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be from 0 to 1, not {strength}")
        if size is not None and size < MIN_SIDE:
            raise ValueError(f"size must be at least {MIN_SIDE} pixels, not {size}")
        if stroke not in STROKES:
            raise ValueError(f"stroke must be one of {', '.join(STROKES)}, not {stroke!r}")
        pixels = STROKES[stroke] if size is None else math.inf
        blends = self._blends(concepts, len(photos))
        images = [open_image(photo) for photo in photos]
        groups: dict[Any, list[int]] = defaultdict(list)
        for i, (image, blend) in enumerate(zip(images, blends)):
            most = pixels if self._tiles(blend) else min(pixels, MAX_PIXELS)
            width, height = _working_size(*image.size, most, size, blend.longest)
            groups[blend, width, height, width * height > MAX_PIXELS < most].append(i)
        results: dict[int, Image.Image] = {}
        sizes = [(width, height, i) for (_, width, height, _), members in groups.items() for i in members]
        done, work = 0.0, sum(_work(width, height, images[i]) for width, height, i in sizes)

        def told(more: float) -> None:
            nonlocal done
            done += more
            if advance is not None:
                advance(min(1.0, done / work))

        for (blend, width, height, in_tiles), members in groups.items():
            right, down = self._paddings(width, height, blend)
            if in_tiles:
                for i in members:
                    results[i] = self._edit_in_tiles(images[i], width, height, blend, strength, told)
                continue
            at_once = max(1, MAX_PIXELS // ((width + right) * (height + down)))
            for start in range(0, len(members), at_once):
                batch = members[start : start + at_once]
                small = [_resized(images[i], width, height) for i in batch]
                edits = self._forward(np.stack(small), blend)
                told(FORWARD * width * height * len(batch))
                for i, before, edit in zip(batch, small, edits):
                    results[i] = self._finish(images[i], before, edit, blend, strength, told)
        return [results[i] for i in range(len(photos))]

    def use(self, concepts: Concepts | None) -> None:
        """Load and fold in concepts now, so that the next edit with them starts at once; None: the bare base."""
        blend = ConceptBlend() if concepts is None else resolve(concepts, self.base.sha256)
        with self._lock:
            if blend.load is None:
                self._runtime.fold(blend.parts)
            else:
                self._ready(blend)

    def _blends(self, concepts: Concepts | Sequence[Concepts], count: int) -> list[Blend]:
        if not isinstance(concepts, Sequence) or isinstance(concepts, str):
            return [resolve(concepts, self.base.sha256)] * count
        if len(concepts) != count:
            raise ValueError(f"{len(concepts)} concepts for {count} photos: give one for all, or one for each")
        return [resolve(concept, self.base.sha256) for concept in concepts]

    def _finish(
        self,
        image: Image.Image,
        small: np.ndarray,
        edit: np.ndarray,
        blend: Blend,
        strength: float,
        told: Callable[[float], None],
    ) -> Image.Image:
        """The edit at the photo's size, mixed with the photo, with its transparency and metadata.

        ``told`` is called with each number of pixels that are finished.
        """
        photo = np.asarray(opaque(image))
        if edit.shape == photo.shape:
            mixed = mix(photo, edit, strength)
            told(image.width * image.height)
        else:
            mixed = guided_upsample(photo, small, edit, strength, told)
        return self._with_metadata(Image.fromarray(mixed), image, blend, strength)

    def _with_metadata(self, result: Image.Image, image: Image.Image, blend: Blend, strength: float) -> Image.Image:
        """The result with the photo's transparency and metadata."""
        if image.mode == "RGBA":
            result.putalpha(image.getchannel("A"))
        provenance = {
            "program": "e2gan",
            "version": __version__,
            **blend.provenance(self.base),
            "strength": strength,
        }
        result.info = {**image.info, "e2gan": json.dumps(provenance)}
        return result

    def _tiles(self, blend: Blend) -> bool:
        """Whether the blend can be applied in tiles."""
        keeps_detail = any(part.concept.keeps == Keeps.DETAIL for part in blend.parts)
        return blend.load is None and not keeps_detail

    def _edit_in_tiles(
        self,
        image: Image.Image,
        width: int,
        height: int,
        blend: Blend,
        strength: float,
        told: Callable[[float], None],
    ) -> Image.Image:
        """The edit of one photo, computed at more than `MAX_PIXELS`; ``told`` as for `_finish`."""
        seen = opaque(image) if image.size == (width, height) else _smaller(image, width, height)
        own = image.size == seen.size
        right, down = self._paddings(width, height, blend)
        whole = Box(0, height + down, 0, width + right)
        # At the photo's own size, parts go straight to the result, and no array holds the whole.
        result = Image.new("RGB", seen.size) if own else np.empty((height, width, 3), np.float32)
        with self._lock:
            runtime = self._tiling()
            look = runtime.look(blend.parts)
            for box, made in runtime.edits.in_tiles(partial(pixels_of, seen), whole, look, self._budget(result)):
                if not np.isfinite(made).all():
                    raise blend.not_finite(runtime.edits.precision)
                bottom, right = min(box.bottom, height), min(box.right, width)
                edit = ((made[: bottom - box.top, : right - box.left] + 1) / 2).clip(0, 1)
                if isinstance(result, Image.Image):
                    before = pixels_of(seen, Box(box.top, bottom, box.left, right))
                    result.paste(Image.fromarray(mix(before, edit, strength)), (box.left, box.top))
                else:
                    result[box.top : bottom, box.left : right] = edit
                told(FORWARD * edit.shape[0] * edit.shape[1])
        if isinstance(result, Image.Image):
            told(image.width * image.height)
            return self._with_metadata(result, image, blend, strength)
        return self._finish(image, np.asarray(seen), result, blend, strength, told)

    def _budget(self, result: Image.Image | np.ndarray) -> float:
        """Bytes that the edit in tiles may take besides its result, which the system has not given yet."""
        size = 4 * result.width * result.height if isinstance(result, Image.Image) else result.nbytes
        if self._memory is not None:
            return self._memory - taken() - size
        there = left()
        return math.inf if there is None else there / 2 - size

    def _forward(self, batch: np.ndarray, blend: Blend) -> np.ndarray:
        """(N, H, W, 3) uint8 to its edit, float32 in 0 to 1, of the same shape."""
        height, width = batch.shape[1:3]
        right, down = self._paddings(width, height, blend)
        padded = np.pad(batch, ((0, 0), (0, down), (0, right), (0, 0)), mode="reflect")
        x = np.ascontiguousarray(padded.transpose(0, 3, 1, 2), np.float32)
        x /= np.float32(127.5)
        x -= 1
        with self._lock:
            y = self._ready(blend)(x)
        y = ((y[..., :height, :width] + 1) / 2).transpose(0, 2, 3, 1)
        if not np.isfinite(y).all():
            raise blend.not_finite(self.precision)
        return y.clip(0, 1)

    def _paddings(self, width: int, height: int, blend: Blend) -> tuple[int, int]:
        """The number of columns and rows to add for the generator."""
        stride = blend.stride or self.base.config.stride
        return _padding(width, stride), _padding(height, stride)

    def _ready(self, blend: Blend) -> Callable[[np.ndarray], np.ndarray]:
        """Load and fold what is needed; return the function that edits (N, 3, H, W) float32 in [-1, 1] to the same."""
        if blend.load is None:
            return partial(self._runtime.edits, look=self._runtime.look(blend.parts))
        # Only one other model is kept, because they are large.
        if self._other is None or self._other[0] != blend.sha256:
            self._other = None
            self._limit_threads()
            self._other = blend.sha256, blend.load().to(self.device)
        from e2gan.pytorch import run

        return partial(run, self._other[1], device=self.device)

    def _limit_threads(self) -> None:
        if self._threads is not None:
            import torch

            torch.set_num_threads(self._threads)


def _work(width: int, height: int, image: Image.Image) -> float:
    """How much there is to do for a photo that is edited at that size, in pixels of the finished edit."""
    return FORWARD * width * height + image.width * image.height


def _working_size(width: int, height: int, pixels: float, *longest: int | None) -> tuple[int, int]:
    """Width and height to edit a photo at: its own, or smaller, of at most so many pixels."""
    limit = min((most for most in longest if most), default=math.inf)
    scale = min(1.0, math.sqrt(pixels / (width * height)), limit / max(width, height))
    width, height = (max(1, round(n * scale)) for n in (width, height))
    if min(width, height) < MIN_SIDE:
        # It will be padded to MIN_SIDE, so its length must be bounded, too.
        width, height = (min(n, MAX_PIXELS // MIN_SIDE) for n in (width, height))
    return width, height


def _resized(image: Image.Image, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8."""
    return np.asarray(opaque(image) if image.size == (width, height) else _smaller(image, width, height))


def _smaller(image: Image.Image, width: int, height: int) -> Image.Image:
    # Pillow weighs colours by their opacity, so hidden colours do not count.
    return opaque(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0), faint=FAINT)


def _padding(n: int, stride: int) -> int:
    """How much to add to ``n`` pixels to make a multiple of ``stride``, and at least :data:`MIN_SIDE`."""
    return max(MIN_SIDE, math.ceil(n / stride) * stride) - n
