"""Write the page of the painted styles, with each style before and after, from the repository's sample photos.

python -m e2gan_teachers.styles_page              # the text
python -m e2gan_teachers.styles_page --pictures   # also the pictures, in a minute
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from e2gan.files import atomic_path, atomic_write
from e2gan_teachers.styles import STYLES

__all__ = ["main", "page"]

PAGE, PICTURES = Path("docs/teachers-styles.md"), Path("docs/images/styles")

PHOTOS = (("samples/friends.jpg", (180, 285, 660, 765)), ("samples/aitzgorri.jpg", (406, 0, 1216, 810)))
"""The sample photos, and the square that is shown of each, in pixels: two dogs, and a landscape."""

SIDE = 256

HEAD = """\
# The painted styles

The teacher `magenta-multistyle` paints photos in one of COUNT styles. It needs neither a GPU nor a download, and takes
about 25 ms for a photo of 256 × 256 pixels. Its network was published without names; these describe the styles as we
see them. Below, each style is shown on a photo of two dogs and on a landscape, before and after.

```sh
e2gan distill magenta-multistyle -O style=4 --data photos/ -o pairs/
e2gan new crayon --prompt "a crayon drawing" --teacher magenta-multistyle -O style=4
```

All of them paint the whole photo anew, so leave `keeps = "nothing"` in `concept.toml`. The weights are under
Apache-2.0. Any painting of your own can be a style, too: `magenta-arbitrary` ([Teachers](teachers.md)).
"""


def page() -> str:
    """The page's text."""
    lines = [HEAD.replace("COUNT", str(len(STYLES)))]
    lines += ["| style | |", "|---|---|"]
    lines += [f"| `{number}` | [{name}](#{number}-{_anchor(name)}) |" for number, name in enumerate(STYLES)]
    for number, name in enumerate(STYLES):
        lines += ["", f"## {number} {name}", "", f"![{name}: before and after](images/styles/{number}.webp)"]
    photos = " and ".join(f"`{path}`" for path, _ in PHOTOS)
    lines += [
        "",
        "---",
        "",
        f"*Written by `python -m e2gan_teachers.styles_page --pictures` from {photos}. Photos: Aitzol Berasategi, "
        "CC BY 4.0 (credits in `samples/CREDITS.md`); the edited ones are under the same licence.*",
    ]
    return "\n".join(lines) + "\n"


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _draw() -> None:
    from e2gan_teachers.painted import PaintedStyle

    photos = [
        Image.open(path).convert("RGB").crop(square).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        for path, square in PHOTOS
    ]
    PICTURES.mkdir(parents=True, exist_ok=True)
    for number in range(len(STYLES)):
        teacher = PaintedStyle(number)
        row = Image.new("RGB", (2 * len(photos) * SIDE, SIDE))
        for place, photo in enumerate(photos):
            row.paste(photo, (2 * place * SIDE, 0))
            row.paste(teacher(photo), ((2 * place + 1) * SIDE, 0))
        with atomic_path(PICTURES / f"{number}.webp") as target:
            row.save(target, "WEBP", quality=78, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", action="store_true", help="make the pictures, too")
    args = parser.parse_args()
    if not Path("samples").is_dir():
        parser.error("run it in the repository's folder")
    if args.pictures:
        _draw()
    atomic_write(PAGE, page().encode())


if __name__ == "__main__":
    main()
