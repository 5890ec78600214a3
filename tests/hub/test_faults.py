"""When things break: nothing invalid is ever visible, nothing valid is lost, and what is told is one line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2gan_hub import store
from e2gan_hub.pull import NEEDED
from tests.hub.bundles import Push, Run, kill, listed, program, visible
from tests.hub_server import Break, Forge, HubServer, Slow, Status
from tests.hub_server.repositories import SYMLINK

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
            fails("the Hub has a fault of its own (500)")
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
        fails(f"the Hub has a fault of its own ({status})")
        works()


class TestTooManyRequests:
    @pytest.mark.parametrize("path", [INFO, "/alice/dusk/resolve/*"])
    def test_waits_as_it_is_asked_to(self, hub: HubServer, run: Run, published: str, path: str) -> None:
        hub.faults.add("GET", path, Status(429, retry_after=0))
        assert run("pull", "alice/dusk").exit_code == 0

    def test_not_for_an_hour(
        self, hub: HubServer, run: Run, published: str, fails: Callable[..., None], works: Callable[[], None]
    ) -> None:
        hub.faults.add("GET", INFO, Status(429, retry_after=3600), times=None)
        fails("alice/dusk: too many requests")
        assert "hint: wait 3600 seconds" in run("pull", "alice/dusk").stderr
        works()


class TestTampered:
    @pytest.mark.parametrize("path", ["/alice/dusk/resolve/*/concept.toml", STORED])
    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda body: body[:-1] + b"~", "is not what the Hub lists"),
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

    def test_another_commit_than_asked_for(self, hub: HubServer, published: str, fails: Callable[..., None]) -> None:
        hub.faults.add("GET", INFO, Forge(lambda told: {**told, "sha": "0" * 40}))
        fails("makes no sense", f"alice/dusk@{published}")


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
        assert "somebody else has changed it meanwhile" in result.stderr
        push(dusk)
