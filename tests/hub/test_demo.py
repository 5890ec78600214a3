"""The demo's "add a concept": pulled from the Hub, checked, and usable at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from e2gan.base import Base
from e2gan.concept import CONFIG, Concept, render_adapter_config
from e2gan.errors import ConceptError, E2GANError
from e2gan.plugins import registry
from e2gan_demo.catalogue import MOST_ADDED, Catalogue
from e2gan_hub import pull
from tests.editor.tiny import write_tiny_concept
from tests.hub.bundles import visible
from tests.hub_server import HubServer

Open = Callable[..., Catalogue]


@pytest.fixture
def open_catalogue(base: Base, tmp_path: Path) -> Open:
    def open_catalogue(public: bool = False) -> Catalogue:
        return Catalogue(base, tmp_path / f"previews-{public}", public=public)

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
    assert list(registry().concepts) == ["dusk"]


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
    assert catalogue.add("bob/dusk")["name"] == f"hub:bob/dusk@{commit}"
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


def test_strangers_cannot_fill_the_disk(hub: HubServer, published: str, open_catalogue: Open) -> None:
    catalogue = open_catalogue(public=True)
    card = catalogue.add("alice/dusk")
    catalogue._added.update({f"hub:a/{number}@x": catalogue.find(card["name"]) for number in range(MOST_ADDED)})
    with pytest.raises(E2GANError, match="enough"):
        catalogue.add("alice/dusk@v1.2.0")
