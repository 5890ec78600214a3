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
    """The method, and its differences from the paper beyond the scale."""
    run: str
    """``module:function`` in this package; called with the `Lab`, it returns `e2gan_reproduce.compare.Findings`."""
    subjects: tuple[str, ...] = ("vangogh", "impressionism")
    """The default concepts: those in the paper's table, as far as they are shipped."""
    edits: bool = True
    """Whether the table uses concepts at all."""


SCRATCH = (
    "Trained from fresh weights on all pairs of a concept, with the losses of the concept's recipe in place of the "
    "paper's L1 and GAN alone."
)
ADAPTERS = "Adapters on the shipped base, as each concept's recipe trains them."
BASES = "Bases are trained on candidates of the shipped base's recipe, and an adapter for each concept on each of them."

TABLES = (
    Entry(
        "tab1",
        "Table 1: size, speed and training time",
        "Parameters and operations are counted. Latency is one picture of 256² on this machine, in full precision; the "
        "paper's is an iPhone 14 Pro's. Training time is the time of a step here times the steps that the paper's "
        "epochs make of 800 pairs (E²GAN: of 400); the paper's is an H100's.",
        "systems:tab1",
        ("vangogh",),
    ),
    Entry(
        "tab3",
        "Table 3: E²GAN, pix2pix and Co-Mod-GAN",
        "E²GAN trains an adapter on 400 selected pairs, the others train from fresh weights on all 800. At the small "
        "scale each of the others is given 14 times the operations of the adapter's training, the paper's ratio for "
        "pix2pix; of Co-Mod-GAN that is a handful of steps, which says nothing of what it can learn.",
        "systems:tab3",
    ),
    Entry(
        "afhq",
        "AFHQ: E²GAN, pix2pix and Co-Mod-GAN",
        "As Table 3, on concepts of yours for AFHQ (e2gan import afhq): the paper's are fox, ocelot, Van "
        "Gogh, charcoal "
        "and pop art.",
        "systems:afhq",
        (),
    ),
    Entry(
        "paired",
        "Paired benchmarks: Facades and edges→shoes",
        "As Table 3, on concepts whose pairs are given (e2gan import facades …). Cityscapes, which the paper scores by "
        "what a segmentation network sees: e2gan eval --miou.",
        "systems:paired",
        (),
    ),
    Entry(
        "horse2zebra",
        "Horse→zebra",
        "A concept of yours on e2gan import horse2zebra, whose FID is taken to the set's real zebras and not to a "
        "teacher's pictures. The other systems, which are trained without pairs, are not run.",
        "systems:horse2zebra",
        (),
    ),
    Entry(
        "atml",
        "The reproduction report: its model, and E²GAN",
        "The report's generator on all pairs with its own training, its ResNet50 stem random where no file "
        "is given; the "
        "paper's column for it is the report's mean over Van Gogh and Blond, and for E²GAN the paper's own "
        "of the same two. "
        "At the small scale it has 14 times the operations of the adapter's training.",
        "systems:atml",
    ),
    Entry(
        "fig2",
        "Figure 2: how many transformer blocks, and where",
        f"{SCRATCH} The paper plots this; its choice, one block after the second residual block, is taken as "
        "its claim.",
        "ablations:fig2",
        ("vangogh",),
    ),
    Entry(
        "fig4",
        "Figure 4: what may stay frozen",
        "The base's generator is fine-tuned on a concept's selected pairs, whole or with a part of it frozen.",
        "ablations:fig4",
    ),
    Entry(
        "tab4",
        "Table 4: which concepts the base is trained on",
        f"{BASES} Chosen: one a cluster of the candidates' mean image embeddings; random: as many by lot; "
        "art: all that "
        "are painted or drawn; single: one.",
        "bases:tab4",
    ),
    Entry(
        "tab5",
        "Table 5: ranks of the adapter",
        f"{ADAPTERS} The searched ranks are the paper's; random ones are drawn to give 0.100M parameters.",
        "ablations:tab5",
        ("vangogh", "impressionism", "ukiyoe"),
    ),
    Entry(
        "fig6",
        "Figure 6: what training costs",
        "As multiples of E²GAN's. Operations are counted for the paper's epochs at 256², time is that of Table 1. "
        "E²GAN's own losses here look through VGG16, which the paper's do not: a row without them stands beside it.",
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
        f"{ADAPTERS} The paper plots this; that clusters are no worse at each number is taken as its claim.",
        "ablations:fig7",
    ),
    Entry("tab10", "Table 10: sampling around the transformer block", SCRATCH, "ablations:tab10"),
    Entry(
        "tab11",
        "Table 11: pix2pix with pre-training",
        "pix2pix from fresh weights; pix2pix first trained on the concepts of the chosen base together; "
        "E²GAN's adapter.",
        "bases:tab11",
        ("vangogh",),
    ),
    Entry(
        "tab12",
        "Table 12: an auto-encoder as the base",
        f"{BASES} The auto-encoder learns to give back the photograph, as long as the chosen base learns its concepts.",
        "bases:tab12",
    ),
    Entry(
        "tab13",
        "Table 13: without cross-attention",
        f"{BASES} Without: base and adapter see one token of zeros in place of the prompt, whose values are then zero, "
        "since the projection has no bias, so that cross-attention adds a constant.",
        "bases:tab13",
    ),
    Entry(
        "tab14",
        "Table 14: 100 or 200 epochs",
        f"{ADAPTERS} At the small scale: so many steps, and twice as many.",
        "ablations:tab14",
        ("dusk", "impressionism"),
    ),
    Entry(
        "ssd1",
        "Spectral Style-DCGAN, Table 1: how much data",
        "Trained on shares of the photographs; as many pictures made as there are photographs. Kept is the generator "
        "of the lowest validation loss, as in the paper; that of the last epoch stands beside it.",
        "photographs:ssd1",
        (),
        edits=False,
    ),
    Entry(
        "ssd2",
        "Spectral Style-DCGAN, Table 2: against DCGAN, and its ablations",
        "On all photographs. StyleGAN, the paper's third, is not run.",
        "photographs:ssd2",
        (),
        edits=False,
    ),
    Entry(
        "base-size",
        "Open: how many concepts a base needs",
        f"{BASES} All bases are trained for as many steps, so each concept has the fewer of them the more there are.",
        "bases:base_size",
    ),
    Entry(
        "tuning",
        "Open: other parameter-efficient tunings",
        "What peft has for convolutions, most at a size near LoRA's, on the crucial layers that it supports: none has "
        "transposed convolutions, so LoRA stands there with and without them. All crucial weights: what an adapter's "
        "smallness costs; trained at the paper's rate of 2e-4, the others at the recipe's.",
        "ablations:tuning",
    ),
    Entry(
        "teachers",
        "Open: which bundled teacher distils best",
        "An adapter for the look of each bundled teacher. The figure is FID to the teacher's pictures as a "
        "share of the "
        "unedited photographs', since the teachers' pictures differ.",
        "ablations:teachers",
        ("vangogh",),
    ),
)

BY_ID = {entry.id: entry for entry in TABLES}
