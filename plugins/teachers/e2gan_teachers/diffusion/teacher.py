"""Common parts of the diffusion teachers: options, loading, batches, and one random stream for each photo."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from e2gan.errors import TeacherError
from e2gan_teachers.diffusion.models import check_model, quiet, reading, revision_of
from e2gan_teachers.options import number_in

if TYPE_CHECKING:
    import torch

__all__ = ["DiffusionTeacher", "SamplingTeacher"]

DTYPES = ("auto", "float32", "float16", "bfloat16")
MEMORY = ("none", "slicing", "offload")


@dataclass(kw_only=True)
class DiffusionTeacher(ABC):
    """A teacher that loads its networks once, for the first photo, and edits several photos at a time.

    Photos are square, of any side; the networks work at `size`, and the picture has the photo's size.
    """

    prompt: str = ""
    """What the picture should show, or for the instruct teachers what to do; required."""
    model: str
    """The pipeline: a Hub id, or a folder as diffusers' `save_pretrained` writes it."""
    revision: str | None = None
    """A commit, tag or branch of `model`; by default the pinned commit (`models.REVISIONS`), else the newest."""
    steps: int
    """Denoising steps, 1 to 1000."""
    guidance: float
    """Classifier-free guidance of the prompt, 1 (no guidance) to 50."""
    size: int = 512
    """Side the networks work at, pixels, 32 to 2048, a multiple of 8; their training size works best."""
    batch_size: int = 4
    """Photos at a time, 1 to 256."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, …; auto: the best available."""
    dtype: str = "auto"
    """float32, float16 or bfloat16; auto: float16, and float32 on a CPU."""
    memory: str = "none"
    """Ways to save memory.  slicing: attention and VAE piece by piece, somewhat slower.  offload: also keeps only the
    working network on the GPU."""
    safety_checker: bool = True
    """Let the model's own safety checker, if it has one, refuse pictures; false disables it."""

    in_process = True
    """One process loads and uses the networks, instead of one copy for each worker."""

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise TeacherError(
                "this teacher needs the option 'prompt'", hint='for example: prompt = "a forest in the autumn"'
            )
        check_model("model", self.model)
        _text_or_none("revision", self.revision)
        number_in("steps", self.steps, 1, 1000, kind=int)
        number_in("guidance", self.guidance, 1, 50)
        number_in("size", self.size, 32, 2048, kind=int)
        if self.size % 8:
            raise TeacherError(f"the option 'size' must be a multiple of 8, not {self.size}")
        number_in("batch_size", self.batch_size, 1, 256, kind=int)
        if not isinstance(self.device, str) or not re.fullmatch(r"[a-z]+(:\d+)?", self.device):
            raise TeacherError(f"the option 'device' must be auto, cpu, cuda, mps or such, not {self.device!r}")
        one_of("dtype", self.dtype, DTYPES)
        one_of("memory", self.memory, MEMORY)
        if not isinstance(self.safety_checker, bool):
            raise TeacherError(f"the option 'safety_checker' must be true or false, not {self.safety_checker!r}")
        self._pipeline: Any = None
        self._fault: TeacherError | None = None

    # For subclasses

    @abstractmethod
    def _read(self, device: torch.device, dtype: torch.dtype) -> Any:
        """The diffusers pipeline, on the CPU; called once, and its errors become TeacherErrors."""

    @abstractmethod
    def _edit(self, photos: list[Image.Image]) -> list[Image.Image]:
        """Edit a batch of RGB photos of `size` × `size`."""

    # For callers

    def load(self) -> None:
        """Load the networks, from this computer or else the Hub; does nothing if they are loaded.

        Raises TeacherError: a package, the model or the device is missing.  A later call raises the same error again,
        so that an unreachable Hub is waited for only once.
        """
        if self._fault is not None:
            raise self._fault
        if self._pipeline is None:
            try:
                self._pipeline = self._load()
            except TeacherError as fault:
                self._fault = fault
                raise

    def edit_batch(self, photos: Sequence[Image.Image]) -> list[Image.Image]:
        """Edit any number of square photos, `batch_size` at a time; a picture does not depend on its neighbours.

        Raises TeacherError: as `load`, or a photo is not square, the memory is too small, or the model's safety
        checker refuses a picture.
        """
        for photo in photos:
            if photo.width != photo.height:
                raise TeacherError(f"this teacher edits square photos, not {photo.width} × {photo.height} pixels")
        self.load()
        pictures: list[Image.Image] = []
        for start in range(0, len(photos), self.batch_size):
            pictures += self._edit_part(photos[start : start + self.batch_size])
        return pictures

    def __call__(self, photo: Image.Image) -> Image.Image:
        return self.edit_batch([photo])[0]

    # Internals

    def _load(self) -> Any:
        with reading(self.model), quiet():
            import torch

            device = _device(self.device)
            if self.memory == "offload" and device.type == "cpu":
                raise TeacherError("memory = 'offload' moves networks off a GPU, but this machine has no GPU")
            pipeline = self._read(device, _dtype(self.dtype, device))
            pipeline.set_progress_bar_config(disable=True)
            if self.memory != "none":
                pipeline.enable_attention_slicing()
                pipeline.vae.enable_slicing()
                pipeline.vae.enable_tiling()
            try:
                if self.memory == "offload":
                    pipeline.enable_model_cpu_offload(device=device)
                else:
                    pipeline.to(device)
            except torch.OutOfMemoryError as error:
                raise self._too_large() from error
        return pipeline

    def _from_pretrained(self, pipeline: Any, dtype: torch.dtype, **parts: Any) -> Any:
        """Read `model` as a pipeline of this class, with the given `parts`."""
        without = {} if self.safety_checker else {"safety_checker": None, "requires_safety_checker": False}
        revision = revision_of(self.model, self.revision)
        return pipeline.from_pretrained(self.model, revision=revision, dtype=dtype, **parts, **without)

    def _edit_part(self, photos: Sequence[Image.Image]) -> list[Image.Image]:
        import torch

        scaled = [
            photo.convert("RGB").resize((self.size, self.size), Image.Resampling.LANCZOS)
            if photo.size != (self.size, self.size)
            else photo.convert("RGB")
            for photo in photos
        ]
        try:
            pictures = self._edit(scaled)
        except torch.OutOfMemoryError as error:
            raise self._too_large() from error
        return [
            picture if picture.size == photo.size else picture.resize(photo.size, Image.Resampling.LANCZOS)
            for picture, photo in zip(pictures, photos)
        ]

    def _too_large(self) -> TeacherError:
        return TeacherError(
            f"the memory of the device is too small for {self.model} with batches of {self.batch_size}",
            hint="try a smaller batch_size, then memory = 'slicing' or 'offload'",
        )


