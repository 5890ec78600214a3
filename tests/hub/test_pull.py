"""Getting concepts: what is fetched, what is refused, what is asked of the Hub, and what is visible when."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import e2gan
from e2gan import plugins
from e2gan.base import Base
from e2gan.blend import find_concept, resolve
from e2gan.errors import ConceptError, E2GANError
from e2gan.installing import install_command
from e2gan_hub import store
from e2gan_hub.client import HubWarning
from e2gan_hub.devserver import Forge, HubServer
from e2gan_hub.pull import NEEDED, _concept_from, pull
from e2gan_hub.ref import Ref
from e2gan_hub.store import Record, read_record
from tests.editor.tiny import photo
from tests.hub.bundles import Run, finished, listed, program, visible

Push = Callable[..., Result]


def test_push_pull_apply(hub: HubServer, base_there: str, dusk: Path, base: Base, tmp_path: Path) -> None:
    """The whole way through processes of their own."""
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    on_it = ("--base", str(base.path), str(tmp_path / "photo.png"), "-o")
    commands = [
        ("push", str(dusk), "--repo", "alice/dusk", "--base-model", "alice/tiny"),
        ("pull", "alice/dusk"),
        ("apply", "dusk", *on_it, str(tmp_path / "id.png")),
        ("apply", "hub:alice/dusk@v1.2.0", *on_it, str(tmp_path / "hub.png")),
        ("apply", str(dusk), *on_it, str(tmp_path / "folder.png")),
    ]
    for words in commands:
        code, _, err = finished(program(*words))
        assert code == 0, err
    pictures = [Image.open(tmp_path / f"{name}.png").tobytes() for name in ("id", "hub", "folder")]
    assert pictures[0] == pictures[1] == pictures[2] != Image.open(tmp_path / "photo.png").tobytes()


class TestFetched:
    def test_what_an_edit_needs(self, run: Run, published: str, dusk: Path) -> None:
        result = run("pull", "alice/dusk")
        assert result.exit_code == 0
        assert f"pulled dusk 1.2.0, alice/dusk at {published[:12]}" in result.stderr
        folder = store.bundle_folder("alice/dusk", published)
        assert sorted(file.name for file in folder.iterdir()) == sorted(NEEDED)
        for name in NEEDED:
            if name != "adapter_config.json":  # whose keys may stand in another order
                assert (folder / name).read_bytes() == (dusk / name).read_bytes()
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}

    def test_recorded(self, published: str, run: Run) -> None:
        run("pull", "alice/dusk@v1.2.0")
        record = read_record("alice/dusk")
        assert (record.listed, record.revisions) == (published, {"v1.2.0": published})
        assert record.commits == {published: store.digests(store.bundle_folder("alice/dusk", published))}

    def test_with_six_requests(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        assert len(list(hub.requests)) == 6

    @pytest.mark.parametrize("revision", ["", "@main", "@v1.2.0", "@COMMIT"])
    def test_by_branch_tag_and_commit(self, run: Run, published: str, revision: str) -> None:
        result = run("pull", f"alice/dusk{revision.replace('COMMIT', published)}", "--json")
        (told,) = json.loads(result.stdout)
        assert (told["id"], told["commit"], told["fetched"], told["listed"]) == ("dusk", published, True, True)

    def test_a_mirror_that_tells_no_sizes(self, hub: HubServer, run: Run, published: str) -> None:
        def bare(told: dict[str, object]) -> dict[str, object]:
            files = told["siblings"]
            assert isinstance(files, list)
            return {**told, "siblings": [{"rfilename": file["rfilename"]} for file in files]}

        hub.faults.add("GET", "/api/models/alice/dusk*", Forge(bare))
        assert run("pull", "alice/dusk").exit_code == 0
        assert len(list(hub.requests)) == 7

    def test_without_its_base_it_is_checked_as_far_as_that_goes(
        self, run: Run, published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("e2gan.base.BUNDLED", tmp_path / "none")
        assert run("pull", "alice/dusk").exit_code == 0
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}

    def test_a_private_one(self, hub: HubServer, run: Run, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.repository("alice/dusk").settings.private = True
        assert run("pull", "alice/dusk").exit_code == 0
        monkeypatch.setenv("HF_TOKEN", hub.tokens["bob"])
        run("remove", "alice/dusk")
        result = run("pull", "alice/dusk")
        assert result.exit_code == 1
        assert "error: alice/dusk: no such repository on the Hub, or you have no access to it" in result.stderr
        assert "hf auth login" in result.stderr


class TestNoRequest:
    def test_a_commit_that_is_here(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        hub.stop()
        result = run("pull", f"alice/dusk@{published}")
        assert result.exit_code == 0
        assert "already pulled: dusk 1.2.0" in result.stderr

    def test_it_does_not_even_import_the_client(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        code = (
            "import sys; from e2gan.cli import cli; "
            f"cli.main(['pull', '-q', 'alice/dusk@{published}'], standalone_mode=False); "
            "assert not {'huggingface_hub', 'torch', 'numpy'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    @pytest.mark.parametrize("how", ["--offline", "HF_HUB_OFFLINE"])
    def test_offline(self, hub: HubServer, run: Run, published: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        run("pull", "alice/dusk@v1.2.0")
        hub.requests.clear()
        options = [how] if how.startswith("-") else []
        if not options:
            monkeypatch.setenv(how, "1")
        assert run("pull", "alice/dusk@v1.2.0", *options).exit_code == 0
        assert run("pull", f"alice/dusk@{published}", *options).exit_code == 0
        for unknown in ("alice/dusk", f"alice/dusk@{'0' * 40}", "alice/dawn"):
            result = run("pull", unknown, *options)
            assert result.exit_code == 1
            assert f"{unknown} is not on this machine, and offline mode makes no requests" in result.stderr
        assert list(hub.requests) == []

    def test_an_unknown_branch_is_asked_for_again(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        run("pull", "alice/dusk")
        hub.requests.clear()
        result = run("pull", "alice/dusk")
        assert "already pulled" in result.stderr
        assert len(list(hub.requests)) == 1


class TestNamed:
    """``hub:OWNER/NAME@REVISION`` wherever a concept is named."""

    def test_in_a_blend(self, published: str) -> None:
        (part,) = resolve("hub:alice/dusk@v1.2.0=0.5")
        assert (part.concept.id, part.weight) == ("dusk", 1.0)

    def test_it_is_not_installed_by_being_used(self, run: Run, published: str) -> None:
        find_concept("hub:alice/dusk")
        assert listed(run) == {}
        assert run("pull", "alice/dusk").exit_code == 0
        assert list(listed(run)) == ["dusk"]

    def test_looked_up_once_in_a_process(self, hub: HubServer, published: str) -> None:
        find_concept("hub:alice/dusk")
        hub.requests.clear()
        find_concept("hub:alice/dusk")
        assert list(hub.requests) == []

    def test_shown(self, run: Run, published: str) -> None:
        result = run("show", "hub:alice/dusk", "--json")
        told = json.loads(result.stdout)
        assert (told["id"], told["source"]) == ("dusk", f"hub:alice/dusk@{published}")

    def test_applied_by_the_editor(self, base: Base, published: str, dusk: Path) -> None:
        editor = e2gan.Editor(base, device="cpu")
        picture = Image.fromarray(photo())
        assert editor.apply(picture, "hub:alice/dusk").tobytes() == editor.apply(picture, dusk).tobytes()

    def test_as_last_time_where_the_hub_is_gone(self, hub: HubServer, published: str) -> None:
        find_concept("hub:alice/dusk")
        _concept_from.cache_clear()
        hub.stop()
        with pytest.warns(HubWarning, match="using the last known commit"):
            assert find_concept("hub:alice/dusk").id == "dusk"
        with pytest.raises(E2GANError, match="cannot be reached"):
            find_concept("hub:alice/dawn")

    def test_without_the_plugin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "")
        plugins.reload_registry()
        with pytest.raises(ConceptError, match="need the package 'e2gan-hub'") as caught:
            find_concept("hub:alice/dusk")
        assert caught.value.hint == install_command("e2gan-hub")


class TestAddressed:
    """By the address of its page, as a browser shows it."""

    @pytest.fixture(params=["https://huggingface.co", "https://hf.co", "huggingface.co", "hf.co", "ENDPOINT"])
    def page(self, request: pytest.FixtureRequest, hub: HubServer) -> str:
        return f"{request.param.replace('ENDPOINT', hub.endpoint)}/alice/dusk"

    @pytest.mark.parametrize(
        "rest", ["", "/", "/tree/main", "/tree/v1.2.0", "/blob/main/concept.toml", "?x=1", "#files", "/tree/COMMIT"]
    )
    def test_pulled(self, run: Run, published: str, page: str, rest: str) -> None:
        result = run("pull", f"{page}{rest.replace('COMMIT', published)}")
        assert result.exit_code == 0, result.stderr
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
        assert run("remove", page).exit_code == 0

    def test_named(self, hub: HubServer, published: str) -> None:
        for name in (
            f"{hub.endpoint}/alice/dusk",
            "https://huggingface.co/alice/dusk/tree/v1.2.0",
            "hub:hf.co/alice/dusk",
        ):
            assert find_concept(name).source == f"hub:alice/dusk@{published}"

    @pytest.mark.parametrize(
        "address, says",
        [
            ("https://huggingface.co/alice", "is not the address of a repository"),
            ("https://huggingface.co/datasets/alice/dusk", "is a dataset, but concepts are models"),
            ("https://huggingface.co/spaces/alice/dusk", "is a space"),
            ("https://example.org/alice/dusk", "is not the address of a repository"),
            ("https://huggingface.co/alice/dusk/discussions/1", "is not the address of a repository"),
            ("https://huggingface.co/alice/dusk/tree/..", "is not a valid revision"),
            ("https://[::1/alice/dusk", "is not the address of a repository"),
            ("file:///etc/passwd", "is not the address of a repository"),
        ],
    )
    def test_what_is_no_page_of_a_concept(self, hub: HubServer, run: Run, address: str, says: str) -> None:
        hub.requests.clear()
        result = run("pull", address)
        assert result.exit_code == 1
        assert says in result.stderr
        assert list(hub.requests) == []

    @given(st.text(max_size=40))
    def test_any_address_is_a_name_or_one_error(self, rest: str) -> None:
        for start in ("https://huggingface.co/", "hf.co/", "http://", "hf://"):
            try:
                ref = Ref.given(start + rest)
            except E2GANError as error:
                assert "\n" not in str(error)
                continue
            assert Ref.parse(str(ref)) == ref


class TestTold:
    def test_a_quiet_pull_is_quiet(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        hub.put("bob/dusk", {name: (dusk / name).read_bytes() for name in NEEDED})
        for name in ("alice/dusk", "bob/dusk@main"):  # the first of its publisher, and an id that is taken
            result = run("pull", "-q", name)
            assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

    def test_the_revision_that_was_asked_for(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        hub.put("bob/dusk", {name: (dusk / name).read_bytes() for name in NEEDED}, tags=["v1.2.0"])
        assert f"pulled dusk 1.2.0, alice/dusk@v1.2.0 at {published[:12]}" in run("pull", "alice/dusk@v1.2.0").stderr
        result = run("pull", "bob/dusk@v1.2.0")
        assert "use this concept as hub:bob/dusk@v1.2.0" in result.stderr
        assert "pulled hub:bob/dusk@v1.2.0 1.2.0" in result.stderr


class TestRefused:
    """By its list, before anything of it is fetched, and by name."""

    @pytest.fixture
    def refused(self, hub: HubServer, run: Run, published: str) -> Callable[[str], None]:
        def refused(says: str) -> None:
            hub.requests.clear()
            result = run("pull", "alice/dusk")
            assert result.exit_code == 1
            assert says in result.stderr
            assert not visible()
            assert not any("/resolve/" in asked.path for asked in hub.requests)

        return refused

    @pytest.mark.parametrize("name", ["model.pkl", "setup.py", "concept.toml.py", "a/concept.toml", ".env"])
    def test_an_unexpected_file(self, hub: HubServer, refused: Callable[[str], None], name: str) -> None:
        hub.put("alice/dusk", {name: b"import os"})
        refused(f"unexpected file '{name}'; nothing was fetched")

    @pytest.mark.parametrize("name", ["../../evil.toml", "/etc/passwd", "..\\evil", "concept.toml\n", ""])
    def test_a_path_out_of_the_folder(self, hub: HubServer, refused: Callable[[str], None], name: str) -> None:
        def lie(told: dict[str, list[object]]) -> object:
            return {**told, "siblings": [*told["siblings"], {"rfilename": name, "size": 3, "blobId": "0" * 40}]}

        hub.faults.add("GET", "/api/models/alice/dusk*", Forge(lie))
        refused("unexpected file")

    def test_ten_gigabytes_declared(self, hub: HubServer, refused: Callable[[str], None]) -> None:
        def lie(told: dict[str, list[dict[str, object]]]) -> object:
            for file in told["siblings"]:
                if file["rfilename"] == "adapter_model.safetensors":
                    file["size"] = 10 * 1024**3
            return told

        hub.faults.add("GET", "/api/models/alice/dusk*", Forge(lie))
        refused("adapter_model.safetensors has 10,737,418,240 bytes; at most 33,554,432 are allowed")

    @pytest.mark.parametrize("name", NEEDED)
    def test_a_missing_file(self, hub: HubServer, refused: Callable[[str], None], name: str) -> None:
        hub.repository("alice/dusk").commit({name: None}, "less")
        refused(f"holds no trained concept: {name} is missing")

    def test_no_repository(self, hub: HubServer, run: Run) -> None:
        result = run("pull", "alice/nothing")
        assert result.exit_code == 1
        assert "alice/nothing: no such repository on the Hub" in result.stderr

    def test_no_revision(self, run: Run, published: str) -> None:
        result = run("pull", "alice/dusk@v9")
        assert result.exit_code == 1
        assert "alice/dusk has no revision 'v9'" in result.stderr

    def test_behind_a_gate(self, hub: HubServer, run: Run, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
        hub.repository("alice/dusk").settings.gated = "manual"
        monkeypatch.setenv("HF_TOKEN", hub.tokens["bob"])
        result = run("pull", "alice/dusk")
        assert result.exit_code == 1
        assert "is gated" in result.stderr

    def test_what_is_no_name(self, run: Run) -> None:
        for name in ("dusk", "alice/dusk@", "alice/dusk@..", "a/b/c", "../x", "alice/dusk@a b"):
            result = run("pull", name)
            assert (result.exit_code, "hint: " in result.stderr) == (1, True)


class TestMoved:
    def test_a_branch_may_move(self, hub: HubServer, run: Run, published: str, push: Push, dusk: Path) -> None:
        run("pull", "alice/dusk")
        manifest = dusk / "concept.toml"
        manifest.write_text(manifest.read_text().replace("1.2.0", "1.3.0"))
        push(dusk)
        result = run("pull", "alice/dusk")
        new = hub.repository("alice/dusk").resolve("main")
        assert f"pulled dusk 1.3.0, alice/dusk at {new[:12]}" in result.stderr
        assert listed(run) == {"dusk": f"hub:alice/dusk@{new}"}
        assert run("pull", f"alice/dusk@{published}", "--offline").exit_code == 0
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}

    def test_a_versions_tag_may_not(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        run("pull", "alice/dusk@v1.2.0")
        text = (dusk / "concept.toml").read_text().replace("Dusk", "Other")
        moved = hub.put("alice/dusk", {"concept.toml": text.encode()}, tags=["v1.2.0"])
        result = run("pull", "alice/dusk@v1.2.0")
        assert result.exit_code == 1
        assert f"the tag was moved from {published[:12]} to {moved[:12]}" in result.stderr
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
        assert run("pull", f"alice/dusk@{moved}").exit_code == 0


class TestIds:
    def test_anothers_id_is_left_to_it(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        files = {name: (dusk / name).read_bytes() for name in NEEDED}
        hub.put("bob/dusk", files)
        run("pull", "alice/dusk")
        result = run("pull", "bob/dusk")
        assert result.exit_code == 0
        assert f"the id 'dusk' is already used by hub:alice/dusk@{published}" in result.stderr
        there = hub.repository("bob/dusk").resolve("main")
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}", "hub:bob/dusk": f"hub:bob/dusk@{there}"}
        hub.requests.clear()
        for name in ("hub:bob/dusk", "bob/dusk"):
            assert find_concept(name).source == f"hub:bob/dusk@{there}"
        assert list(hub.requests) == []  # what is installed is used as it is
        assert find_concept("dusk").source == f"hub:alice/dusk@{published}"

    def test_without_its_id_it_is_visible_everywhere(
        self, hub: HubServer, run: Run, published: str, dusk: Path, tmp_path: Path
    ) -> None:
        files = {name: (dusk / name).read_bytes() for name in NEEDED}
        hub.put("bob/dusk", files, tags=["v1.2.0"])
        run("pull", "alice/dusk", "bob/dusk")
        table = run("list").stdout
        assert re.search(r"^hub:bob/dusk +Dusk +1\.2\.0 +tiny +hub:bob/dusk$", table, re.M)
        assert not re.search(r"[0-9a-f]{40}", table)
        assert run("list", "-q").stdout.split() == ["dusk", "hub:bob/dusk"]

        repository = hub.repository("bob/dusk")
        repository.set_ref("refs/tags/v2.0.0", repository.resolve("main"))
        assert "hub:bob/dusk  1.2.0    2.0.0" in run("outdated").stdout

        before = listed(run)
        assert "(concepts: 2, bases: 1)" in run("lock", "-o", tmp_path / "a.lock").stderr
        run("remove", "dusk", "hub:bob/dusk")
        assert listed(run) == {}
        result = run("sync", tmp_path / "a.lock")
        assert (result.exit_code, listed(run)) == (0, before), result.stderr
        assert run("sync", tmp_path / "a.lock").stderr.count("is here") == 3
        run("lock", "-o", tmp_path / "b.lock")
        assert (tmp_path / "b.lock").read_text() == (tmp_path / "a.lock").read_text()

        run("remove", "alice/dusk")
        run("pull", "bob/dusk")  # the id is free now
        assert list(listed(run)) == ["dusk"]

    def test_removed(self, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        assert run("remove", "alice/dusk").exit_code == 0
        assert (listed(run), visible()) == ({}, False)
        assert run("remove", "alice/dusk").exit_code == 1
        assert run("pull", "alice/dusk").exit_code == 0

    def test_a_damaged_record_spares_the_others(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        hub.put("bob/other", {name: (dusk / name).read_bytes() for name in NEEDED})
        run("pull", "alice/dusk")
        run("pull", "bob/other")
        (store.repo_folder("bob/other") / store.RECORD).write_text("schema = 2")
        result = run("list", "-q")
        assert result.stdout == "dusk\n"
        assert "record.toml" in result.stderr


def test_two_at_once(hub: HubServer, published: str) -> None:
    """Processes of their own; the second finds what the first has fetched, or fetches it after that has died."""
    processes = [program("pull", "alice/dusk", "--json") for _ in range(3)]
    ended = [finished(process) for process in processes]
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    assert sum(json.loads(out)[0]["fetched"] for _, out, _ in ended) == 1
    assert store.is_intact(store.bundle_folder("alice/dusk", published), read_record("alice/dusk").commits[published])


def test_threads_at_once(hub: HubServer, published: str) -> None:
    done: list[bool] = []
    threads = [
        threading.Thread(target=lambda: done.append(pull(Ref("alice/dusk"), list_it=False).fetched)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, True]


def test_what_was_changed_here_is_fetched_again(hub: HubServer, run: Run, published: str) -> None:
    run("pull", "alice/dusk")
    file = store.bundle_folder("alice/dusk", published) / "adapter_model.safetensors"
    sound = file.read_bytes()
    file.write_bytes(sound[:-1] + b"\0\0")
    assert run("pull", f"alice/dusk@{published}").exit_code == 0
    assert file.read_bytes() == sound


# --- names


NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(
    owner=NAMES, name=NAMES, revision=st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,20}", fullmatch=True)
)
def test_a_name_is_read_as_it_is_written(owner: str, name: str, revision: str | None) -> None:
    try:
        ref = Ref.parse(str(Ref(f"{owner}/{name}", revision)))
    except E2GANError:
        return
    assert ref == Ref(f"{owner}/{name}", revision)
    assert Ref.parse(f"hub:{ref}") == ref
    folder = store.repo_folder(ref.repo)
    assert folder.parent == store.home()
    assert folder.name.replace("--", "/") == ref.repo


@given(st.text(max_size=60) | st.from_regex(r"[a-z./@-]{0,20}", fullmatch=True))
def test_any_text_is_a_name_or_one_error(text: str) -> None:
    try:
        ref = Ref.parse(text)
    except E2GANError as error:
        assert "\n" not in str(error)
        return
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", ref.repo, re.ASCII)
    assert ".." not in str(ref)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_record_is_read_or_one_error(content: bytes) -> None:
    folder = store.repo_folder("alice/dusk")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / store.RECORD).write_bytes(content)
    (found,) = store.records()
    assert isinstance(found, (Record, E2GANError))
