"""Searching: what is found, and what the index makes of what strangers write on their cards."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2gan.errors import E2GANError
from e2gan_hub import index
from e2gan_hub.devserver import Forge, HubServer, Status
from e2gan_hub.index import Entry, entry_of, index_path, search, write_index
from tests.hub.bundles import Push, Run

CARD = """---
license: {license}
library_name: e2gan
tags: [e2gan, e2gan-concept, lora, {tag}]
base_model: alice/tiny
instance_prompt: {prompt}
model-index:
- name: {title}
  results:
  - task: {{type: image-to-image}}
    dataset: {{type: photographs, name: photographs}}
    metrics: [{{type: l1, value: 0.1}}, {{type: fid, value: {fid}}}, {{type: fid, value: 1}}]
---
"""


def put(hub: HubServer, repo: str, *, downloads: int = 0, **card: Any) -> None:
    filled = {"license": "apache-2.0", "tag": "x", "prompt": "in oil", "title": repo.split("/")[1], "fid": 99.0, **card}
    hub.put(repo, {"README.md": CARD.format(**filled).encode()}, downloads=downloads)


@pytest.fixture
def filled(hub: HubServer) -> HubServer:
    put(hub, "alice/dusk", downloads=5, tag="evening", prompt="a sky at dusk", title="Dusk", fid=70.0)
    put(hub, "bob/van-gogh", downloads=50, license="mit", prompt="as van Gogh would", title="Van Gogh", fid=60.5)
    put(hub, "bob/ukiyo-e", downloads=20, title="Ukiyo-e 100%", fid=80.0)
    hub.put("bob/llm", {"README.md": b"---\ntags: [text]\n---\n"}, downloads=900)
    return hub


def found(run: Run, *words: str) -> list[str]:
    result = run("search", *words, "--json")
    assert result.exit_code == 0, result.stderr
    return [entry["repo"] for entry in json.loads(result.stdout)]


class TestFound:
    @pytest.mark.parametrize(
        ("words", "repos"),
        [
            ((), ["bob/van-gogh", "bob/ukiyo-e", "alice/dusk"]),
            (("gogh",), ["bob/van-gogh"]),
            (("GOGH", "van"), ["bob/van-gogh"]),
            (("sky",), ["alice/dusk"]),
            (("100%",), ["bob/ukiyo-e"]),
            (("d_sk",), []),
            (("gogh", "sky"), []),
            (("'; DROP TABLE concepts; --",), []),
            (("--author", "bob"), ["bob/van-gogh", "bob/ukiyo-e"]),
            (("--author", "bo"), []),
            (("--license", "MIT"), ["bob/van-gogh"]),
            (("--tag", "evening"), ["alice/dusk"]),
            (("--tag", "even"), []),
            (("--tag", "lora", "--tag", "evening"), ["alice/dusk"]),
            (("--base", "alice/tiny", "--limit", "1"), ["bob/van-gogh"]),
            (("--base", "alice/other"), []),
            (("--sort", "fid"), ["bob/van-gogh", "alice/dusk", "bob/ukiyo-e"]),
        ],
    )
    def test_by(self, filled: HubServer, run: Run, words: tuple[str, ...], repos: list[str]) -> None:
        assert found(run, *words) == repos

    def test_as_a_table(self, filled: HubServer, run: Run) -> None:
        lines = run("search", "dusk").stdout.splitlines()
        assert lines[0].split() == ["REPOSITORY", "TITLE", "LICENSE", "DOWNLOADS", "FID"]
        assert lines[1].split() == ["alice/dusk", "Dusk", "apache-2.0", "5", "70"]

    def test_what_was_pushed(self, hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
        push(dusk)
        (entry,) = json.loads(run("search", "--json").stdout)
        assert (entry["title"], entry["prompt"], entry["base"]) == ("Dusk", "in the style of dusk", "alice/tiny")
        assert (entry["license"], entry["fid"]) == ("apache-2.0", 63.17)


class TestIndex:
    def test_a_day(self, filled: HubServer, run: Run) -> None:
        found(run)
        put(filled, "alice/new")
        filled.requests.clear()
        assert "alice/new" not in found(run)
        assert list(filled.requests) == []
        yesterday = time.time() - 25 * 3600
        os.utime(index_path(), (yesterday, yesterday))
        assert "alice/new" not in found(run, "--offline")
        assert "alice/new" in found(run)

    def test_anew_on_demand(self, filled: HubServer, run: Run) -> None:
        found(run)
        put(filled, "alice/new")
        assert "alice/new" in found(run, "--refresh")

    def test_the_last_one_where_the_hub_is_gone(self, filled: HubServer, run: Run) -> None:
        before = found(run)
        os.utime(index_path(), (0, 0))
        filled.stop()
        result = run("search", "--json")
        assert [entry["repo"] for entry in json.loads(result.stdout)] == before
        assert "searching the earlier list" in result.stderr
        assert run("search", "--refresh").exit_code == 1

    def test_none(self, hub: HubServer, run: Run) -> None:
        hub.stop()
        result = run("search", "--offline")
        assert result.exit_code == 1
        assert "there is no list of concepts yet" in result.stderr
        assert run("search").exit_code == 1

    def test_a_failed_refresh_leaves_the_last(self, filled: HubServer, run: Run) -> None:
        before = found(run)
        filled.faults.add("GET", "/api/models", Status(400))
        assert run("search", "--refresh").exit_code == 1
        assert found(run, "--offline") == before

    @pytest.mark.parametrize("answer", [{}, [7], [{"id": 3}], "x", None], ids=str)
    def test_an_answer_without_sense(self, filled: HubServer, run: Run, answer: object) -> None:
        before = found(run)
        filled.faults.add("GET", "/api/models", Forge(lambda told: answer))
        result = run("search", "--refresh")
        assert result.exit_code in (0, 1)
        assert found(run, "--offline") in (before, [])

    def test_several_pages(self, filled: HubServer, run: Run) -> None:
        filled.state.page = 2
        assert len(found(run)) == 3


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_any_file_is_an_index_or_one_error(content: bytes) -> None:
    index_path().parent.mkdir(parents=True, exist_ok=True)
    index_path().write_bytes(content)
    with pytest.raises(E2GANError, match="cannot be read"):
        search()


def test_an_index_of_another_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    write_index([])
    assert search() == []
    monkeypatch.setattr(index, "SCHEMA", index.SCHEMA + 1)
    with pytest.raises(E2GANError) as caught:
        search()
    assert caught.value.hint == "e2gan search --refresh"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(["id", "tags", "downloads", "cardData"])
METRIC = st.fixed_dictionaries({"type": st.just("fid") | ANY, "value": ANY}) | ANY
RESULT = st.fixed_dictionaries({"metrics": st.lists(METRIC, max_size=2) | ANY}) | ANY
MODEL = st.fixed_dictionaries({"name": ANY, "results": st.lists(RESULT, max_size=2) | ANY}) | ANY


@settings(max_examples=50)
@given(st.dictionaries(KEYS, ANY), st.lists(MODEL, max_size=2) | ANY)
def test_any_card_is_an_entry_or_left_out(model: dict[str, Any], card: Any) -> None:
    model = {"id": "alice/dusk", "cardData": {"model-index": card}, **model}
    entry = entry_of(model)
    if entry is None:
        return
    for value in (entry.repo, entry.title, entry.prompt, entry.license, entry.base, entry.tags):
        assert value.isprintable()
    write_index([entry])
    assert search() == [entry]


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=10)


@settings(max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS)
def test_what_is_there_is_found(words: list[str], other: str) -> None:
    entry = Entry("alice/dusk", " ".join(words), "", "mit", "", " lora ", 1, None)
    write_index([entry])
    for word in words:
        assert search(word) == [entry]
    assert search(other, tags=[other]) == ([entry] if other.lower() == "lora" else [])
