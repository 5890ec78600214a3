"""When things break: nothing invalid is ever visible, nothing valid is lost, and what is told is one line."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2gan_hub import store
from e2gan_hub.devserver import Answer, Break, Forge, HubServer, Packed, Slow, Status
from e2gan_hub.devserver.repositories import SYMLINK
from e2gan_hub.index import index_path
from e2gan_hub.pull import NEEDED
from tests.hub.bundles import Push, Run, kill, listed, program, visible

INFO = "/api/models/alice/dusk*"
ADAPTER = "*/adapter_model.safetensors"
STORED = "/storage/*" + ADAPTER[1:]


@pytest.fixture
def fails(run: Run) -> Callable[..., None]:
    """A pull that must fail with one line, and leave nothing that anybody could see."""

    def fails(says: str, ref: str = "alice/dusk") -> None:
        result = run("pull", ref)
        assert (result.exit_code, result.stdout) == (1, "")
        errors = [line for line in result.stderr.splitlines() if not line.startswith(("note: ", "hint: "))]
        assert len(errors) == 1 and errors[0].startswith("error: "), result.stderr
        assert says in errors[0]
        assert not visible()
        assert listed(run) == {}

    return fails


@pytest.fixture
def works(hub: HubServer, run: Run) -> Callable[[], None]:
    """The same pull without the fault."""

    def works() -> None:
        hub.faults.clear()
        result = run("pull", "alice/dusk")
        assert result.exit_code == 0, result.stderr
        assert list(listed(run)) == ["dusk"]

    return works


def until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def asked(hub: HubServer, part: str) -> bool:
    return any(part in each.path for each in hub.requests)


class TestConnection:
    def test_cut_once_it_is_asked_for_again(self, hub: HubServer, run: Run, published: str) -> None:
        hub.faults.add("GET", STORED, Break(share=0.5))
        assert run("pull", "alice/dusk").exit_code == 0

    def test_cut_at_every_tenth_and_then_gone(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None]
    ) -> None:
        for tenth in range(10):
            hub.faults.clear()
            hub.faults.add("GET", STORED, Break(share=tenth / 10))
            hub.faults.add("GET", f"*/resolve/{ADAPTER}", Status(500), skip=1, times=None)
            fails("the Hub has an internal error (500)")
        hub.requests.clear()
        works()
        assert not asked(hub, "/concept.toml")  # it was there already

    def test_no_server(self, hub: HubServer, published: str, fails: Callable[..., None]) -> None:
        hub.stop()
        fails("alice/dusk: the Hub cannot be reached")

    @pytest.mark.parametrize("path", [INFO, "/alice/dusk/resolve/*", STORED])
    @pytest.mark.parametrize("status", [500, 503])
    def test_a_fault_of_the_hubs_own(
        self,
        hub: HubServer,
        published: str,
        fails: Callable[..., None],
        works: Callable[[], None],
        path: str,
        status: int,
    ) -> None:
        hub.faults.add("GET", path, Status(status), times=None)
        fails(f"the Hub has an internal error ({status})")
        works()


class TestTooManyRequests:
    @pytest.mark.parametrize("path", [INFO, "/alice/dusk/resolve/*"])
    def test_waits_as_it_is_asked_to(self, hub: HubServer, run: Run, published: str, path: str) -> None:
        hub.faults.add("GET", path, Status(429, retry_after=0))
        assert run("pull", "alice/dusk").exit_code == 0

    @pytest.fixture
    def waited(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The seconds for which the program would have waited."""
        waited: list[float] = []
        monkeypatch.setattr("e2gan_hub.client.time.sleep", waited.append)
        return waited

    @pytest.mark.parametrize("path", [INFO, "/alice/dusk/resolve/*", STORED])
    def test_as_the_hub_says_it(self, hub: HubServer, run: Run, published: str, path: str, waited: list[float]) -> None:
        hub.faults.add("GET", path, Status(429, rate_limit=55))
        result = run("pull", "alice/dusk")
        assert result.exit_code == 0
        assert waited == [56]
        assert "note: the Hub has received too many requests; trying again in 56 s" in result.stderr

    def test_searching(self, hub: HubServer, run: Run, waited: list[float]) -> None:
        hub.faults.add("GET", "/api/models", Status(429, rate_limit=9))
        assert run("search").exit_code == 0
        assert waited == [10]

    @pytest.mark.parametrize("path", ["/api/repos/create", "*/commit/main", "*/tag/*"])
    def test_pushing(self, hub: HubServer, push: Push, dusk: Path, path: str, waited: list[float]) -> None:
        hub.faults.add("POST", path, Status(429, rate_limit=3))
        push(dusk)
        assert waited == [4]
        assert hub.repository("alice/dusk").resolve("v1.2.0")

    @pytest.mark.parametrize("fault", [Status(429, retry_after=3600), Status(429, rate_limit=3599)], ids=range(2))
    def test_not_for_an_hour(
        self,
        hub: HubServer,
        run: Run,
        published: str,
        fails: Callable[..., None],
        works: Callable[[], None],
        fault: Status,
        waited: list[float],
    ) -> None:
        hub.faults.add("GET", INFO, fault, times=None)
        fails("alice/dusk: too many requests")
        assert "hint: wait 3600 seconds" in run("pull", "alice/dusk").stderr
        assert waited == []
        works()

    def test_nor_for_ever(
        self, hub: HubServer, published: str, fails: Callable[..., None], waited: list[float]
    ) -> None:
        hub.faults.add("GET", INFO, Status(429, rate_limit=1), times=None)
        fails("alice/dusk: too many requests")
        assert waited == [2, 2]

    @pytest.mark.parametrize("seconds", ["9" * 5000, "-1", "soon", ""], ids=range(4))
    def test_a_header_without_sense(
        self, hub: HubServer, published: str, fails: Callable[..., None], seconds: str, waited: list[float]
    ) -> None:
        hub.faults.add("GET", INFO, Status(429, retry_after=seconds, rate_limit=seconds), times=None)  # type: ignore
        fails("alice/dusk")
        assert waited == []


