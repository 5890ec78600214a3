"""The tables of Spectral Style-DCGAN, which generates photographs from noise."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

from e2gan.kept import folder_of, kept
from e2gan.progress import Progress
from e2gan_reproduce.compare import Findings
from e2gan_reproduce.lab import Lab
from e2gan_reproduce.table import Row
from e2gan_ssd.measuring import measure
from e2gan_ssd.models import Discriminator, Generator, variant
from e2gan_ssd.sampling import read_model
from e2gan_ssd.training import LAST, Settings, read_photos, train

__all__ = ["ssd1", "ssd2"]

FIGURES = "FID, clean-FID and clean-KID"

SHARES = {
    "100 %": (285.579, 274.139, 0.2054),
    "75 %": (241.581, 283.536, 0.2379),
    "50 %": (294.467, 293.038, 0.2452),
    "25 %": (319.899, 319.241, 0.2510),
}

VARIANTS = {
    "Spectral Style-DCGAN": "ssd",
    "without spectral norm": "no-spectral-norm",
    "mapping without AdaIN": "no-adain",
    "DCGAN": "dcgan",
}


def ssd1(lab: Lab) -> Findings:
    photographs = _Photographs(lab)
    rows = []
    for name, paper in SHARES.items():
        share = float(name.partition(" ")[0]) / 100
        measured, record = photographs.trained("ssd", share)
        columns = "FID", "clean-FID", "clean-KID"
        ours = dict(zip(columns, (measured["fid"], measured["clean_fid"], measured["clean_kid"]), strict=True))
        ours["FID, last epoch"] = measured["last_fid"]
        note = f"{record['photos']:,} photographs, {record['steps']:,} steps, {_kept(record)}"
        rows.append(Row(name, dict(zip(columns, paper, strict=True)), ours, note))
    return Findings(rows, figures=f"{FIGURES}, {measured['features']}")


def ssd2(lab: Lab) -> Findings:
    photographs = _Photographs(lab)
    paper = {"Spectral Style-DCGAN": (285.579, 6.574), "DCGAN": (424.512, 6.342)}
    rows = []
    for name, model in VARIANTS.items():
        measured, record = photographs.trained(model, 1.0)
        parts = variant(model)
        size = sum(p.numel() for network in (Generator(parts), Discriminator(parts)) for p in network.parameters())
        given = dict(zip(("FID", "parameters (M)"), paper.get(name, ())))
        ours = {"FID": measured["fid"], "parameters (M)": size / 1e6, "FID, last epoch": measured["last_fid"]}
        rows.append(Row(name, given, ours, f"{record['steps']:,} steps in {record['seconds']:,} s, {_kept(record)}"))
    rows.append(Row("StyleGAN", {"FID": 355.620, "parameters (M)": 47.625}, note="not run"))
    return Findings(rows, figures=f"{FIGURES}, {measured['features']}")


class _Photographs:
    """The lab's photographs at 64², and models trained on them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @cached_property
    def photos(self) -> np.ndarray:
        return read_photos(self.lab.data, self.lab.progress)

    def trained(self, model: str, share: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """A model's figures and the record of its training; it is trained and measured once."""
        lab = self.lab
        settings = Settings(model=model, share=share, seed=lab.seed, epochs=self._epochs(share))
        needs = {"settings": asdict(settings), "photos": len(self.photos)}
        folder = folder_of(lab.folder / f"ssd-{model}-{round(100 * share)}", needs)
        lab.progress.stage(f"{model}, {share:.0%} of the photographs")
        trained = read_model(train(self.photos, settings, folder, device=lab.device, progress=_bars(lab.progress)))

        def figures() -> dict[str, Any]:
            last = measure(read_model(folder / LAST), self.photos, seed=lab.seed)
            return {**measure(trained, self.photos, seed=lab.seed).to_dict(), "last_fid": last.fid}

        measured = kept(folder / "measured.json", figures)
        lab.seconds += trained.record["seconds"]
        return measured, trained.record

    def _epochs(self, share: float) -> int:
        """The paper's epochs; at a smaller scale, as many as give about its number of steps at any share."""
        if self.lab.scale.ssd_steps is None:
            return Settings.epochs
        steps = max(1, int(len(self.photos) * share) // Settings.batch_size)
        return max(1, round(self.lab.scale.ssd_steps / steps))


def _kept(record: dict[str, Any]) -> str:
    return f"epoch {record['best_epoch']} of {record['settings']['epochs']} kept"


def _bars(progress: Progress) -> Progress:
    """Progress without the inner stages, because the lab names its own."""
    return Progress(advance=progress.advance)
