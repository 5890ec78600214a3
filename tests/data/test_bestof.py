"""Several teachers: of each photo's edits the best is kept, by what CLIP or an embedder sees in them."""

import functools
import json
import shutil
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from e2gan.data import bestof
from e2gan.data.folders import METADATA
from e2gan.data.make_pairs import write_pairs
from e2gan.data.pairs import REJECTED, Pairs
from e2gan.errors import E2GANError
from e2gan.recipe import BestOf, Framing, Recipe, Rejection, TeacherChoice
from tests import throwaway
from tests.data.test_reject import PHOTOS


class Corners:
    """An embedder: the picture, 4×4."""

    seen = 0

    def __call__(self, pictures):
        Corners.seen += len(pictures)
        return np.stack([np.asarray(p.resize((4, 4)), np.float32).ravel() for p in pictures])


def bright(photo: Image.Image) -> Image.Image:
    return Image.blend(photo, Image.new("RGB", photo.size, "white"), 0.5)


class Bright:
    """Makes photos bright, but does something else with those of which the first pixel says so."""

    def __init__(self, fails_on: int, how: str = "nothing") -> None:
        self.fails_on, self.how = fails_on, how

    def __call__(self, photo: Image.Image) -> Image.Image:
        if self.fails_on not in (photo.getpixel((2, 2))[2] // 64, 9):
            return bright(photo)
        if self.how == "failure":
            raise RuntimeError("no luck")
        if self.how == "dim":
            return photo.point(lambda v: v // 2)
        return photo if self.how == "nothing" else Image.new("RGB", photo.size, "black")


def install(bright) -> None:
    throwaway.offer(teachers={"bright": bright}, embedders={"efficientnet-lite0": Corners})


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    # The core's own embedders among them.
    monkeypatch.setattr("e2gan.plugins.DEFAULT_PLUGINS", ())
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
    install(Bright)
    # Whatever this computer has: no CLIP.
    monkeypatch.setattr(bestof, "_is_here", lambda model, revision: False)
    Corners.seen = 0


@pytest.fixture
def photos(tmp_path):
    """Twelve; of the first four the first pixel says 0, of the next four 1, and so on."""
    folder = tmp_path / "photos" / "train"
    folder.mkdir(parents=True)
    for number in range(12):
        photo = PHOTOS[number].copy()
        photo.paste((0, 0, 30 + 64 * (number // 4)), (0, 0, 8, 8))
        photo.save(folder / f"{number:02}.png")
    return tmp_path / "photos"


def recipe(*teachers: dict, **more) -> Recipe:
    return Recipe(tuple(TeacherChoice("bright", options) for options in teachers), **more)


def make(photos, out, recipe, **more):
    return write_pairs(photos, out, replace(recipe, pictures=Framing(64)), workers=1, **more)


def chosen(out) -> dict[str, dict]:
    rows = [json.loads(line) for line in (out / "train" / METADATA).read_text().splitlines()]
    return {row["source"].removeprefix("train/"): row for row in rows}


def left_out(out) -> list[dict]:
    return [json.loads(line) for line in (out / REJECTED).read_text().splitlines()]


@pytest.mark.parametrize("how", ["nothing", "dim", "black"])
def test_where_one_teacher_fails_the_others_edit_is_kept(photos, tmp_path, how):
    report = make(photos, tmp_path / "pairs", recipe({"fails_on": 0, "how": how}, {"fails_on": 1, "how": how}))
    rows = chosen(tmp_path / "pairs")
    assert len(rows) == 12
    fails_on = {name: json.loads(row["teacher_options"])["fails_on"] for name, row in rows.items()}
    assert [fails_on[f"{n:02}.png"] for n in range(8)] == [1] * 4 + [0] * 4
    # On the last four both are right, and alike: the recipe's first is taken.
    assert [fails_on[f"{n:02}.png"] for n in range(8, 12)] == [0] * 4
    assert list(report.teachers.values()) == [8, 4]
    assert report.judge == "efficientnet-lite0"
    assert not report.rejected  # none is bad in itself
    rest = left_out(tmp_path / "pairs")
    assert [row["reason"] for row in rest] == ["not the best"] * 12
    assert all(-1 <= row["score"] <= 1 for row in (*rest, *rows.values()))
    assert all(rows[row["source"].removeprefix("train/")]["score"] >= row["score"] for row in rest)
    for pair in Pairs.open(tmp_path / "pairs").split("train"):
        wanted = np.asarray(bright(Image.open(pair.input).convert("RGB")), float)
        assert np.abs(np.asarray(Image.open(pair.output), float) - wanted).mean() < 8


def test_rejected_edits_do_not_compete(photos, tmp_path):
    both = recipe({"fails_on": 0}, {"fails_on": 0, "how": "black"}, rejection=Rejection())
    report = make(photos, tmp_path / "pairs", both)
    assert dict(report.rejected) == {"broken": 4, "unchanged": 4}
    assert sorted(chosen(tmp_path / "pairs")) == [f"{n:02}.png" for n in range(4, 12)]
    assert dict(report.skipped) == {}


def test_where_a_teacher_makes_no_edit_the_others_is_kept(photos, tmp_path):
    report = make(photos, tmp_path / "pairs", recipe({"fails_on": 0, "how": "failure"}, {"fails_on": 9}))
    assert not report.skipped
    assert len(chosen(tmp_path / "pairs")) == 12
    failing = recipe({"fails_on": 0, "how": "failure"}, {"fails_on": 0, "how": "failure", "id": 1})
    install(functools.partial(_two, Bright))
    report = make(photos, tmp_path / "fewer", failing)
    assert sorted(report.skipped) == [f"train/{n:02}.png" for n in range(4)]


def _two(make, id=0, **options):
    return make(**options)


def test_the_same_again_makes_and_compares_nothing(photos, tmp_path):
    both = recipe({"fails_on": 0}, {"fails_on": 1})
    make(photos, tmp_path / "pairs", both)
    before = {p: p.read_bytes() for p in (tmp_path / "pairs").rglob("*") if p.is_file()}
    assert Corners.seen == 12 + 24  # each photo once
    report = make(photos, tmp_path / "pairs", both)
    assert (report.made, report.kept, Corners.seen) == (0, 24, 36)
    assert {p: p.read_bytes() for p in (tmp_path / "pairs").rglob("*") if p.is_file()} == before
    # One photo less can change any of the scores.
    (photos / "train/00.png").unlink()
    make(photos, tmp_path / "pairs", both)
    assert Corners.seen == 36 + 11 + 22


def test_a_teacher_less_leaves_nothing_of_it(photos, tmp_path):
    make(photos, tmp_path / "pairs", recipe({"fails_on": 0}, {"fails_on": 1}))
    report = make(photos, tmp_path / "pairs", recipe({"fails_on": 1}))
    assert (report.made, report.judge) == (0, "")
    make(photos, tmp_path / "fresh", recipe({"fails_on": 1}))
    files = [
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in (tmp_path / "pairs", tmp_path / "fresh")
    ]
    assert files[0] == files[1]


def test_a_wrong_way_is_no_better_for_losing_the_photo(tmp_path):
    """Steps along the direction count less without structure; steps against it do not count more."""
    for name, value in {"photo": 100, "up": 200, "down": 0}.items():
        Image.new("RGB", (8, 8), (value,) * 3).save(tmp_path / f"{name}.png")
    judge = types.SimpleNamespace(name="", embed=Corners(), direction=lambda steps: np.ones(steps.shape[1]))
    photo, up, down = (tmp_path / f"{name}.png" for name in ("photo", "up", "down"))
    found = bestof.scores(judge, [photo] * 5, [up, up, up, down, down], [1, 0.2, 0.05, 1, 0])
    assert found.tolist() == pytest.approx([1, 1, 0.25, -1, -1])
    assert bestof.scores(judge, [photo], [photo], [1]).tolist() == [0]
    assert [bestof.best(row) for row in ([0, 0], [0.1, 0.2], [-1, -0.5])] == [0, 1, 1]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny CLIP with random weights, saved as the Hub would have it."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": len(vocabulary), "bos_token_id": 0, "eos_token_id": 1, "projection_dim": 8},
        vision_config={**small, "patch_size": 32, "projection_dim": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    return folder


def test_clip_judges_where_it_is(clip, photos, tmp_path, monkeypatch):
    monkeypatch.undo()
    both = recipe({"fails_on": 0, "how": "dim"}, {"fails_on": 1, "how": "dim"}, best_of=BestOf(str(clip)))
    report = make(photos, tmp_path / "pairs", both, prompt="a bright day")
    assert report.judge == f"CLIP {clip}"
    # Its scores are the directional similarity, computed here from the model itself.
    import torch
    from transformers import CLIPModel, CLIPTokenizer

    model, tokenizer = CLIPModel.from_pretrained(clip).eval(), CLIPTokenizer.from_pretrained(clip)
    embed = bestof.ClipImage(str(clip), "main")
    with torch.inference_mode():
        texts = [
            model.text_projection(model.text_model(**tokenizer(text, return_tensors="pt")).pooler_output)[0].numpy()
            for text in ("a photo", "a bright day")
        ]
    step = texts[1] / np.linalg.norm(texts[1]) - texts[0] / np.linalg.norm(texts[0])
    rows = chosen(tmp_path / "pairs")
    assert len(rows) == 12
    for row in rows.values():
        names = (row["input_file_name"], row["output_file_name"])
        before, after = embed([Image.open(tmp_path / "pairs/train" / name) for name in names])
        cosine = float((after - before) @ step / np.linalg.norm(after - before) / np.linalg.norm(step))
        kept = min(1, row["structure"] / bestof.ENOUGH)
        assert row["score"] == pytest.approx(cosine * kept if cosine > 0 else cosine, abs=1e-3)


def test_without_a_prompt_or_the_model_the_embedder_judges(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.undo()
    assert bestof.find_judge(BestOf(str(clip), "main"), "").name == "efficientnet-lite0"
    for elsewhere in ("nobody/nothing", str(tmp_path / "gone"), "~/no such folder"):
        assert bestof.find_judge(BestOf(elsewhere, "main"), "a bright day").name == "efficientnet-lite0"
    assert bestof.find_judge(BestOf(str(clip), "main"), "a bright day").name == f"CLIP {clip}"


def test_a_clip_of_which_only_a_part_was_downloaded_does_not_judge(clip, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # so that it would be downloaded
    commit = "0" * 40
    snapshot = tmp_path / "models--some--clip" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for done, name in enumerate(("config.json", "tokenizer.json", "tokenizer_config.json")):
        shutil.copy(clip / name, snapshot)
        judge = bestof.find_judge(BestOf("some/clip", commit), "a bright day")
        assert judge.name == "efficientnet-lite0", done
    for file in clip.iterdir():
        shutil.copy(file, snapshot)
    assert bestof.find_judge(BestOf("some/clip", commit), "a bright day").name == "CLIP some/clip"


def test_a_folder_that_is_no_clip_is_one_error(photos, tmp_path, monkeypatch):
    monkeypatch.undo()
    (tmp_path / "empty").mkdir()
    both = recipe({"fails_on": 0}, {"fails_on": 1}, best_of=BestOf(str(tmp_path / "empty"), "main"))
    with pytest.raises(E2GANError, match=r"the CLIP model '.*empty'"):
        make(photos, tmp_path / "pairs", both, prompt="a bright day")
