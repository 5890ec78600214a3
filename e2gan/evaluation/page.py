"""The report of a concept: one self-contained HTML page, and one PNG sheet."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from e2gan._version import __version__
from e2gan.concept import Concept
from e2gan.errors import MissingExtraError
from e2gan.evaluation.closeups import Closeup
from e2gan.evaluation.measure import Example, draw_examples
from e2gan.evaluation.summary import duration, worse_than_nothing
from e2gan.files import atomic_write
from e2gan.models.pixels import as_reported
from e2gan.tables import flat_rows, readable

__all__ = ["PAGE", "SHEET", "write_report"]

PAGE, SHEET = "report.html", "sheet.png"
"""The files' names."""

SHEET_ROWS = 6
"""Maximum rows of the sheet before it takes only every other one."""

WEBP_QUALITY = 82

LARGEST = 1e100
"""Values of at least this magnitude are not plotted."""

POINTS = 240
"""Maximum points of a plotted curve."""

EXPLAINED = {
    "l1_ratio": (
        "L1 ratio",
        "Mean absolute difference to the teacher's picture, as a share of the unedited photo's. "
        "0 is the teacher, 1 is doing nothing.",
    ),
    "fid_ratio": (
        "FID ratio",
        "Fréchet distance between all edits and all of the teacher's pictures in a network's features, as a share of "
        "the unedited photos'. It sees style and texture where L1 sees colours in their places.",
    ),
    "fid_ratio_again": (
        "FID ratio",
        "The same in the features of another network, to check the first: what one overlooks the other may see.",
    ),
    "ssim": ("SSIM", "Structural similarity to the teacher's picture on luminance: 1 is equal."),
    "lpips": ("LPIPS", "Perceptual distance to the teacher's picture on AlexNet: 0 is equal."),
    "stroke_energy": (
        "Stroke energy",
        "Detail finer than a few pixels, as a share of the teacher's: below 1 is blurred, above is noisy.",
    ),
    "stroke_match": (
        "Stroke match",
        "Correlation of that detail with the teacher's, -1 to 1: noise has the energy, but not the places.",
    ),
    "lattice_share": (
        "Lattice share",
        "Fine detail in the photos' flat areas that repeats every 8 pixels, a share from 0 to 1: the weave that a "
        "network leaves in skies.",
    ),
    "miou": (
        "mIoU",
        "How much of the label maps a segmentation network recognises in the edits made from them: 0 is nothing, "
        "1 is all. Compare it only with figures from the same network.",
    ),
}
"""For each figure, its name and its meaning."""

CURVES = {
    "l1": "L1, training",
    "val_l1": "L1, validation",
    "perceptual": "Perceptual",
    "style": "Style",
    "gan": "GAN, generator",
    "discriminator": "GAN, discriminator",
}
"""The parts of the history that are plotted, if they are there."""


def write_report(
    folder: str | os.PathLike[str],
    concept: Concept,
    quality: Mapping[str, Any],
    examples: Sequence[Example],
    *,
    closeups: Sequence[Closeup] = (),
    missing: Mapping[str, str] | None = None,
    unmeasured: Mapping[str, str] | None = None,
    history: Iterable[Mapping[str, float]] = (),
    times: Mapping[str, float] | None = None,
    pairs: Mapping[str, int] | None = None,
) -> Path:
    """Write ``report.html`` and ``sheet.png`` into ``folder``.

    The page needs no other file: it contains pictures, plots and style, and has no script.

    Args:
        folder: created if it is missing.
        concept: the measured concept; the page shows its recipe and the record of its training.
        quality: its ``[quality]``; the page shows the figures that it contains.
        examples: photos with both edits, from the best to the worst, as `e2gan.evaluation.measure.examine` gives them.
        closeups, missing: full-size crops, and which kinds are missing and why, also from there.
        unmeasured: what could not be measured, and why.
        history: rows of the training's ``metrics.jsonl``, each with a ``step``.
        times: seconds of each step, from distilling on.
        pairs: how many pairs were made, rejected, selected and so on, in words.

    Returns:
        The page's path.

    Raises:
        MissingExtraError: jinja2 is not installed.
        E2GANError: a file cannot be written.
    """
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        raise MissingExtraError("jinja2", "eval") from error
    # Figures that a bundle's [quality] lacks are left out: any version may have measured them.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(picture=_data_uri, number=_number, duration=duration, size=_size, power=_power)
    networks = {name: table for name, table in quality.items() if isinstance(table, Mapping) and "features" in table}
    page = environment.get_template("page.html.jinja").render(
        concept=concept,
        version=__version__,
        quality=quality,
        networks=networks,
        headlines=list(_headlines(quality, networks)),
        figures=list(_figures(quality)),
        examples=examples,
        shown=next((example for example in examples if example.place == "median"), None),
        recipe=list(flat_rows(concept.manifest["recipe"])),
        training=list(flat_rows(concept.training)),
        closeups=closeups,
        missing=missing or {},
        warnings=worse_than_nothing(quality),
        unmeasured=unmeasured or {},
        curves=list(_curves([as_reported(row) for row in history])),
        times=times or {},
        pairs=pairs or {},
        forgetting=quality.get("forgetting", {}),
        cost=quality.get("cost", {}),
    )
    target = Path(folder) / PAGE
    if examples:
        # Fewer than on the page, because a PNG of paintings is large.
        draw_examples(concept, examples[::2] if len(examples) > SHEET_ROWS else examples, target.with_name(SHEET))
    atomic_write(target, page)
    return target


