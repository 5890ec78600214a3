"""The list of tables, for the help and the page; this module does not import torch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BY_ID", "TABLES", "Entry"]


@dataclass(frozen=True)
class Entry:
    """A table of a paper, or an open question."""

    id: str
    title: str
    said: str
    """The method, and how it differs from the paper's apart from the scale."""
    run: str
    """``module:function`` in this package; called with the `Lab`, it returns `e2gan_reproduce.compare.Findings`."""
    subjects: tuple[str, ...] = ("vangogh", "impressionism")
    """The default concepts: the shipped ones among those in the paper's table."""
    edits: bool = True
    """Whether the table uses concepts at all."""
    seeds: int = 1
    """Number of seeds at the small scale: three where that is a matter of minutes."""


SCRATCH = (
    "Each generator is trained from fresh weights on all pairs of a concept. The losses are those of the concept's "
    "recipe; the paper uses only L1 and GAN."
)
ADAPTERS = "Adapters are trained on the shipped base as each concept's recipe says."
BASES = (
    "Bases are trained on candidates from the shipped base's recipe, and an adapter for each concept is trained on "
    "each base."
)

TABLES = (
    Entry(
        "tab1",
        "Table 1: size, speed and training time",
        "Parameters and operations are counted. Latency is the time for one picture of 256² on this machine, in full "
        "precision; the paper measured on an iPhone 14 Pro. Training time is the time of a step here, multiplied by "
        "the number of steps in the paper's epochs over 800 pairs (E²GAN: 400); the paper measured on an H100.",
        "systems:tab1",
        ("vangogh",),
    ),
    Entry(
        "tab3",
        "Table 3: E²GAN, pix2pix and Co-Mod-GAN",
        "E²GAN trains an adapter on 400 selected pairs; the others train from fresh weights on all 800. At the small "
        "scale, each of the others gets 14 times the operations of the adapter's training, which is the paper's ratio "
        "for pix2pix. That is only a handful of Co-Mod-GAN's steps, too few to show what it can learn.",
        "systems:tab3",
    ),
    Entry(
        "afhq",
        "AFHQ: E²GAN, pix2pix and Co-Mod-GAN",
        "Like Table 3, on AFHQ's photographs (e2gan import afhq-cat …). The paper's concepts are fox, ocelot, Van "
        "Gogh, charcoal and pop art; of these only Van Gogh is shipped.",
        "systems:afhq",
        ("vangogh",),
    ),
    Entry(
        "paired",
        "Paired benchmarks: Facades and edges→shoes",
        "Like Table 3, on concepts whose pairs are given (e2gan import facades …). The paper scores Cityscapes with a "
        "segmentation network; for that, use e2gan eval --miou.",
        "systems:paired",
        (),
    ),
    Entry(
        "horse2zebra",
        "Horse→zebra",
        "Your concept for the photos from e2gan import horse2zebra. Its FID compares the edits with the set's real "
        "zebras, not with a teacher's pictures. The other systems, which are trained without pairs, are not run.",
        "systems:horse2zebra",
        ("winter",),
    ),
    Entry(
        "atml",
        "The reproduction report: its model, and E²GAN",
        "The report's generator is trained on all pairs with the report's own settings; its ResNet50 stem starts with "
        "random weights unless a file of weights is given. In the paper's column, its figure is the report's mean over "
        "Van Gogh and Blond; E²GAN's is the paper's mean over the same two. At the small scale, the report's model "
        "gets 14 times the operations of the adapter's training.",
        "systems:atml",
    ),
    Entry(
        "fig2",
        "Figure 2: how many transformer blocks, and where",
        f"{SCRATCH} The paper only plots this. We take its choice, one block after the second residual block, as its "
        "claim.",
        "ablations:fig2",
        ("vangogh",),
    ),
    Entry(
        "fig4",
        "Figure 4: what may stay frozen",
        "The base's generator is fine-tuned on a concept's selected pairs, either whole or with one part frozen.",
        "ablations:fig4",
        seeds=3,
    ),
    Entry(
        "tab4",
        "Table 4: which concepts the base is trained on",
        f"{BASES} Chosen: one candidate from each cluster of the candidates' mean image embeddings. Random: the same "
        "number, drawn at random. Art: only candidates that are painted or drawn. Single: one candidate.",
        "bases:tab4",
    ),
    Entry(
        "tab5",
        "Table 5: ranks of the adapter",
        f"{ADAPTERS} The searched ranks are the paper's. The random ranks are drawn so that they give about 0.100M "
        "parameters.",
        "ablations:tab5",
        ("vangogh", "impressionism", "ukiyoe"),
        seeds=3,
    ),
    Entry(
        "fig6",
        "Figure 6: what training costs",
        "Costs are multiples of E²GAN's. Operations are counted for the paper's epochs at 256²; times are those of "
        "Table 1. Our E²GAN trains with VGG16 losses, which the paper does not use; another row leaves them out.",
        "systems:fig6",
        ("vangogh",),
    ),
    Entry(
        "tab6",
        "Table 6: three residual blocks and a transformer block, or nine residual blocks",
        SCRATCH,
        "ablations:tab6",
    ),
    Entry(
        "fig7",
        "Figure 7: clusters or a random choice, by number of pairs",
        f"{ADAPTERS} The paper only plots this. We take as its claim that clusters are no worse at any number of "
        "pairs.",
        "ablations:fig7",
        seeds=3,
    ),
    Entry("tab10", "Table 10: sampling around the transformer block", SCRATCH, "ablations:tab10"),
    Entry(
        "tab11",
        "Table 11: pix2pix with pre-training",
        "Three trainings are compared: pix2pix from fresh weights, pix2pix pre-trained on all concepts of the chosen "
        "base, and E²GAN's adapter.",
        "bases:tab11",
        ("vangogh",),
    ),
    Entry(
        "tab12",
        "Table 12: an auto-encoder as the base",
        f"{BASES} The auto-encoder learns to reproduce the photograph and is trained as long as the chosen base.",
        "bases:tab12",
    ),
    Entry(
        "tab13",
        "Table 13: without cross-attention",
        f"{BASES} Without cross-attention, base and adapter see one token of zeros in place of the prompt. The "
        "projection has no bias, so the values of that token are zero and cross-attention adds a constant.",
        "bases:tab13",
    ),
    Entry(
        "tab14",
        "Table 14: 100 or 200 epochs",
        f"{ADAPTERS} At the small scale, the rows have the scale's number of steps and twice as many.",
        "ablations:tab14",
        ("dusk", "impressionism"),
        seeds=3,
    ),
    Entry(
        "ssd1",
        "Spectral Style-DCGAN, Table 1: how much data",
        "The model is trained on a share of the photographs, and generates as many pictures as there are photographs. "
        "As in the paper, the generator with the lowest validation loss is kept. Another column measures the generator "
        "of the last epoch.",
        "photographs:ssd1",
        (),
        edits=False,
    ),
    Entry(
        "ssd2",
        "Spectral Style-DCGAN, Table 2: against DCGAN, and its ablations",
        "The models are trained on all photographs. StyleGAN, the paper's third model, is not run.",
        "photographs:ssd2",
        (),
        edits=False,
    ),
    Entry(
        "base-size",
        "Open: how many concepts a base needs",
        f"{BASES} All bases are trained for the same number of steps, so more concepts mean fewer steps for each.",
        "bases:base_size",
    ),
    Entry(
        "tuning",
        "Open: other parameter-efficient tunings",
        "These are peft's tunings for convolutions, most of them at a size near LoRA's, on the crucial layers that "
        "peft supports. None of the others supports transposed convolutions, so LoRA has a row with them and a row "
        "without. The row of all crucial weights shows what a small adapter costs in quality. It is trained at the "
        "paper's rate of 2e-4, the other rows at the recipe's rate.",
        "ablations:tuning",
        seeds=3,
    ),
    Entry(
        "teachers",
        "Open: which bundled teacher distils best",
        "An adapter is trained for each bundled teacher. The figure is FID to the teacher's pictures, divided by the "
        "unedited photographs' FID, because the teachers' pictures differ.",
        "ablations:teachers",
        ("vangogh",),
        seeds=3,
    ),
    Entry(
        "quad",
        "Open: one quantized graph with LoRA as its inputs, or one for each concept",
        "QUAD (arXiv 2603.29535) quantizes one graph of a diffusion model, gives LoRA to it as inputs, and reports at "
        "most 6 times less memory and 4 times less latency than with a binary for each task, on phones. Here it is "
        "E²GAN's generator on this machine's processor, for 1, 10 and 50 concepts; if there are fewer, they repeat. "
        "Memory is what the process takes for them all, networks included. A switch makes another concept ready. "
        "The likeness is to the edits in float32, of the concept where it is lowest.",
        "quad:quad",
        (
            *("vangogh", "ukiyoe", "impressionism", "blueprint", "expressionism"),
            *("pale-oil", "autumn", "winter", "dusk", "old-photo"),
        ),
    ),
)

BY_ID = {entry.id: entry for entry in TABLES}