class TestTampered:
    @pytest.mark.parametrize("path", ["/alice/dusk/resolve/*/concept.toml", STORED])
    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda body: body[:-1] + b"~", "differs from the Hub's list"),
            (lambda body: body + b"more", ""),
            (lambda body: body[:-9], ""),
            (lambda body: b"", ""),
        ],
        ids=["changed", "longer", "shorter", "empty"],
    )
    def test_a_file(
        self,
        hub: HubServer,
        published: str,
        fails: Callable[..., None],
        works: Callable[[], None],
        path: str,
        change: Callable[[bytes], bytes],
        says: str,
    ) -> None:
        hub.faults.add("GET", path, Forge(change), times=None)
        fails(says)
        works()

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            [],
            None,
            {"id": "alice/dusk", "sha": "main", "siblings": []},
            {"id": "alice/dusk", "sha": "../..", "siblings": None},
            {"id": "alice/dusk", "sha": "0" * 40, "siblings": [{}]},
            {"id": "alice/dusk", "sha": "0" * 40, "siblings": [{"rfilename": 7, "size": "big", "blobId": None}]},
            {
                "id": "alice/dusk",
                "sha": "0" * 40,
                "siblings": [{"rfilename": "concept.toml", "size": -1, "blobId": "x"}],
            },
            {"id": "alice/dusk", "sha": "0" * 40, "siblings": 3},
        ],
        ids=str,
    )
    def test_what_it_knows_of_the_repository(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None], answer: Any
    ) -> None:
        hub.faults.add("GET", INFO, Forge(lambda told: answer), times=None)
        fails("alice/dusk")
        works()

    NUMBERS = ("1e999", "-1e999", "NaN", "Infinity", "9" * 4000, "9" * 5000, "0." + "1" * 4000, "1e-999", "2" * 20)

    @pytest.mark.parametrize("number", NUMBERS, ids=range(len(NUMBERS)))
    def test_numbers_that_are_none(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None], number: str
    ) -> None:
        files = f'[{{"rfilename": "concept.toml", "size": {number}, "blobId": "x"}}]'
        body = f'{{"id": "alice/dusk", "sha": "{"0" * 40}", "siblings": {files}}}'
        hub.faults.add("GET", INFO, Packed(body.encode()), times=None)
        fails("alice/dusk")
        works()

    def test_nesting(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None]
    ) -> None:
        body = b'{"id": "alice/dusk", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        hub.faults.add("GET", INFO, Packed(body), times=None)
        fails("alice/dusk: the Hub's answer cannot be understood: it is nested too deeply")
        works()

    @pytest.mark.parametrize("path", [INFO, "/alice/dusk/resolve/*", STORED])
    def test_what_inflates_without_end(
        self,
        hub: HubServer,
        published: str,
        fails: Callable[..., None],
        works: Callable[[], None],
        path: str,
    ) -> None:
        hub.faults.add("GET", path, Packed(b" " * (64 * 1024**2)), times=None)
        fails("exceeds the")
        works()

    @pytest.mark.parametrize("body", [b"", b"\x1f\x8b", gzip.compress(b"{}")[:-3], b"plain"], ids=range(4))
    def test_what_is_not_packed_as_it_says(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None], body: bytes
    ) -> None:
        hub.faults.add("GET", INFO, Answer(body, {"Content-Encoding": "gzip"}), times=None)
        fails("alice/dusk")
        hub.faults.clear()
        hub.faults.add("GET", INFO, Answer(gzip.compress(b"{}"), {"Content-Encoding": "gzip, gzip"}), times=None)
        fails("its encoding is 'gzip, gzip'")
        works()

    @pytest.mark.parametrize("id", ["../../x", "alice", "bob/dusk@main", "", 7, "https://huggingface.co/alice/dusk"])
    def test_a_name_that_is_none(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None], id: object
    ) -> None:
        hub.faults.add("GET", INFO, Forge(lambda told: {**told, "id": id}), times=None)
        fails("alice/dusk")
        works()

    def test_another_commit_than_asked_for(self, hub: HubServer, published: str, fails: Callable[..., None]) -> None:
        hub.faults.add("GET", INFO, Forge(lambda told: {**told, "sha": "0" * 40}))
        fails("cannot be understood", f"alice/dusk@{published}")