@dataclass(kw_only=True)
class SamplingTeacher(DiffusionTeacher):
    """A teacher that is a pipeline of diffusers, and draws noise."""

    seed: int = 0
    """Another seed gives other pictures.  A photo's noise depends only on the seed and the photo and is drawn on the
    CPU, so it is the same in every batch, process and machine."""
    negative_prompt: str = ""
    """What the picture should not show."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number_in("seed", self.seed, 0, 2**63 - 1, kind=int)
        if not isinstance(self.negative_prompt, str):
            raise TeacherError(f"the option 'negative_prompt' must be text, not {self.negative_prompt!r}")

    @abstractmethod
    def _settings(self, photos: list[Image.Image]) -> dict[str, Any]:
        """Arguments of this pipeline other than prompts, steps, guidance and noise."""

    def _edit(self, photos: list[Image.Image]) -> list[Image.Image]:
        settings = {
            "prompt": [self.prompt] * len(photos),
            "negative_prompt": [self.negative_prompt] * len(photos),
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "generator": [self._generator(photo) for photo in photos],
        }
        output = self._pipeline(**(settings | self._settings(photos)))
        refuse_flagged(output.nsfw_content_detected)
        return list(output.images)

    def _generator(self, photo: Image.Image) -> torch.Generator:
        import torch

        digest = hashlib.sha256(f"{self.seed} {photo.size} ".encode() + photo.tobytes()).digest()
        return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def refuse_flagged(flags: Sequence[bool] | None) -> None:
    """Raise TeacherError if the safety checker blackened one of these pictures."""
    if flags is not None and any(flags):
        raise TeacherError(
            "the model's safety checker refused a picture",
            hint="if it is a false alarm, try another seed or prompt, or set safety_checker = false",
        )


def one_of(option: str, value: object, known: tuple[str, ...]) -> None:
    """Raise TeacherError unless `value` is one of the `known` texts."""
    if value not in known:
        raise TeacherError(f"the option '{option}' must be one of {', '.join(known)}, not {value!r}")


def _text_or_none(option: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise TeacherError(f"the option '{option}' must be text, not {value!r}")


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError):
        raise TeacherError(f"the device '{name}' does not exist, or this PyTorch cannot use it") from None


def _dtype(name: str, device: torch.device) -> torch.dtype:
    import torch

    if name == "auto":
        name = "float32" if device.type == "cpu" else "float16"
    if name == "float16" and device.type == "cpu":
        raise TeacherError("dtype = 'float16' needs a GPU", hint="on a CPU: float32 or bfloat16")
    dtype: torch.dtype = getattr(torch, name)
    return dtype
