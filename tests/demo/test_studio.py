"""What the page asks for: photos kept and deleted, edits that are each their own, requests of any kind survived."""

from __future__ import annotations

import base64
import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from e2gan.errors import E2GANError, ImageError
from e2gan.images import save_image
from e2gan_demo.limits import COSTS, Buckets
from e2gan_demo.page import for_strangers
from e2gan_demo.photos import Photo, Photos
from e2gan_demo.studio import FORMATS, Studio, answering, data_url
from tests.demo.serving import Served, png

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)

names = st.sampled_from(["dusk", "dawn", "/etc", "hub:alice/dusk", "", "../dusk"]) | st.text(max_size=8)

requests = st.fixed_dictionaries(
    {},
    optional={
        "photo": st.sampled_from(["aitzgorri", "portrait", "", "x"]) | json_values,
        "frame": st.just("data:image/jpeg;base64,") | st.text(max_size=40) | json_values,
        "concepts": st.dictionaries(names, st.floats(-1, 2) | json_values, max_size=3) | json_values,
        "size": st.sampled_from([384, 512, None, 10**9, 1]) | json_values,
        "strength": json_values,
        "format": st.sampled_from([*FORMATS, "gif", "../x"]) | json_values,
    },
)


@pytest.fixture(scope="session")
def studio(served: Served) -> Studio:
    return served.studio


def photo_in(studio: Studio, folder: Path, seed: int = 0, session: str = "page") -> str:
    path = folder / f"{seed}.png"
    path.write_bytes(png(64, 48, seed))
    return str(studio.open(path, session)["photo"])


