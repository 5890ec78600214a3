"""``e2gan ssd``: train, sample, interpolate, eval."""

from __future__ import annotations

from pathlib import Path

import click

from e2gan.cli.help import Command, CommandGroup
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import needs_extra

__all__ = ["ssd"]

folder = click.Path(file_okay=False, path_type=Path)
anything = click.Path(path_type=Path)

VARIANTS = ("ssd", "no-spectral-norm", "no-adain", "dcgan")
"""`e2gan_ssd.models.VARIANTS` without importing torch for the help; a test compares them."""

model_argument = click.argument("model", type=anything)
device_option = click.option("--device", metavar="DEVICE", help="cpu or cuda; by default the best available.")


@click.group(
    cls=CommandGroup, section="research", examples=["ssd train photos/ -o dogs/", "ssd sample dogs/ -o samples.png"]
)
def ssd() -> None:
    """Generate photographs of 64 × 64 pixels from noise.

    Spectral Style-DCGAN learns from a folder of photos to generate photos like them.
    """


@ssd.command(cls=Command, examples=["ssd train photos/ -o dogs/ --epochs 50"])
@click.argument("photos", type=folder)
@click.option(
    "-o", "--output", type=folder, required=True, metavar="DIR", help="The folder for the model and the run's files."
)
@click.option(
    "--model",
    type=click.Choice(VARIANTS),
    default="ssd",
    show_default=True,
    help="The network: the paper's, or an ablation of it.",
)
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True)
@click.option("--batch-size", type=click.IntRange(2), default=32, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=5e-4, show_default=True)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the photos to train on.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@device_option
@output_options(json=False)
def train(
    photos: Path,
    output: Path,
    model: str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    share: float,
    seed: int,
    device: str | None,
    out: Output,
) -> None:
    """Train a model on the folder PHOTOS.

    An interrupted training continues where it stopped.

    DIR/model.safetensors is the generator that fooled the discriminator best, DIR/last.safetensors that of the last
    epoch. DIR/samples.png and DIR/samples-last.png show their pictures, DIR/losses.png plots the losses.
    """
    with needs_extra("train"), out.progress(resumes=True) as progress:
        from e2gan_ssd.training import Settings, read_photos
        from e2gan_ssd.training import train as run

        settings = Settings(
            model=model, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, share=share, seed=seed
        )
        progress.stage(f"read the photos in {photos}")
        path = run(read_photos(photos, progress), settings, output, device=device, progress=progress)
    out.note(f"wrote {path}")


@ssd.command(cls=Command, examples=["ssd sample dogs/ -o samples.png", "ssd sample dogs/ -n 1000 -o dog-photos/"])
@model_argument
@click.option("-o", "--output", type=anything, required=True, metavar="OUT", help="A folder, or a sheet: OUT.png.")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=64, show_default=True, metavar="N")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first picture.")
@output_options(json=False)
def sample(model: Path, output: Path, count: int, seed: int, out: Output) -> None:
    """Make pictures with MODEL: a sheet with their seeds, or a folder of PNGs.

    You can distil a concept from such a folder: e2gan distill TEACHER --data OUT.
    """
    from e2gan.files import atomic_path
    from e2gan_ssd.sampling import draw_grid, pictures, read_model

    trained = read_model(model)
    seeds = range(seed, seed + count)
    if output.suffix.lower() == ".png":
        draw_grid(pictures(trained, seeds), output, titles=[str(number) for number in seeds])
    else:
        for number, picture in zip(seeds, pictures(trained, seeds), strict=True):
            with atomic_path(output / f"{number:06}.png") as temporary:
                picture.save(temporary)
    out.note(f"wrote {output}")


@ssd.command(cls=Command, examples=["ssd interpolate dogs/ -o between.gif"])
@model_argument
@click.option(
    "-o", "--output", type=anything, required=True, metavar="OUT", help="A sheet or an animation: .png or .gif."
)
@click.option("--seed", "seeds", type=click.IntRange(0), multiple=True, metavar="SEED", help="Where to begin.")
@click.option("--minus", type=click.IntRange(0), multiple=True, metavar="SEED", help="A picture to lead away from.")
@click.option("--plus", type=click.IntRange(0), multiple=True, metavar="SEED", help="A picture to lead to.")
@click.option("--steps", type=click.IntRange(2, 200), default=9, show_default=True)
@output_options(json=False)
def interpolate(
    model: Path,
    output: Path,
    seeds: tuple[int, ...],
    minus: tuple[int, ...],
    plus: tuple[int, ...],
    steps: int,
    out: Output,
) -> None:
    """Show how one picture of MODEL turns into another: from each --seed to the next.

    For --minus and --plus, pick seeds from a sheet of samples that differ in one property: each --seed then begins a
    row that changes this property from the first to the second.
    """
    from e2gan_ssd.sampling import direction, draw_gif, draw_grid, latents, path_between, read_model, render

    if output.suffix.lower() not in (".png", ".gif"):
        raise click.UsageError("OUT must end in .png for a sheet, or in .gif for an animation.")
    trained = read_model(model)
    if minus or plus:
        starts = latents(seeds or (0,))
        ends = starts + direction(plus, minus)
    else:
        if len(seeds) == 1:
            raise click.UsageError("a single --seed is not enough: give another, or --minus and --plus.")
        stops = latents(seeds or (0, 1, 2, 3))
        starts, ends = stops[:-1], stops[1:]
    rows = [render(trained, path_between(a, b, steps)) for a, b in zip(starts, ends)]
    if output.suffix.lower() == ".gif":
        draw_gif(rows, output)
    else:
        draw_grid([picture for row in rows for picture in row], output, columns=steps)
    out.note(f"wrote {output}")


@ssd.command("eval", cls=Command, examples=["ssd eval dogs/ --data photos/"])
@model_argument
@click.option("--data", type=folder, required=True, metavar="DIR", help="The photos to compare with.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first picture.")
@click.option("--inception", type=anything, metavar="FILE", help="clean-FID's Inception network.")
@output_options()
def evaluate(model: Path, data: Path, seed: int, inception: Path | None, out: Output) -> None:
    """Measure MODEL against a folder of photos: FID, clean-FID and clean-KID, on as many pictures as photos."""
    with needs_extra("eval"), out.progress() as progress:
        from e2gan_ssd.measuring import measure
        from e2gan_ssd.sampling import read_model
        from e2gan_ssd.training import read_photos

        trained = read_model(model)
        figures = measure(trained, read_photos(data, progress), seed=seed, inception=inception).to_dict()
    out.data(figures)
    out.figures(figures)
