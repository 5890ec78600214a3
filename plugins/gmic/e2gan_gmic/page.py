"""Write the page of the catalogue, with each look before and after, from the repository's sample photos.

python -m e2gan_gmic.page              # the text, with the existing pictures and times
python -m e2gan_gmic.page --pictures   # also the pictures, and how long each look takes
python -m e2gan_gmic.page --pictures pencil oil
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from e2gan.files import atomic_path, atomic_write
from e2gan.terminal import say
from e2gan_gmic.catalogue import GROUPS, LOOKS
from e2gan_gmic.look import Look, Number

__all__ = ["main", "page"]

PAGE, PICTURES, MEASURED = (
    Path("docs/teachers-gmic.md"),
    Path("docs/images/gmic"),
    Path("docs/images/gmic/seconds.json"),
)

PHOTOS = {
    "Paintings": ("samples/friends.jpg", (180, 285, 660, 765)),
    "Prints and mosaics": ("samples/picosdeeuropa.jpg", (0, 0, 864, 864)),
    "Drawings": ("samples/friends.jpg", (180, 285, 660, 765)),
    "Photographs": ("samples/aitzgorri.jpg", (406, 0, 1216, 810)),
}
"""Each group's sample photo, and the square that is shown of it, in pixels."""

SIDE = 256


def page(measured: dict[str, Any]) -> str:
    """The page's text; `measured` holds the seconds of each look and the machine."""
    head = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
    lines = [head.replace("COUNT", str(len(LOOKS))), "## The looks", ""]
    lines += [
        f"- {group}: {', '.join(f'[{look.id}](#{look.id})' for look in looks)}" for group, looks in GROUPS.items()
    ]
    for group, looks in GROUPS.items():
        lines += ["", f"## {group}"]
        for look in looks:
            lines += ["", *_section(look, measured["seconds"].get(look.id))]
    photos = "`samples/friends.jpg`, `samples/picosdeeuropa.jpg` and `samples/aitzgorri.jpg`"
    lines += [
        "",
        "---",
        "",
        "*Written by `python -m e2gan_gmic.page`; pictures and seconds by `python -m e2gan_gmic.page --pictures`, "
        f"on {measured['machine']}. Photos: Aitzol Berasategi, CC BY 4.0 ({photos}; "
        "credits in `samples/CREDITS.md`); the "
        "edited ones are under the same licence.*",
    ]
    return "\n".join(lines) + "\n"


def _section(look: Look, seconds: float | None) -> list[str]:
    facts = [
        f"effect: {look.kind}",
        f'`keeps = "{look.keeps}"`',
        f"{'not measured' if seconds is None else f'{seconds:.2f} s'}",
        *(["whole photo"] if look.whole else []),
    ]
    return [
        f"### {look.id}",
        "",
        f"**{look.title}.** {look.looks} *“{look.prompt}”*",
        "",
        f"![{look.title}: before and after](images/gmic/{look.id}.webp)",
        "",
        f"{' · '.join(facts)}",
        "",
        "| number | range | default | |",
        "|---|---|---|---|",
        *(_row(number) for number in look.numbers),
    ]


def _row(number: Number) -> str:
    unit = " px" if number.pixels else ""
    kind = " (whole)" if number.whole else ""
    range = f"{number.low:g} to {number.high:g}{unit}{kind}"
    return f"| `{number.name}` | {range} | {number.default:g} | {number.help} |"


def _draw(look: Look, group: str) -> float:
    """Write the look's picture, before and after; returns the processor time in seconds."""
    from PIL import Image

    from e2gan_gmic.teacher import make

    path, square = PHOTOS[group]
    photo = Image.open(path).convert("RGB").crop(square).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    started = time.process_time()
    edited = make(filter=look.id)(photo)
    seconds = time.process_time() - started
    both = Image.new("RGB", (2 * SIDE, SIDE))
    both.paste(photo, (0, 0))
    both.paste(edited, (SIDE, 0))
    with atomic_path(PICTURES / f"{look.id}.webp") as target:
        both.save(target, "WEBP", quality=78, method=6)
    return seconds


def _machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} processors, one used"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--pictures", action="store_true", help="make the pictures and measure the time, for the LOOKs or for all"
    )
    parser.add_argument("looks", nargs="*", metavar="LOOK", help="ids of the catalogue")
    args = parser.parse_args()
    if unknown := [id for id in args.looks if id not in LOOKS]:
        parser.error(f"there is no look {', '.join(unknown)}")
    if not Path("samples").is_dir():
        parser.error("run it in the repository's folder")
    measured: dict[str, Any] = (
        json.loads(MEASURED.read_text()) if MEASURED.is_file() else {"machine": "", "seconds": {}}
    )
    if args.pictures:
        PICTURES.mkdir(parents=True, exist_ok=True)
        seconds = {id: value for id, value in measured["seconds"].items() if id in LOOKS}
        for group, looks in GROUPS.items():
            for look in looks:
                if not args.looks or look.id in args.looks:
                    seconds[look.id] = round(_draw(look, group), 2)
                    say(f"{look.id}: {seconds[look.id]} s")
        measured = {"machine": _machine(), "seconds": {id: seconds[id] for id in LOOKS if id in seconds}}
        atomic_write(MEASURED, (json.dumps(measured, indent=1) + "\n").encode())
    atomic_write(PAGE, page(measured).encode())


if __name__ == "__main__":
    main()