class TestEdits:
    def test_each_of_many_is_its_own(self, studio: Studio, served: Served, tmp_path: Path) -> None:
        """Photos, concepts and blends mixed up in one batch."""
        blends: list[dict[str, float]] = [{"dusk": 1.0}, {"dawn": 1.0}, {"dusk": 0.3, "dawn": 0.7}]
        asked = [(seed, blends[seed % 3]) for seed in range(8)]
        answers = studio.edit(
            [{"photo": photo_in(studio, tmp_path, seed), "concepts": blend, "size": 512} for seed, blend in asked]
        )
        for (seed, blend), answer in zip(asked, answers, strict=True):
            expected = served.editor.apply(png(64, 48, seed), studio.catalogue.blend(blend))
            # Photos that go through the generator together differ by rounding from one that goes alone.
            assert near(answer["picture"], data_url(expected))
            others = [other for other in answers if other is not answer]
            assert not any(near(answer["picture"], other["picture"]) for other in others)

    def test_a_fault_is_its_own(self, studio: Studio) -> None:
        good = {"photo": "aitzgorri", "concepts": {"dusk": 1}, "size": 384}
        answers = studio.edit([good, {**good, "photo": "gone"}, {**good, "concepts": {"nope": 1}}, good, 7])
        assert [("picture" in answer, "error" in answer) for answer in answers] == [
            (True, False),
            (False, True),
            (False, True),
            (True, False),
            (False, True),
        ]

    def test_a_concept_that_breaks_spoils_no_other(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        edit = studio._edit

        def breaking(photos: Any, blends: Any, *rest: Any) -> Any:
            if any(concept.id == "dawn" for blend in blends for concept in blend):
                raise E2GANError("dawn is broken")
            return edit(photos, blends, *rest)

        monkeypatch.setattr(studio, "_edit", breaking)
        good = {"photo": "aitzgorri", "concepts": {"dusk": 1}, "size": 384}
        first, second = studio.edit([good, {**good, "concepts": {"dawn": 1}}])
        assert "picture" in first
        assert second["error"] == "dawn is broken"

    def test_a_frame(self, studio: Studio, served: Served) -> None:
        frame = f"data:image/png;base64,{base64.b64encode(png(96, 64)).decode()}"
        (answer,) = studio.edit([{"frame": frame, "concepts": {"dusk": 1}}])
        assert answer["picture"] == data_url(served.editor.apply(png(96, 64), studio.catalogue.find("dusk")))

    def test_a_large_frame_is_refused(self, studio: Studio) -> None:
        frame = f"data:image/png;base64,{base64.b64encode(png(640, 8)).decode()}"
        (answer,) = studio.edit([{"frame": frame, "concepts": {"dusk": 1}}])
        assert "larger than 384 pixels" in answer["error"]

    @given(st.lists(requests | json_values, max_size=3))
    def test_any_request_is_answered(self, studio: Studio, asked: list[Any]) -> None:
        answers = studio.edit(asked)
        assert len(answers) == len(asked)
        assert all(("picture" in answer) != ("error" in answer) for answer in answers)

    @given(requests)
    def test_any_download_is_answered(self, studio: Studio, asked: Any) -> None:
        answer = answering(studio.save, asked)
        assert isinstance(answer, Path) or answer["error"]
        if isinstance(answer, Path):
            answer.unlink()


@pytest.mark.parametrize("strength", [1, 0, 0.5])
def test_a_download_is_what_apply_writes(studio: Studio, served: Served, tmp_path: Path, strength: float) -> None:
    asked = {"photo": photo_in(studio, tmp_path), "concepts": {"dusk": 1}, "strength": strength, "format": "png"}
    edit = served.editor.apply(png(64, 48), studio.catalogue.find("dusk"), float(strength))
    save_image(edit, tmp_path / "expected.png")
    assert studio.save(asked).read_bytes() == (tmp_path / "expected.png").read_bytes()


def near(one: str, other: str) -> bool:
    from tests.demo.serving import pixels

    a, b = (pixels(base64.b64decode(url.split(",")[1])) for url in (one, other))
    return a.shape == b.shape and float(abs(a - b).mean()) < 1


class TestPhotos:
    def test_go_when_they_are_not_used(self, tmp_path: Path) -> None:
        now = [0.0]
        photos = Photos(kept=10, clock=lambda: now[0])
        first, second = (photos.add(photo_at(tmp_path / name)) for name in ("a.png", "b.png"))
        now[0] = 8
        photos.get(first)
        now[0] = 15
        photos.sweep()
        assert photos.get(first).path.exists()
        assert not (tmp_path / "b.png").exists()
        with pytest.raises(ImageError, match="deleted"):
            photos.get(second)

    def test_go_with_their_page(self, tmp_path: Path) -> None:
        photos = Photos()
        mine, theirs = (photos.add(photo_at(tmp_path / name, session=name)) for name in ("me", "them"))
        photos.leave("me")
        assert not (tmp_path / "me").exists()
        with pytest.raises(ImageError):
            photos.get(mine)
        photos.get(theirs)

    def test_one_file_on_two_pages_goes_with_the_last(self, tmp_path: Path) -> None:
        photos = Photos()
        for session in ("me", "them"):
            photos.add(photo_at(tmp_path / "same.png", session=session))
        photos.leave("me")
        assert (tmp_path / "same.png").exists()
        photos.leave("them")
        assert not (tmp_path / "same.png").exists()

    def test_only_so_many_are_kept(self, tmp_path: Path) -> None:
        photos = Photos(most=3)
        kept = [photos.add(photo_at(tmp_path / f"{number}.png")) for number in range(5)]
        assert sorted(file.name for file in tmp_path.iterdir()) == ["2.png", "3.png", "4.png"]
        photos.get(kept[-1])

    def test_visitors_who_drop_many_do_not_drive_out_who_waits(self, tmp_path: Path) -> None:
        """Three who do nothing else drop some hundred photos within the minute for which another waits."""
        photos, many = Photos(), photo_at(tmp_path / "many.png", session="them")
        name = photos.add(photo_at(tmp_path / "mine.png", session="me"))
        for _ in range(1000):
            photos.add(Photo(many.path, many.size, "them"))
        assert photos.get(name).path.exists()

    def test_samples_stay(self, tmp_path: Path) -> None:
        now = [0.0]
        photos = Photos(kept=10, most=0, clock=lambda: now[0])
        photo = photo_at(tmp_path / "a.png")
        photo.kept = True
        name = photos.add(photo, "a")
        now[0] = 1e6
        photos.sweep()
        photos.leave("")
        assert photos.get(name) is photo

    def test_names_cannot_be_guessed(self, tmp_path: Path) -> None:
        photos = Photos()
        made = {photos.add(photo_at(tmp_path / f"{number}.png")) for number in range(20)}
        assert len(made) == 20
        assert min(map(len, made)) >= 20

    def test_a_bad_file_does_not_stay(self, studio: Studio, tmp_path: Path) -> None:
        path = tmp_path / "bad.png"
        path.write_bytes(b"nothing")
        with pytest.raises(ImageError):
            studio.open(path, "page")
        assert not path.exists()

    @given(st.binary(max_size=400))
    def test_any_file_is_a_photo_or_refused(self, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
        path = tmp_path_factory.getbasetemp() / "any"
        path.write_bytes(data)
        with contextlib.suppress(ImageError):
            Photo.read(path)

    def test_few_small_copies_are_in_memory_and_all_can_be_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("e2gan_demo.photos.HELD", 2)
        photos = Photos()
        names = []
        for n in range(5):
            Image.new("RGB", (900, 600), (50 * n, 0, 0)).save(tmp_path / f"{n}.png")
            names.append(photos.add(Photo.read(tmp_path / f"{n}.png")))
        for _ in range(2):
            for n, name in enumerate(names):
                small = photos.get(name).small
                assert (small.size, small.getpixel((0, 0))) == ((512, 341), (50 * n, 0, 0))
                assert sum(photo.held is not None for photo in photos.all()) <= 3  # two, and the one in use

    def test_camera_metadata_is_not_shown(self, studio: Studio, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x010E] = "a secret"
        Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=exif)
        answer = studio.open(tmp_path / "a.jpg", "page")
        assert b"secret" not in base64.b64decode(answer["picture"].split(",")[1])


def photo_at(path: Path, session: str = "") -> Photo:
    path.write_bytes(b"")
    return Photo(path, (4, 4), session, held=Image.new("RGB", (4, 4)))


class TestShown:
    def test_transparency_is_kept(self) -> None:
        picture = Image.new("RGBA", (8, 8), (255, 0, 0, 40))
        read = Image.open(io.BytesIO(base64.b64decode(data_url(picture).split(",")[1])))
        assert read.convert("RGBA").getpixel((3, 3)) == (255, 0, 0, 40)


class TestLimits:
    def test_who_asks_too_much_waits_and_nobody_else(self) -> None:
        now = [0.0]
        buckets = Buckets(rate=2, reserve=3, clock=lambda: now[0])
        assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
        assert buckets.take("b")
        now[0] = 0.5
        assert [buckets.take("a") for _ in range(2)] == [True, False]

    def test_what_costs_more_takes_more(self) -> None:
        buckets = Buckets(rate=0, reserve=10, clock=lambda: 0.0)
        assert [buckets.take("a", 5) for _ in range(3)] == [True, True, False]

    def test_a_class_may_begin_at_once(self) -> None:
        """Forty visitors with one address upload a photo, and ask for it and for an edit; others break off uploads."""
        buckets = Buckets(clock=lambda: 0.0)
        asked = [COSTS["/upload"], 1, 1] * 40 + [COSTS["/upload"]] * 15
        assert all(buckets.take("school", cost) for cost in asked)


@pytest.mark.parametrize(
    "hint, kept",
    [
        ("choose it again", True),
        (None, True),
        ("run the demo on your own machine", True),
        ("install it: pip install e2gan-hub", False),
        ("e2gan train ./dusk", False),
    ],
)
def test_strangers_are_told_nothing_about_the_hosts_commands(hint: str | None, kept: bool) -> None:
    answer = {"error": "it is not there", "hint": hint}
    assert for_strangers(answer) == (answer if kept else {**answer, "hint": None})
