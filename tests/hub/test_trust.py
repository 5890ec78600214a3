"""Whose concepts are used, and the settings that say so; signatures as far as they go without Sigstore's servers."""

from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2gan.concept import Concept
from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan_hub import signing, store
from e2gan_hub.config import Config, Signer, config_path, read_config
from e2gan_hub.devserver import HubServer
from e2gan_hub.pull import NEEDED, pull
from e2gan_hub.ref import Ref
from e2gan_hub.store import read_record
from tests.hub.bundles import Push, Run, listed


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def configure(text: str) -> None:
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text)


class TestPublishers:
    def test_the_first_of_a_publisher_is_said(self, hub: HubServer, run: Run, published: str, dusk: Path) -> None:
        assert "note: alice/dusk is the first concept of 'alice' here" in run("pull", "alice/dusk").stderr
        assert "first of" not in run("pull", "alice/dusk").stderr
        hub.put("alice/other", {name: (dusk / name).read_bytes() for name in NEEDED})
        assert "first of" not in run("pull", "alice/other").stderr

    def test_also_where_it_is_used_by_name(self, run: Run, published: str) -> None:
        assert "note: alice/dusk is the first concept of 'alice' here" in run("show", "hub:alice/dusk").stderr

    def test_not_of_those_that_are_trusted(self, run: Run, published: str) -> None:
        run("trust", "Alice")
        assert "first of" not in run("pull", "alice/dusk").stderr

    def test_required(self, hub: HubServer, run: Run, published: str) -> None:
        hub.requests.clear()
        result = run("pull", "alice/dusk", "--require-trusted")
        assert result.exit_code == 1
        assert "'alice' is not among the publishers you trust" in result.stderr
        assert "hint: e2gan trust alice" in result.stderr
        run("trust", "alice")
        assert run("pull", "alice/dusk", "--require-trusted").exit_code == 0

    def test_required_by_the_settings(self, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        configure("require-trusted = true")
        assert run("pull", "alice/dusk").exit_code == 1
        assert run("show", "hub:alice/dusk").exit_code == 1

    def test_the_list(self, run: Run) -> None:
        configure("# mine\ntrusted = ['carol']  # a friend\n")
        assert run("trust", "alice", "bob", "alice").exit_code == 0
        assert run("trust").stdout == "carol\nalice\nbob\n"
        assert run("trust", "--remove", "alice", "carol").exit_code == 0
        assert json.loads(run("trust", "--json").stdout) == ["bob"]
        assert config_path().read_text().startswith("# mine\n")

    @pytest.mark.parametrize("words", [("../x",), ("a/b",), ("",), ("--remove", "nobody")])
    def test_who_cannot_be_on_it(self, run: Run, words: tuple[str, ...]) -> None:
        assert run("trust", *words).exit_code == 1
        assert not config_path().exists()
        assert run("trust", "--remove").exit_code == 2


def spelt(repo: str, as_it_was: str) -> None:
    """Have the store as an earlier version left it, which wrote a repository as it was asked for."""
    folder = store.repo_folder(repo)
    record = folder / store.RECORD
    record.write_text(record.read_text().replace(f'repo = "{repo}"', f'repo = "{as_it_was}"'))
    folder.rename(folder.with_name(as_it_was.replace("/", "--")))


SIGNED = "[signers.{}]\nidentity = 'alice@example.org'\nissuer = 'https://example.org'"


class TestIdentity:
    """Whose something is goes by the name that the Hub answers."""

    @pytest.fixture(params=["ALICE/dusk", "alice/DUSK", "Alice/Dusk"])
    def asked(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_capitals_do_not_matter(self, run: Run, published: str, asked: str) -> None:
        assert run("pull", asked).exit_code == 0
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
        assert [folder.name for folder in store.home().iterdir()] == ["alice--dusk"]
        assert read_record(asked).repo == "alice/dusk"
        result = run("pull", f"{asked}@{published}", "--offline", "--json")
        assert json.loads(result.stdout)[0]["repo"] == "alice/dusk"
        assert run("remove", asked).exit_code == 0
        assert listed(run) == {}

    def test_nor_do_they_pass_a_required_signature(self, run: Run, published: str, asked: str) -> None:
        for owner in ("alice", "ALICE"):
            configure(SIGNED.format(owner))
            result = run("pull", asked)
            assert result.exit_code == 1
            assert "not signed, but alice@example.org must have signed it" in result.stderr
        assert listed(run) == {}

    @pytest.mark.parametrize("offline", [False, True])
    def test_nor_as_an_earlier_version_kept_it(self, run: Run, published: str, asked: str, offline: bool) -> None:
        run("pull", "alice/dusk")
        spelt("alice/dusk", asked)
        configure(SIGNED.format("alice"))
        for name in (asked, "alice/dusk"):
            result = run("pull", f"{name}@{published}", *(["--offline"] if offline else []))
            assert result.exit_code == 1
            assert "offline mode makes no requests" in result.stderr or "not signed" in result.stderr

    def test_what_an_earlier_version_kept_gets_the_hubs_spelling(self, run: Run, published: str, asked: str) -> None:
        run("pull", "alice/dusk")
        spelt("alice/dusk", asked)
        assert listed(run) == {"dusk": f"hub:{asked}@{published}"}
        assert run("pull", "alice/dusk").exit_code == 0
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
        assert run("verify").exit_code == 0
        assert run("remove", asked).exit_code == 0
        assert listed(run) == {}

    def test_what_it_kept_twice_is_one(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        spelt("alice/dusk", "ALICE/dusk")
        shutil.copytree(store.home() / "ALICE--dusk", store.home() / "alice--dusk")
        record = store.home() / "alice--dusk" / store.RECORD
        lines = record.read_text().replace("ALICE", "alice").splitlines()
        record.write_text("\n".join(line for line in lines if not line.startswith("listed")))
        assert run("pull", "alice/dusk").exit_code == 0
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
        assert run("remove", "alice/dusk").exit_code == 0
        assert listed(run) == {}

    def test_trust_goes_by_the_owner_in_any_capitals(self, run: Run, published: str, asked: str) -> None:
        assert run("trust", "ALICE", "alice").exit_code == 0
        assert run("trust").stdout == "ALICE\n"
        assert run("pull", asked, "--require-trusted").exit_code == 0
        assert run("trust", "--remove", "Alice").exit_code == 0
        assert run("trust").stdout == ""

    def test_signers_of_one_owner_stand_there_once(self, run: Run) -> None:
        configure(f"{SIGNED.format('alice')}\n{SIGNED.format('ALICE')}")
        result = run("trust")
        assert result.exit_code == 1
        assert "[signers] has 'alice' twice" in result.stderr

    def test_a_push_names_the_repository_as_the_hub_does(
        self, hub: HubServer, run: Run, push: Push, dusk: Path
    ) -> None:
        push(dusk)
        result = run("push", dusk, "--repo", "ALICE/dusk")
        assert result.exit_code == 1
        assert "ALICE/dusk: the Hub spells it alice/dusk" in result.stderr
        assert "hint: --repo alice/dusk" in result.stderr


class TestMoved:
    """A repository that has another name now."""

    def test_of_the_same_owner(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        hub.move("alice/dusk", "alice/nightfall")
        result = run("pull", "alice/dusk")
        assert result.exit_code == 0
        assert "note: moved from alice/dusk to alice/nightfall" in result.stderr
        assert listed(run) == {"dusk": f"hub:alice/nightfall@{published}"}
        assert "moved from" not in run("pull", "alice/nightfall").stderr

    def test_to_another_owner(self, hub: HubServer, run: Run, published: str) -> None:
        run("trust", "alice")
        run("pull", "alice/dusk")
        hub.move("alice/dusk", "bob/dusk")
        hub.requests.clear()
        for words in (("pull", "alice/dusk"), ("show", "hub:alice/dusk"), ("pull", "alice/dusk@v1.2.0")):
            result = run(*words)
            assert result.exit_code == 1
            assert "moved from alice/dusk to bob/dusk, and 'bob' is not among the publishers you trust" in result.stderr
            assert "hint: e2gan trust bob" in result.stderr
        assert not any("/resolve/" in each.path for each in hub.requests)
        assert listed(run) == {"dusk": f"hub:alice/dusk@{published}"}
        run("trust", "bob")
        result = run("pull", "alice/dusk", "--require-trusted")
        assert (result.exit_code, "note: moved from" in result.stderr) == (0, True)
        assert listed(run) == {"dusk": f"hub:bob/dusk@{published}"}

    def test_asked_for_by_its_new_name(self, hub: HubServer, run: Run, published: str) -> None:
        hub.move("alice/dusk", "bob/dusk")
        assert "the first concept of 'bob' here" in run("pull", "bob/dusk").stderr
        assert listed(run) == {"dusk": f"hub:bob/dusk@{published}"}

    def test_what_the_new_owner_must_sign(self, hub: HubServer, run: Run, published: str) -> None:
        hub.move("alice/dusk", "bob/dusk")
        configure(f"trusted = ['bob']\n{SIGNED.format('bob')}")
        result = run("pull", "alice/dusk")
        assert result.exit_code == 1
        assert "not signed" in result.stderr

    def test_locked(self, hub: HubServer, run: Run, published: str, monkeypatch: pytest.MonkeyPatch) -> None:
        run("pull", "alice/dusk")
        run("lock")
        run("remove", "alice/dusk")
        hub.move("alice/dusk", "bob/dusk")
        result = run("sync")
        assert result.exit_code == 1
        assert "moved from alice/dusk to bob/dusk" in result.stderr
        run("trust", "bob")
        assert run("sync").exit_code == 0
        assert listed(run) == {"dusk": f"hub:bob/dusk@{published}"}

    def test_outdated(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        hub.move("alice/dusk", "bob/dusk")
        hub.repository("bob/dusk").set_ref("refs/tags/v2.0.0", published)
        result = run("outdated", "--json")
        assert json.loads(result.stdout)[0]["repo"] == "bob/dusk"
        assert "moved from alice/dusk to bob/dusk" in result.stderr

    def test_pushed_to(self, hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
        push(dusk)
        hub.move("alice/dusk", "alice/nightfall")
        result = run("push", dusk, "--repo", "alice/dusk")
        assert result.exit_code == 1
        assert "the Hub has moved this repository to alice/nightfall" in result.stderr


class TestSettings:
    def test_none(self) -> None:
        assert read_config() == Config()

    def test_all(self) -> None:
        configure(
            f"trusted = ['alice']\nrequire-trusted = true\n[bases]\n{'0' * 64} = 'alice/tiny'\n"
            "[signers.alice]\nidentity = 'alice@example.org'\nissuer = 'https://example.org'\n"
        )
        signer = Signer("alice@example.org", "https://example.org")
        assert read_config() == Config(("alice",), True, {"alice": signer}, {"0" * 64: "alice/tiny"})

    def test_elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("E2GAN_CONFIG", str(tmp_path / "mine.toml"))
        (tmp_path / "mine.toml").write_text("trusted = ['bob']")
        assert read_config().trusted == ("bob",)

    @pytest.mark.parametrize(
        "text",
        [
            "trusted = 'alice'",
            "trust = []",
            "require-trusted = 1",
            "bases.x = '../y'",
            "bases.x = 'a/b@c'",
            "bases.x = 1",
            "signers.alice = 1",
            "signers.alice.identity = 'a'",
            "x",
        ],
    )
    def test_malformed(self, run: Run, text: str) -> None:
        configure(text)
        result = run("trust", "alice")
        assert result.exit_code == 1
        assert str(config_path()) in result.stderr
        assert config_path().read_text() == text

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_any_file_is_settings_or_one_error(self, content: bytes) -> None:
        config_path().parent.mkdir(parents=True, exist_ok=True)
        config_path().write_bytes(content)
        try:
            assert isinstance(read_config(), Config)
        except E2GANError as error:
            assert str(config_path()) in str(error)


class TestSignatures:
    """What is signed and when a signature is asked for; no signature here is a sound one."""

    WHO = ("--signed-by", "alice@example.org", "--issuer", "https://example.org")

    def test_what_is_signed(self, measured: Concept) -> None:
        digests = {name: store.digests(measured.path)[name] for name in NEEDED}
        told = json.loads(signing.statement(measured, digests))
        assert told == {"schema": 1, "id": "dusk", "version": "1.2.0", "files": digests}
        assert signing.statement(measured, dict(reversed(digests.items()))) == signing.statement(measured, digests)

    def test_unsigned(self, run: Run, published: str) -> None:
        result = run("pull", "alice/dusk", *self.WHO)
        assert result.exit_code == 1
        assert "not signed, but alice@example.org must have signed it" in result.stderr
        assert listed(run) == {}
        assert run("pull", "alice/dusk").exit_code == 0

    def test_the_settings_demand_it(self, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        configure("[signers.alice]\nidentity = 'alice@example.org'\nissuer = 'https://example.org'")
        result = run("pull", "alice/dusk")
        assert result.exit_code == 1
        assert "not signed" in result.stderr

    def test_both_or_neither(self, run: Run) -> None:
        assert run("pull", "alice/dusk", "--signed-by", "alice@example.org").exit_code == 2

    @pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"mediaType": "x"}', "\ud800x"], ids=range(6))
    def test_what_is_no_signature(self, hub: HubServer, run: Run, published: str, content: str) -> None:
        pytest.importorskip("sigstore")
        hub.put("alice/dusk", {signing.SIGNATURE: content.encode("utf-8", "surrogatepass")})
        result = run("pull", "alice/dusk", *self.WHO)
        assert result.exit_code == 1
        assert "error: the signature of alice@example.org is not valid" in result.stderr
        assert listed(run) == {}

    def test_a_verified_one_is_recorded(
        self, hub: HubServer, run: Run, published: str, measured: Concept, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verified: list[tuple[Any, ...]] = []
        monkeypatch.setattr(signing, "verify", lambda *arguments: verified.append(arguments))
        commit = hub.put("alice/dusk", {signing.SIGNATURE: b"a signature"})
        for _ in range(2):
            assert run("pull", "alice/dusk", *self.WHO).exit_code == 0
        digests = store.digests(store.bundle_folder("alice/dusk", commit))
        signer = Signer("alice@example.org", "https://example.org")
        assert verified == [(signing.statement(measured, digests), "a signature", signer)]
        assert read_record("alice/dusk").signers == {commit: "alice@example.org"}

    def test_made_once_and_gone_with_what_it_was_for(
        self, hub: HubServer, push: Push, dusk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signed: list[bytes] = []

        def sign(data: bytes) -> str:
            signed.append(data)
            return json.dumps({"of": len(signed)})

        monkeypatch.setattr(signing, "sign", sign)
        repository = lambda: hub.repository("alice/dusk")  # noqa: E731
        files = lambda: repository().files(repository().resolve("main"))  # noqa: E731
        push(dusk, "alice/dusk", "--sign")
        push(dusk, "alice/dusk", "--sign")
        push(dusk)
        assert len(signed) == 1
        assert signing.SIGNATURE in files()
        commit = pull(Ref("alice/dusk"), list_it=False).commit
        assert signed[0] == signing.statement(
            Concept.read(dusk), store.digests(store.bundle_folder("alice/dusk", commit))
        )
        manifest = dusk / "concept.toml"
        manifest.write_text(manifest.read_text().replace("1.2.0", "1.3.0"))
        push(dusk)
        assert signing.SIGNATURE not in files()

    def test_not_afterwards(self, hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
        push(dusk)
        result = run("push", dusk, "--repo", "alice/dusk", "--sign")
        assert result.exit_code == 1
        assert "already published without a signature" in result.stderr

    def test_without_the_library(
        self, run: Run, dusk: Path, hub: HubServer, base_there: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usual: Callable[..., Any] = builtins.__import__

        def none(name: str, *rest: Any) -> Any:
            if name.partition(".")[0] == "sigstore":
                raise ModuleNotFoundError(name=name)
            return usual(name, *rest)

        monkeypatch.setattr(builtins, "__import__", none)
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", "alice/tiny", "--sign")
        assert result.exit_code == 1
        assert f"hint: {install_command('e2gan-hub[sign]')}" in result.stderr
