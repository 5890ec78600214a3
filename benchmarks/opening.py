"""The cost of opening a photo and writing its edit, as a ratio to the libraries' own in the same run.

    python -m benchmarks.opening --megapixels 24

A JPEG is compared with Pillow's open, convert and save, in the same encoding; opening a HEIC, with pillow-heif.  The
deeper ways of reading are listed for comparison, without limits.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from benchmarks.measuring import SAMPLES, Figure, interleaved, parser, ratio, report, script
from e2gan.images import LARGE, open_image, save_image
from e2gan.images.saving import ENCODING

__all__ = ["large_photo", "measure"]

MOST = 1.2
"""As a multiple of the libraries' own time."""


def large_photo(pixels: int) -> Image.Image:
    """A sample photograph, enlarged, with grain: as hard to encode as a camera's photo."""
    with Image.open(sorted(SAMPLES.glob("*.jpg"))[0]) as sample:
        scale = (pixels / (sample.width * sample.height)) ** 0.5
        size = round(sample.width * scale) // 2 * 2, round(sample.height * scale) // 2 * 2
        large = np.asarray(sample.convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    grain = np.random.default_rng(0).integers(-6, 7, large.shape, dtype=np.int16)
    return Image.fromarray((large + grain).clip(0, 255).astype(np.uint8))


def _jobs(folder: Path, photo: Image.Image) -> Mapping[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Pairs (ours, the libraries') by name."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8298] = "Camera", "Owner"
    jpeg, wide, heic, out = folder / "photo.jpg", folder / "wide.jpg", folder / "photo.heic", folder / "out.jpg"
    photo.save(jpeg, quality=92, exif=exif)
    profile = _wide_profile()
    photo.save(wide, quality=92, exif=exif, icc_profile=profile)
    pillow_heif.from_pillow(photo).save(heic, quality=60)

    def ours() -> None:
        save_image(open_image(jpeg), out)

    def pillows() -> None:
        with Image.open(jpeg) as image:
            image.convert("RGB").save(out, exif=image.info["exif"], **ENCODING["JPEG"])

    def ours_wide() -> None:
        save_image(open_image(wide), out)

    def pillows_wide() -> None:
        with Image.open(wide) as image:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            seen = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert seen is not None
            seen.save(out, exif=image.info["exif"], **ENCODING["JPEG"])

    return {
        "JPEG: open and write": (ours, pillows),
        "JPEG with a profile: open and write": (ours_wide, pillows_wide),
        "HEIC: open": (
            lambda: open_image(heic, limits=LARGE),
            lambda: pillow_heif.open_heif(heic).to_pillow(),
        ),
    }


def _wide_profile() -> bytes:
    from e2gan.images.colour import SRGB_CURVE, Encoding, Primaries, written_profile

    return written_profile(Encoding(Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), SRGB_CURVE))


def measure(megapixels: float = 24, rounds: int = 5) -> list[Figure]:
    figures = []
    photo = large_photo(round(megapixels * 1e6))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (ours, theirs) in _jobs(Path(folder), photo).items():
            seconds = interleaved({"ours": ours, "theirs": theirs}, rounds, warmup=1)
            figures.append(Figure(name, ratio(seconds["ours"], seconds["theirs"]), "times", at_most=MOST))
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--megapixels", type=float, default=24)
    command.add_argument("--rounds", type=int, default=5)
    options = command.parse_args(arguments)
    report({f"{options.megapixels:g} megapixels": measure(options.megapixels, options.rounds)}, options.output)


if __name__ == "__main__":
    script(main)
