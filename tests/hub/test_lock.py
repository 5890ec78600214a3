"""Lock and sync, verify and outdated: the same concepts on another machine, and next year."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from e2gan.base import Base
from e2gan.errors import E2GANError
from e2gan_hub import lock as lock_module
from e2gan_hub import store
from e2gan_hub.devserver import HubServer
from e2gan_hub.lock import Lock, LockedBase, LockedConcept, read_lock, write_lock
from e2gan_hub.pull import NEEDED
from tests.editor.tiny import write_tiny_concept
from tests.hub.bundles import Run, listed

PLUGIN = """
from pathlib import Path

from e2gan import hookimpl


@hookimpl
def register_concepts(register):
    for bundle in sorted(Path(__file__).parent.glob("bundle*")):
        register(bundle)
"""


def write_wheel(folder: Path, bundle: Path, id: str, version: str = "1.2.0", **more: Path) -> Path:
    """The distribution ``e2gan-concept-ID`` with this bundle, as a wheel; ``more``: with others, by their folders."""
    package, info = f"e2gan_concept_{id}", f"e2gan_concept_{id}-{version}.dist-info"
    files = {
        f"{package}/{name}/{file.name}": file.read_bytes()
        for name, place in {"bundle": bundle, **more}.items()
        for file in place.iterdir()
    }
    files[f"{package}/__init__.py"] = PLUGIN.encode()
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: e2gan-concept-{id}\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = f"[e2gan]\n{id} = {package}\n".encode()
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for name, data in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]).encode()
    folder.mkdir(exist_ok=True)
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    return path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages of this test's own, which pip installs into, from the wheels in ``wheels`` alone."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "e2gan_concept_dawn", raising=False)  # that of the test before
    options = {"TARGET": site, "NO_INDEX": 1, "FIND_LINKS": tmp_path / "wheels", "UPGRADE": 1}
    for name, value in options.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    monkeypatch.setenv("E2GAN_LOAD_PLUGINS", "e2gan-hub,e2gan-concept-dawn")
    return site


@pytest.fixture
def dawn(tmp_path: Path, base: Base, site: Path) -> Path:
    """The concept ``dawn``, installed as from a wheel; its wheel is among those that pip finds."""
    bundle = write_tiny_concept(tmp_path / "made" / "dawn", base, seed=5).path
    wheel = write_wheel(tmp_path / "wheels", bundle, "dawn")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    importlib.invalidate_caches()
    return site / "e2gan_concept_dawn" / "bundle"


def test_written_and_restored(hub: HubServer, run: Run, published: str, dawn: Path, site: Path, base: Base) -> None:
    run("pull", "alice/dusk")
    assert run("lock").stderr.endswith("wrote e2gan.lock (concepts: 2, bases: 1)\n")
    lock = read_lock(Path("e2gan.lock"))
    from_pip, from_hub = lock.concepts
    assert (from_pip.id, from_pip.distribution, from_pip.version) == ("dawn", "e2gan-concept-dawn", "1.2.0")
    assert from_pip.files == store.digests(dawn)
    assert (from_hub.id, from_hub.repo, from_hub.commit) == ("dusk", "alice/dusk", published)
    assert lock.bases == (LockedBase("tiny", base.sha256),)
    before = listed(run)

    assert run("sync").stderr.count("is here: ") == 3
    # Another machine.
    shutil.rmtree(store.home())
    for entry in site.iterdir():
        shutil.rmtree(entry)
    assert listed(run) == {}
    result = run("sync", "--json")
    assert result.exit_code == 0, result.stderr
    assert {each["id"]: each["done"] for each in json.loads(result.stdout)} == {
        "tiny": "is here",
        "dawn": "installed",
        "dusk": "pulled",
    }
    assert listed(run) == before


def test_a_concept_for_several_bases(run: Run, site: Path, two_bases: tuple[Base, Base], tmp_path: Path) -> None:
    full, lite = (write_tiny_concept(tmp_path / base.id / "dawn", base, seed=5).path for base in two_bases)
    wheel = write_wheel(tmp_path / "wheels", full, "dawn", bundle_lite=lite)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    importlib.invalidate_caches()
    assert "tiny, lite" in run("list").stdout
    assert run("verify").stderr == "sound (concepts: 2, bases: 2)\n"
    assert run("lock").stderr.endswith("wrote e2gan.lock (concepts: 2, bases: 2)\n")
    lock = read_lock(Path("e2gan.lock"))
    assert [(one.id, one.base, one.files) for one in lock.concepts] == [
        ("dawn", "tiny", store.digests(full)),
        ("dawn", "lite", store.digests(lite)),
    ]
    assert run("sync").stderr.count("is here: ") == 4
    for entry in site.iterdir():
        shutil.rmtree(entry)
    result = run("sync", "--json")
    assert result.exit_code == 0, result.stderr
    assert [each["done"] for each in json.loads(result.stdout)] == ["is here"] * 2 + ["installed"] * 2
    (site / "e2gan_concept_dawn" / "bundle_lite" / "README.md").write_text("other")
    for words in (["verify"], ["sync"]):
        assert run(*words).exit_code == 1


def test_what_is_not_trained_is_left_out(run: Run, dawn: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors", "prompt.safetensors"):
        (dawn / name).unlink()
    assert run("lock").stderr.splitlines() == [
        f"note: not locked: {dawn}: the concept 'dawn' is not trained yet (e2gan train {dawn} --data PHOTOS)",
        "wrote e2gan.lock (concepts: 0, bases: 0)",
    ]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


class TestSync:
    """What does not match is refused and named, and the rest is done."""

    @pytest.fixture
    def locked(self, hub: HubServer, run: Run, published: str, dawn: Path) -> Lock:
        run("pull", "alice/dusk")
        run("lock")
        return read_lock(Path("e2gan.lock"))

    def changed(self, lock: Lock, which: str, **changes: object) -> None:
        concepts = tuple(
            LockedConcept(**{**vars(each), **changes}) if each.id == which else each for each in lock.concepts
        )
        write_lock(Lock(concepts, lock.bases), Path("e2gan.lock"))

    def test_goes_back_to_the_commit(self, hub: HubServer, run: Run, locked: Lock, published: str, dusk: Path) -> None:
        text = (dusk / "concept.toml").read_text().replace("1.2.0", "1.3.0")
        new = hub.put("alice/dusk", {"concept.toml": text.encode()})
        run("pull", "alice/dusk")
        assert listed(run)["dusk"] == f"hub:alice/dusk@{new}"
        assert run("sync").exit_code == 0
        assert listed(run)["dusk"] == f"hub:alice/dusk@{published}"

    @pytest.mark.parametrize("id", ["dusk", "dawn"])
    def test_other_files(self, run: Run, locked: Lock, id: str) -> None:
        self.changed(locked, id, files={**locked.concepts[0].files, "prompt.safetensors": "0" * 64})
        result = run("sync")
        assert result.exit_code == 1
        assert f"error: {id} (" in result.stderr
        assert "files differ from the lockfile: " in result.stderr and "prompt.safetensors" in result.stderr
        assert result.stderr.count("is here: ") == 2

    def test_all_or_nothing(self, run: Run, locked: Lock, site: Path) -> None:
        """On a machine without any of it, one wrong digest leaves all of it as it was."""
        shutil.rmtree(store.home())
        for entry in site.iterdir():
            shutil.rmtree(entry)
        for wrong, right in (("dusk", "dawn"), ("dawn", "dusk")):
            (files,) = (each.files for each in locked.concepts if each.id == wrong)
            self.changed(locked, wrong, files={**files, "concept.toml": "0" * 64})
            result = run("sync")
            assert result.exit_code == 1
            assert f"error: {wrong} (" in result.stderr
            assert "files differ from the lockfile: concept.toml" in result.stderr
            assert f"left as it was: {right} (" in result.stderr
            assert "e2gan.lock: nothing was changed" in result.stderr
            assert listed(run) == {}
            assert not store.home().exists()
            assert not list(site.iterdir())

    def test_what_a_wheel_calls_its_concept(self, run: Run, locked: Lock, site: Path) -> None:
        for entry in site.iterdir():
            shutil.rmtree(entry)
        self.changed(locked, "dawn", id="noon")
        result = run("sync")
        assert result.exit_code == 1
        assert "its concept has the id 'dawn', not the locked 'noon'" in result.stderr
        assert not list(site.iterdir())

    @pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"nothing of the kind"], ids=range(3))
    def test_what_is_no_wheel(
        self, run: Run, locked: Lock, site: Path, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wheel = tmp_path / "dawn.whl"
        wheel.write_bytes(content)
        (dawn,) = (each for each in locked.concepts if each.id == "dawn")
        with pytest.raises(E2GANError, match=r"dawn\.whl cannot be read|contains no concept"):
            lock_module._check_wheel(wheel, dawn)

    def test_an_id_that_another_has(self, hub: HubServer, run: Run, locked: Lock, dusk: Path) -> None:
        hub.put("bob/dusk", {name: (dusk / name).read_bytes() for name in NEEDED})
        run("remove", "alice/dusk")
        run("pull", "bob/dusk")
        before = listed(run)
        result = run("sync")
        assert result.exit_code == 1
        assert "another installed concept already uses the id 'dusk': hub:bob/dusk@" in result.stderr
        assert listed(run) == before

    def test_a_full_disk_while_switching(
        self, hub: HubServer, run: Run, locked: Lock, published: str, dusk: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After all was checked: the store says what it said before."""
        text = (dusk / "concept.toml").read_text().replace("1.2.0", "1.3.0")
        new = hub.put("alice/dusk", {"concept.toml": text.encode()})
        run("pull", "alice/dusk")
        run("lock", "-o", "new.lock")
        shutil.rmtree(store.bundle_folder("alice/dusk", published))
        before = (store.repo_folder("alice/dusk") / store.RECORD).read_bytes()

        def fails(*arguments: object) -> None:
            raise E2GANError("pip could not install it: the disk is full")

        monkeypatch.setattr(lock_module, "_pip_install", fails)
        result = run("sync")
        assert result.exit_code == 1
        assert "the disk is full" in result.stderr
        assert (store.repo_folder("alice/dusk") / store.RECORD).read_bytes() == before
        assert listed(run)["dusk"] == f"hub:alice/dusk@{new}"

    @pytest.mark.parametrize("name", ["pip.py", "pip/__main__.py", "logging.py", "sitecustomize.py"])
    def test_nothing_of_the_current_folder_runs(
        self, run: Run, locked: Lock, site: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for entry in site.iterdir():
            shutil.rmtree(entry)
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
        assert run("sync").exit_code == 0
        assert not (tmp_path / "ran").exists()
        assert "dawn" in listed(run)

    def test_a_quiet_one(self, run: Run, locked: Lock) -> None:
        shutil.rmtree(store.home())
        result = run("sync", "-q")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

    def test_another_base(self, run: Run, locked: Lock) -> None:
        write_lock(Lock(locked.concepts, (LockedBase("tiny", "0" * 64), LockedBase("none", "0" * 64))), Path("x.lock"))
        result = run("sync", "x.lock")
        assert result.exit_code == 1
        assert "error: tiny (base): the base differs" in result.stderr
        assert "error: none (base): no base 'none'" in result.stderr

    def test_a_commit_that_is_gone(self, run: Run, locked: Lock) -> None:
        self.changed(locked, "dusk", commit="0" * 40)
        result = run("sync")
        assert result.exit_code == 1
        assert f"error: dusk (hub:alice/dusk@{'0' * 40})" in result.stderr

    def test_what_pip_does_not_find(self, run: Run, locked: Lock) -> None:
        self.changed(locked, "dawn", version="9.9.9")
        result = run("sync")
        assert result.exit_code == 1
        assert (
            "error: dawn (e2gan-concept-dawn==9.9.9): pip could not download e2gan-concept-dawn==9.9.9" in result.stderr
        )
        assert "dawn" in listed(run)

    def test_a_distribution_without_it(self, run: Run, locked: Lock) -> None:
        self.changed(locked, "dawn", id="noon")
        result = run("sync")
        assert result.exit_code == 1
        assert "e2gan-concept-dawn does not contain the concept 'noon'" in result.stderr

    def test_whom_one_does_not_trust(self, run: Run, locked: Lock) -> None:
        result = run("sync", "--require-trusted")
        assert result.exit_code == 1
        assert "'alice' is not among the publishers you trust" in result.stderr

    def test_no_lockfile(self, run: Run) -> None:
        result = run("sync", "none.lock")
        assert result.exit_code == 1
        assert "none.lock" in result.stderr


class TestVerify:
    @pytest.fixture
    def filled(self, hub: HubServer, run: Run, published: str, dawn: Path) -> str:
        run("pull", "alice/dusk")
        return published

    def test_sound(self, run: Run, filled: str) -> None:
        result = run("verify")
        assert (result.exit_code, result.stderr) == (0, "sound (concepts: 2, bases: 1)\n")

    def test_what_was_pulled(self, run: Run, filled: str) -> None:
        file = store.bundle_folder("alice/dusk", filled) / "concept.toml"
        file.write_text(file.read_text() + "\n")
        result = run("verify")
        assert result.exit_code == 1
        assert "concept.toml: changed since the pull" in result.stderr
        assert "sound (concepts: 1, bases: 1)" in result.stderr

    def test_what_pip_installed(self, run: Run, filled: str, dawn: Path) -> None:
        (dawn / "README.md").write_text("other")
        result = run("verify", "--json")
        assert result.exit_code == 1
        assert {each["id"]: each["problem"] for each in json.loads(result.stdout)} == {
            "dusk": None,
            "dawn": "README.md: changed since pip installed it",
            "tiny": None,
        }

    def test_a_damaged_bundle(self, run: Run, filled: str, dawn: Path) -> None:
        (dawn / "concept.toml").write_text("schema = 9")
        result = run("verify")
        assert result.exit_code == 1
        assert "concept.toml" in result.stderr

    def test_a_missing_file(self, run: Run, filled: str) -> None:
        (store.bundle_folder("alice/dusk", filled) / "prompt.safetensors").unlink()
        assert run("verify", "-q").exit_code == 1

    def test_a_base(self, run: Run, filled: str, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        copy = shutil.copytree(bases, tmp_path / "bases")
        (copy / "tiny" / "generator.safetensors").write_bytes(b"other")
        monkeypatch.setattr("e2gan.base.BUNDLED", copy)
        result = run("verify")
        assert result.exit_code == 1
        assert "error: tiny (e2gan): " in result.stderr
        assert "generator.safetensors: SHA-256 is " in result.stderr


class TestOutdated:
    def test_what_the_hub_has_no_more_spares_the_others(
        self, hub: HubServer, run: Run, published: str, base: Base, tmp_path: Path
    ) -> None:
        dawn = write_tiny_concept(tmp_path / "dawn", base, seed=5)
        hub.put("bob/dawn", {name: (dawn.path / name).read_bytes() for name in NEEDED})
        run("pull", "alice/dusk", "bob/dawn")
        hub.state.store.delete(hub.repository("alice/dusk"))
        hub.repository("bob/dawn").set_ref("refs/tags/v9.0.0", hub.repository("bob/dawn").resolve("main"))
        result = run("outdated", "--json")
        assert result.exit_code == 0
        assert [each["repo"] for each in json.loads(result.stdout)] == ["bob/dawn"]
        assert "note: alice/dusk: no such repository on the Hub" in result.stderr

    def test_a_newer_version(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        assert "up to date" in run("outdated").stderr
        for tag in ("v1.10.0", "v1.9.0", "v2.0.0rc1", "vX", "latest"):
            hub.repository("alice/dusk").set_ref(f"refs/tags/{tag}", published)
        (found,) = json.loads(run("outdated", "--json").stdout)
        assert found == {"repo": "alice/dusk", "id": "dusk", "name": "dusk", "version": "1.2.0", "newest": "1.10.0"}
        assert "e2gan pull alice/dusk@v1.10.0" in run("outdated").stdout

    def test_no_network(self, hub: HubServer, run: Run, published: str) -> None:
        run("pull", "alice/dusk")
        hub.stop()
        result = run("outdated")
        assert result.exit_code == 1
        assert "cannot be reached" in result.stderr


IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
FILE_DIGESTS = st.dictionaries(st.sampled_from(["concept.toml", "prompt.safetensors", "README.md"]), DIGESTS)
FROM_HUB = st.builds(
    LockedConcept,
    id=IDS,
    version=st.just("1.0.0"),
    files=FILE_DIGESTS,
    repo=st.just("alice/dusk"),
    commit=st.text("0123456789abcdef", min_size=40, max_size=40),
)
FROM_PIP = st.builds(
    LockedConcept,
    id=IDS,
    version=st.just("2.0"),
    files=FILE_DIGESTS,
    distribution=st.just("e2gan-concept-x"),
    base=st.just("") | IDS,
)
LOCKS = st.builds(
    Lock,
    concepts=st.lists(FROM_HUB | FROM_PIP, max_size=3, unique_by=lambda concept: concept.id).map(tuple),
    bases=st.lists(st.builds(LockedBase, IDS, DIGESTS), max_size=2).map(tuple),
)


@settings(max_examples=50)
@given(LOCKS)
def test_a_lockfile_is_read_as_it_was_written(lock: Lock) -> None:
    write_lock(lock, Path("e2gan.lock"))
    assert read_lock(Path("e2gan.lock")) == lock


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_a_lockfile_or_one_error(content: bytes) -> None:
    Path("any.lock").write_bytes(content)
    with pytest.raises(E2GANError, match=r"any\.lock"):
        read_lock(Path("any.lock"))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"concepts": []},
        {"concept": {"distribution": "--index-url=http://evil"}},
        {"concept": {"distribution": "a b"}},
        {"concept": {"distribution": "https://evil/x.whl"}},
        {"concept": {"version": "1.0 --pre"}},
        {"concept": {"files": {"setup.py": "0" * 64}}},
        {"concept": {"files": {"concept.toml": "1"}}},
        {"concept": {"repo": "alice/dusk", "commit": "main"}},
        {"concept": {"repo": "../../x", "commit": "0" * 40}},
        {"times": 2},
    ],
    ids=str,
)
def test_what_is_no_lockfile(changes: dict[str, object]) -> None:
    concept = {"id": "x", "version": "1.0", "files": {}, "distribution": "e2gan-concept-x"}
    if "concept" in changes:
        concept |= changes["concept"]  # type: ignore[operator]
        if "repo" in concept:
            del concept["distribution"]
    data = {"schema": 1, **changes, "concept": [concept] * int(str(changes.pop("times", 1)))}
    Path("bad.lock").write_text(tomlkit.dumps(data))
    with pytest.raises(E2GANError):
        read_lock(Path("bad.lock"))