@dataclass(frozen=True)
class Figure:
    """A figure with its meaning."""

    name: str
    note: str
    """The features it was measured in, or another note, or empty."""
    value: float
    interval: tuple[float, float] | None
    unedited: float | None
    explanation: str

    @property
    def scale(self) -> dict[str, float] | None:
        """For a ratio, the positions of value and interval on a line of length 100 where 1, doing nothing, is at 80."""
        if self.interval is None or self.unedited is not None:
            return None
        low, high = (min(100.0, 80 * max(0.0, end)) for end in self.interval)
        return {"value": min(100.0, 80 * max(0.0, self.value)), "low": low, "high": high}


def _headlines(quality: Mapping[str, Any], networks: Mapping[str, Mapping[str, Any]]) -> Iterator[Figure]:
    """The ratios that sum it up: L1's, and each network's FID, the headline network's first."""
    if "l1_ratio" in quality:
        yield _figure("l1_ratio", quality)
    explained = "fid_ratio"
    for name in sorted(networks, key=lambda name: name != quality.get("headline")):
        if "fid_ratio" in networks[name]:
            yield _figure("fid_ratio", networks[name], str(networks[name]["features"]), explained)
            explained = "fid_ratio_again"


def _figures(quality: Mapping[str, Any]) -> Iterator[Figure]:
    for key in ("ssim", "lpips", "stroke_energy", "stroke_match"):
        if key in quality:
            yield _figure(key, quality)
    if "lattice_share" in quality:
        teacher = quality.get("lattice_share_teacher")
        yield _figure("lattice_share", quality, "" if teacher is None else f"the teacher's: {_number(teacher)}")
    if "miou" in (seen := quality.get("segmentation", {})):
        yield _figure("miou", seen, f"real photos: {seen['miou_real']:.3f}" if "miou_real" in seen else "")


def _figure(key: str, table: Mapping[str, Any], note: str = "", explained: str = "") -> Figure:
    name, explanation = EXPLAINED[explained or key]
    interval = table.get(f"{key}_interval")
    return Figure(
        name, note, table[key], tuple(interval) if interval else None, table.get(f"{key}_unedited"), explanation
    )


@dataclass(frozen=True)
class Curve:
    """A loss over the steps."""

    title: str
    path: str
    """SVG, in a box of 240 × 80."""
    low: float
    high: float
    last: float
    steps: int


def _curves(history: Sequence[Mapping[str, float]]) -> Iterator[Curve]:
    for key, title in CURVES.items():
        rows = [(row["step"], row[key]) for row in history if key in row and "step" in row]
        # Leave out values that are not finite, or would not stay finite when scaled.
        points = [(step, value) for step, value in rows if abs(step) < LARGEST and abs(value) < LARGEST]
        if len(points) < 2:
            continue
        thinned = [*points[:: max(1, len(points) // POINTS)], points[-1]]
        steps, values = zip(*thinned)
        low, high = min(values), max(values)
        across, up = (max(steps) - min(steps)) or 1, (high - low) or 1
        places = (f"{240 * (s - min(steps)) / across:.1f},{80 - 80 * (v - low) / up:.1f}" for s, v in thinned)
        yield Curve(title, "M" + " L".join(places), low, high, values[-1], int(max(steps)))


def _data_uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="WEBP", quality=WEBP_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _number(value: Any) -> str:
    """Three significant digits; whole numbers with thousands separators; anything else as text."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_number, value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return readable(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:#.3g}" if 1e-3 <= abs(value) < 1000 else f"{value:.3g}"
    return text.removesuffix(".")


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _power(value: float) -> str:
    """1234567 as "1.23 × 10⁶"."""
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(str.maketrans('0123456789-', '⁰¹²³⁴⁵⁶⁷⁸⁹⁻'))}"
