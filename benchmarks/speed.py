"""The generator's speed at 256×256, against pix2pix's nine-block generator and against the machine's own limit.

Both have random weights, which cost the same as trained ones, and run as in the editor: the last layer in float32, all
others in the measured type.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.measuring import Figure, interleaved, matmul_rate, parser, ratio, report, script
from e2gan.evaluation.cost import macs
from e2gan.models.edit import Edit
from e2gan.models.generator import Generator
from e2gan.models.layout import GeneratorConfig
from e2gan.models.look import Look
from e2gan_baselines.pix2pix import Pix2Pix

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TOKENS = 16
"""Length of the prompt; it hardly matters."""


def measure(
    config: GeneratorConfig | None = None,
    *,
    size: int = 256,
    rounds: int = 15,
    matrix: int = 2048,
    device: str = "cpu",
) -> list[Figure]:
    """The figures: of both generators for each type, and their ratio, which must be at least 1.7.

    config: the generator's; pix2pix gets the same width.  size: of the picture, in pixels.  matrix: side of the
    matrices whose product defines the machine's limit.
    """
    config = config or GeneratorConfig()
    where = torch.device(device)
    torch.manual_seed(0)
    x, prompt = torch.rand(1, 3, size, size) * 2 - 1, torch.randn(1, TOKENS, config.prompt_dim)
    models: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "pix2pix": (Pix2Pix(config.width).eval(), (x,)),
        "e2gan": (Generator(config).eval(), (x, prompt)),
    }
    work = {name: macs(model, *inputs) for name, (model, inputs) in models.items()}
    figures = []
    for name, (model, _) in models.items():
        figures += [
            Figure(f"{name} parameters", sum(p.numel() for p in model.parameters()) / 1e6, "M"),
            Figure(f"{name} multiply-accumulates", work[name] / 1e9, "G"),
        ]
    for type_name, dtype in DTYPES.items():
        jobs = {}
        for name, (model, _) in models.items():
            jobs[name] = partial(run, edit_by(model, dtype, where), x.to(where, dtype), Look(prompt.to(where, dtype)))
        seconds = interleaved(jobs, rounds)
        peak = matmul_rate(dtype, where, matrix)
        figures.append(Figure(f"{type_name} matrix product, {matrix}²", peak / 1e9, "GFLOP/s"))
        for name in models:
            figures += [
                Figure(f"{type_name} {name}", 1000 * median(seconds[name]), "ms"),
                Figure(
                    f"{type_name} {name}, share of the matrix product's rate", _share(work[name], seconds[name], peak)
                ),
            ]
        figures.append(
            Figure(f"{type_name} e2gan against pix2pix", ratio(seconds["pix2pix"], seconds["e2gan"]), "×", at_least=1.7)
        )
    return figures


def edit_by(model: nn.Module, dtype: torch.dtype, where: torch.device) -> Edit:
    """An edit by a generator as the editor runs it: the last layer in float32, all others in ``dtype``."""
    for name, child in model.named_children():
        child.to(where, dtype if name != "conv_out" else torch.float32)
    if isinstance(model, Generator) and where.type == "cpu":
        model.work_in_place()
    return Edit(model, at_once=where.type == "cpu")


@torch.inference_mode()
def run(edit: Edit, photo: Tensor, look: Look) -> Tensor:
    output: Tensor = edit(photo, look)
    return output


def _share(work: int, seconds: Sequence[float], peak: float) -> float:
    return 2 * work / median(seconds) / peak


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser(__doc__)
    command.add_argument("--device", default="cpu")
    options = command.parse_args(arguments)
    report({"speed": measure(device=options.device)}, options.output)


if __name__ == "__main__":
    script(main)