class TestInvalid:
    """What the Hub does hold, and is no concept."""

    BOMBS = (
        "a = " + "[" * 30000,
        "a." * 30000 + "b = 1",
        "\n".join(f"[{'.'.join('abcdefghijklmnopqrstuvwxyz')}{n}]" for n in range(900)),
        "a = '" + "x" * 70000 + "'",
        "schema = 1\n" * 3,
        "\x00",
    )

    @pytest.mark.parametrize("text", BOMBS, ids=range(len(BOMBS)))
    def test_a_toml_bomb(self, hub: HubServer, published: str, fails: Callable[..., None], text: str) -> None:
        hub.put("alice/dusk", {"concept.toml": text.encode()})
        fails("concept.toml")

    @pytest.mark.parametrize("name", NEEDED)
    def test_a_symlink(self, hub: HubServer, published: str, fails: Callable[..., None], name: str) -> None:
        """Git knows such files; the Hub gives their target as their content."""
        hub.repository("alice/dusk").commit({name: b"/etc/hostname"}, "link", modes={name: SYMLINK})
        fails(name)

    def test_a_pickle_by_a_good_name(self, hub: HubServer, published: str, fails: Callable[..., None]) -> None:
        hub.put("alice/dusk", {"adapter_model.safetensors": b"\x80\x04\x95" + b"cos\nsystem\n(S'true'\ntR." * 20})
        fails("adapter_model.safetensors: not a safetensors file")

    def test_files_of_different_concepts(
        self, hub: HubServer, published: str, fails: Callable[..., None], dusk: Path
    ) -> None:
        text = (dusk / "concept.toml").read_text().replace('id = "dusk"', 'id = "dawn"')
        hub.put("alice/dusk", {"concept.toml": text.encode()})
        fails("its header says id 'dusk'")

    def test_another_adapters_configuration(self, hub: HubServer, published: str, fails: Callable[..., None]) -> None:
        hub.put("alice/dusk", {"adapter_config.json": b'{"peft_type": "LORA", "auto_mapping": "evil"}'})
        fails("adapter_config.json: unexpected key 'auto_mapping'")

    def test_it_leaves_what_there_is(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        hub.put("alice/dusk", {"concept.toml": b"broken"})
        assert run("pull", "alice/dusk").exit_code == 1
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
class TestDiskFull:
    def test_while_pulling(
        self, hub: HubServer, published: str, fails: Callable[..., None], works: Callable[[], None]
    ) -> None:
        part = store.repo_folder("alice/dusk") / f"{published}.part"
        part.mkdir(parents=True)
        (part / "adapter_model.safetensors").symlink_to("/dev/full")
        fails("the disk is full")
        (part / "adapter_model.safetensors").unlink()
        works()


class TestSearching:
    """One page's list is of everybody's cards: what one of them says stops nothing."""

    @pytest.fixture
    def cards(self, hub: HubServer, run: Run) -> Callable[[str], list[dict[str, Any]]]:
        """Search with a list in which a stranger's card says something."""

        def cards(says: str) -> list[dict[str, Any]]:
            good = '{"id": "alice/good", "downloads": 3, "cardData": {"instance_prompt": "a \\"[{ sky"}}'
            bad = f'{{"id": "eve/bad", "downloads": 1, "cardData": {says}}}'
            hub.faults.clear()
            hub.faults.add("GET", "/api/models", Packed(f"[{good}, {bad}, 7, {good}]".encode()), times=None)
            result = run("search", "--refresh", "--json")
            assert result.exit_code == 0, result.stderr
            found: list[dict[str, Any]] = json.loads(result.stdout)
            assert [each["repo"] for each in found if each["repo"] != "eve/bad"] == ["alice/good"] * 2
            assert found[0]["prompt"] == 'a "[{ sky'
            return found

        return cards

    @pytest.mark.parametrize("number", TestTampered.NUMBERS, ids=range(len(TestTampered.NUMBERS)))
    def test_numbers(self, cards: Callable[[str], list[dict[str, Any]]], number: str) -> None:
        metric = f'{{"type": "fid", "value": {number}}}'
        card = f'{{"model-index": [{{"name": "Bad", "results": [{{"metrics": [{metric}]}}]}}], "x": {number}}}'
        (bad,) = (each for each in cards(card) if each["repo"] == "eve/bad")
        assert bad["title"] == "Bad"
        assert bad["fid"] is None or 0 <= bad["fid"] < 1

    @pytest.mark.parametrize("deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
    def test_nesting(self, cards: Callable[[str], list[dict[str, Any]]], deep: str) -> None:
        assert len(cards(f'{{"x": {deep}}}')) == 2

    @pytest.mark.parametrize(
        "says", ['"\\ud800"', '{"instance_prompt": "\\u001b[2J", "license": "\\ud800"}', "[]", "7"]
    )
    def test_texts(self, cards: Callable[[str], list[dict[str, Any]]], says: str) -> None:
        (bad,) = (each for each in cards(says) if each["repo"] == "eve/bad")
        assert (bad["prompt"], bad["license"]) == ("", "")

    def test_what_inflates_without_end(
        self, hub: HubServer, run: Run, monkeypatch: pytest.MonkeyPatch, published: str
    ) -> None:
        assert run("search").exit_code == 0
        monkeypatch.setattr("e2gan_hub.answers.PAGE_LIMIT", 1024**2)
        hub.faults.add("GET", "/api/models", Packed(b"[" + b" " * (64 * 1024**2) + b"]"), times=None)
        result = run("search", "--refresh")
        assert result.exit_code == 1
        assert "the Hub's answer exceeds the limit of 1,048,576 bytes" in result.stderr
        assert run("search", "--offline").exit_code == 0

    def test_a_list_without_end(self, hub: HubServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("e2gan_hub.answers.MOST_PAGES", 5)
        again = Answer(b"[]", {"Link": '<https://elsewhere.example/api/models?cursor=x>; rel="next"'})
        hub.faults.add("GET", "/api/models", again, times=None)
        hub.requests.clear()
        result = run("search")
        assert result.exit_code == 1
        assert "more than 5 pages" in result.stderr
        assert [each.query for each in hub.requests][1:] == ["cursor=x"] * 4  # of this server, not of another

    def test_a_full_disk(self, hub: HubServer, run: Run, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert run("search").exit_code == 0
        before = index_path().read_bytes()
        connect = sqlite3.connect

        def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
            database = connect(*arguments, **options)
            database.execute("PRAGMA max_page_count = 1")  # SQLite then says what it says where the disk is full
            return database

        monkeypatch.setattr(sqlite3, "connect", small)
        result = run("search", "--refresh")
        assert result.exit_code == 1
        assert f"error: cannot write {index_path()}: database or disk is full" in result.stderr
        assert "hint: free some disk space" in result.stderr
        assert index_path().read_bytes() == before
        assert [file.name for file in index_path().parent.iterdir() if file.name.startswith(".")] == []


class TestKilled:
    """``kill -9``, which nothing can catch."""

    def test_while_pulling(self, hub: HubServer, run: Run, published: str, works: Callable[[], None]) -> None:
        hub.faults.add("GET", STORED, Slow(60))
        process = program("pull", "alice/dusk")
        until(lambda: asked(hub, "/storage/"))
        kill(process)
        assert not visible()
        assert listed(run) == {}
        hub.requests.clear()
        works()
        assert not asked(hub, "/concept.toml")  # it was there already

    @pytest.mark.parametrize("path", ["/storage/*", "/api/models/alice/dusk/preupload/*"])
    def test_while_pushing(self, hub: HubServer, push: Push, dusk: Path, path: str) -> None:
        hub.faults.add("*", path, Slow(60))
        process = program("push", dusk, "--repo", "alice/dusk", "--base-model", "alice/tiny")
        until(lambda: asked(hub, path.strip("*")))
        kill(process)
        repository = hub.repository("alice/dusk")
        assert "concept.toml" not in repository.files(repository.resolve("main"))
        hub.faults.clear()
        push(dusk)
        assert repository.resolve("v1.2.0") == repository.resolve("main")


class TestServerDies:
    def test_between_upload_and_commit(self, hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
        hub.die("POST", "/api/models/alice/dusk/commit/*")
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", "alice/tiny")
        assert result.exit_code == 1
        assert "cannot be reached" in result.stderr
        hub.start()
        repository = hub.repository("alice/dusk")
        assert "concept.toml" not in repository.files(repository.resolve("main"))
        push(dusk)
        assert repository.resolve("v1.2.0") == repository.resolve("main")

    def test_after_the_commit_but_before_the_tag(self, hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
        hub.die("POST", "/api/models/alice/dusk/commit/*", after=True)
        assert run("push", dusk, "--repo", "alice/dusk", "--base-model", "alice/tiny").exit_code == 1
        hub.start()
        repository = hub.repository("alice/dusk")
        head = repository.resolve("main")
        push(dusk)
        assert repository.resolve("v1.2.0") == repository.resolve("main") == head

    def test_somebody_else_commits_meanwhile(self, hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
        push(dusk)
        manifest = dusk / "concept.toml"
        manifest.write_text(manifest.read_text().replace("1.2.0", "1.3.0"))
        hub.faults.add("POST", "/api/models/alice/dusk/commit/*", Status(412, "A commit has happened since"))
        result = run("push", dusk, "--repo", "alice/dusk")
        assert result.exit_code == 1
        assert "somebody else has changed it in the meantime" in result.stderr
        push(dusk)
