"""The demo's "add a concept": pulled from the Hub, checked, and usable at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from e2gan.base import Base
from e2gan.concept import CONFIG, Concept, render_adapter_config
from e2gan.errors import ConceptError, E2GANError
from e2gan.plugins import registry
from e2gan_demo.catalogue import IN_RESERVE, Catalogue
from e2gan_demo.disk import KEPT
from e2gan_hub import pull, store
from e2gan_hub.devserver import HubServer
from tests.editor.tiny import write_tiny_concept
from tests.hub.bundles import Run, visible

Open = Callable[..., Catalogue]


@pytest.fixture
def open_catalogue(base: Base, tmp_path: Path) -> Open:
    numbers = itertools.count()

    def open_catalogue(public: bool = False) -> Catalogue:
        return Catalogue(base, tmp_path / f"previews-{next(numbers)}", strangers=tmp_path / "added" if public else None)

    return open_catalogue


def publish(hub: HubServer, repo: str, concept: Concept, base: Base) -> str:
    files = {name: (concept.path / name).read_bytes() for name in pull.NEEDED}
    files[CONFIG] = render_adapter_config(base.config, concept.ranks).encode()
    return hub.put(repo, files)


def test_on_ones_own_machine_it_is_installed(published: str, open_catalogue: Open) -> None:
    catalogue = open_catalogue()
    assert catalogue.cards() == []
    card = catalogue.add("alice/dusk")
    assert (card["name"], card["title"], card["preview"]) == ("dusk", "Dusk", None)
    assert card["install"] == f"e2gan pull alice/dusk@{published}"
    assert [card["name"] for card in catalogue.cards()] == ["dusk"]
    assert catalogue.find("dusk").source == f"hub:alice/dusk@{published}"
    assert list(registry().all("concept")) == ["dusk"]


def test_in_public_only_who_added_it_sees_it(published: str, open_catalogue: Open) -> None:
    catalogue = open_catalogue(public=True)
    card = catalogue.add(" alice/dusk ")
    assert card["name"] == f"hub:alice/dusk@{published}"
    assert catalogue.find(card["name"]).id == "dusk"
    assert catalogue.cards() == []
    with pytest.raises(ConceptError, match="no concept 'dusk'"):
        catalogue.find("dusk")


def test_a_name_alone_fetches_nothing(hub: HubServer, published: str, open_catalogue: Open) -> None:
    catalogue = open_catalogue()
    hub.requests.clear()
    with pytest.raises(ConceptError):
        catalogue.blend({f"hub:alice/dusk@{published}": 1})
    assert not list(hub.requests)


def test_what_is_already_there_under_that_id_stays(
    hub: HubServer, published: str, base: Base, tmp_path: Path, open_catalogue: Open
) -> None:
    catalogue = open_catalogue()
    catalogue.add("alice/dusk")
    commit = publish(hub, "bob/dusk", write_tiny_concept(tmp_path / "dusk", base, seed=7), base)
    assert catalogue.add("bob/dusk")["name"] == "hub:bob/dusk"
    assert catalogue.find("hub:bob/dusk").source == f"hub:bob/dusk@{commit}"
    # A page that is opened later offers it, too, and so has it on its contact sheet.
    assert list(open_catalogue().concepts()) == ["dusk", "hub:bob/dusk"]
    assert catalogue.find("dusk").source == f"hub:alice/dusk@{published}"


@pytest.mark.parametrize("repo", ["", "x", "../../etc", "https://example.com/a/b", None, 7, "alice/nothing", "a/b@@"])
def test_what_cannot_be_had(hub: HubServer, open_catalogue: Open, repo: object) -> None:
    with pytest.raises(E2GANError):
        open_catalogue().add(repo)


def test_a_repository_with_code_is_refused(hub: HubServer, measured: Concept, base: Base, open_catalogue: Open) -> None:
    files = {name: (measured.path / name).read_bytes() for name in pull.NEEDED}
    hub.put("bob/dusk", {**files, "setup.py": b"import os"})
    with pytest.raises(ConceptError, match=r"unexpected file 'setup\.py'"):
        open_catalogue().add("bob/dusk")
    assert not visible()


def test_one_for_another_base_is_not_offered(hub: HubServer, published: str, base: Base, tmp_path: Path) -> None:
    catalogue = Catalogue(replace(base, sha256="0" * 64), tmp_path / "previews")
    with pytest.raises(ConceptError, match="made for the base"):
        catalogue.add("alice/dusk")
    assert catalogue.cards() == []


class TestStrangers:
    """In public: bounded, and nothing of the host's."""

    @pytest.fixture
    def catalogue(self, open_catalogue: Open) -> Catalogue:
        return open_catalogue(public=True)

    @pytest.fixture
    def added(self, tmp_path: Path) -> Callable[[], list[str]]:
        """What lies on disk of all that was asked for."""
        return lambda: sorted(path.name for path in (tmp_path / "added").rglob("*") if path.is_file())

    def test_nothing_private_of_the_hosts(
        self, hub: HubServer, published: str, catalogue: Catalogue, added: Callable[[], list[str]], run: Run
    ) -> None:
        hub.repository("alice/dusk").settings.private = True
        assert run("pull", "alice/dusk").exit_code == 0  # the host may, and has it
        hub.requests.clear()
        for ref in ("alice/dusk", "alice/dusk@main", f"alice/dusk@{published}", "ALICE/dusk"):
            with pytest.raises(E2GANError, match=r"no such repository|not signed in"):
                catalogue.add(ref)
        assert not any("authorization" in each.headers for each in hub.requests)
        assert added() == []

    def test_nothing_is_installed(self, published: str, catalogue: Catalogue, machine: Path) -> None:
        catalogue.add("alice/dusk")
        assert not visible()
        assert not store.home().exists()

    def test_what_is_refused_does_not_stay(
        self, hub: HubServer, published: str, base: Base, tmp_path: Path, added: Callable[[], list[str]]
    ) -> None:
        catalogue = Catalogue(replace(base, sha256="0" * 64), tmp_path / "previews", strangers=tmp_path / "added")
        hub.put("bob/broken", {**hub_files(hub, published), "concept.toml": b"broken"})
        for ref in ("alice/dusk", "bob/broken", "bob/none"):
            with pytest.raises(E2GANError):
                catalogue.add(ref)
        assert added() == []
        assert list((tmp_path / "added").iterdir()) == []

    def test_but_was_asked_for(self, hub: HubServer, catalogue: Catalogue, published: str) -> None:
        for _ in range(int(IN_RESERVE)):
            with pytest.raises(E2GANError, match="no such repository"):
                catalogue.add("bob/none", "192.0.2.1")
        with pytest.raises(E2GANError, match="too many concepts were requested"):
            catalogue.add("alice/dusk", "192.0.2.1")
        assert catalogue.add("alice/dusk", "192.0.2.2")["title"] == "Dusk"

    def test_it_is_bounded_in_bytes(
        self,
        hub: HubServer,
        published: str,
        catalogue: Catalogue,
        added: Callable[[], list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("e2gan_demo.catalogue.MOST_ADDED", sum(map(len, hub_files(hub, published).values())))
        card = catalogue.add("alice/dusk")
        before = added()
        assert catalogue.add("alice/dusk@v1.2.0")["name"] == card["name"]
        hub.put("bob/dusk", hub_files(hub, published))
        with pytest.raises(E2GANError, match="cannot take more concepts"):
            catalogue.add("bob/dusk")
        assert added() == before
        # What nobody uses makes room.
        catalogue._added[card["name"]].used -= 2 * KEPT
        assert catalogue.add("bob/dusk")["name"].startswith("hub:bob/dusk@")
        assert added() == before
        with pytest.raises(ConceptError):
            catalogue.find(card["name"])

    def test_a_page_address_and_a_move(self, hub: HubServer, published: str, catalogue: Catalogue) -> None:
        assert catalogue.add(f"{hub.endpoint}/alice/dusk/tree/main")["name"] == f"hub:alice/dusk@{published}"
        hub.move("alice/dusk", "bob/dusk")
        with pytest.raises(E2GANError, match="moved from alice/dusk to bob/dusk"):
            catalogue.add("alice/dusk")
        assert catalogue.add("bob/dusk")["install"] == f"e2gan pull bob/dusk@{published}"


def hub_files(hub: HubServer, commit: str) -> dict[str, bytes]:
    """The files of ``alice/dusk``."""
    repository = hub.repository("alice/dusk")
    return {name: repository.content(entry) for name, entry in repository.files(commit).items() if name in pull.NEEDED}


def test_a_huge_figure_stops_no_page(published: str, open_catalogue: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = open_catalogue()
    catalogue.add("alice/dusk")
    concept = catalogue.find("dusk")
    for value in (10**400, float("inf"), -(10**400), "x", True):
        concept.quality["l1_ratio"] = value  # type: ignore[index]
        assert all(figure[0] != "Pixel by pixel" or value is True for figure in catalogue.cards()[0]["quality"])


def test_a_bundle_that_goes_while_the_page_runs(published: str, open_catalogue: Open) -> None:
    catalogue = open_catalogue()
    catalogue.add("alice/dusk")
    (catalogue.find("dusk").path / "adapter_model.safetensors").unlink()
    assert catalogue.cards() == []
