"""Publishing: what is refused, what is written, and what a second time does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tomlkit
from huggingface_hub import ModelCard
from PIL import Image

from e2gan.base import Base
from e2gan.concept import Concept, record_quality
from e2gan_hub.config import read_config
from e2gan_hub.devserver import HubServer
from tests.editor.tiny import write_tiny_concept
from tests.hub.bundles import BASE_REPO, Run, listed, put_base

Push = Callable[..., object]

pytestmark = pytest.mark.usefixtures("base_there")


def set_version(folder: Path, version: str) -> None:
    file = folder / "concept.toml"
    manifest = tomlkit.parse(file.read_text())
    manifest["version"] = version
    file.write_text(tomlkit.dumps(manifest))


def commits(hub: HubServer, repo: str = "alice/dusk") -> list[str]:
    repository = hub.repository(repo)
    return [commit.id for commit in repository.history(repository.resolve("main"))]


def test_one_commit_with_the_bundle_and_the_versions_tag(hub: HubServer, push: Push, dusk: Path) -> None:
    push(dusk)
    repository = hub.repository("alice/dusk")
    head = repository.resolve("main")
    assert len(commits(hub)) == 2  # the Hub's own, and ours
    assert repository.resolve("v1.2.0") == head
    files = {name: repository.content(entry) for name, entry in repository.files(head).items()}
    assert files.keys() - {".gitattributes"} == {file.name for file in dusk.iterdir()}
    for name in ("concept.toml", "adapter_model.safetensors", "prompt.safetensors"):
        assert files[name] == (dusk / name).read_bytes()


def test_the_card(hub: HubServer, push: Push, dusk: Path) -> None:
    Image.new("RGB", (8, 4)).save(dusk / "preview.webp")
    push(dusk)
    repository = hub.repository("alice/dusk")
    card = ModelCard(repository.content(repository.files(repository.resolve("main"))["README.md"]).decode())
    data = card.data.to_dict()
    index = data.pop("model-index")
    assert data == {
        "license": "apache-2.0",
        "library_name": "e2gan",
        "tags": ["e2gan", "e2gan-concept", "lora"],
        "base_model": BASE_REPO,
        "base_model_relation": "adapter",
        "pipeline_tag": "image-to-image",
        "instance_prompt": "in the style of dusk",
        "widget": [{"text": "in the style of dusk", "output": {"url": "preview.webp"}}],
    }
    (model,) = index
    assert model["name"] == "Dusk"
    metrics = [(metric["type"], metric["value"]) for result in model["results"] for metric in result["metrics"]]
    assert metrics == [("l1", 0.1685), ("fid", 63.17), ("fid", 153.5), ("kid", 0.17)]
    assert "e2gan apply hub:alice/dusk photo.jpg" in card.text
    assert "![before and after](preview.webp)" in card.text


def test_the_card_says_whose_licence_the_hub_has_no_word_for(base: Base, tmp_path: Path) -> None:
    from e2gan_hub.metadata import concept_card

    concept = write_tiny_concept(tmp_path / "dawn", base)
    text = (concept.path / "concept.toml").read_text().replace("apache-2.0", "MIT OR Apache-2.0")
    (concept.path / "concept.toml").write_text(text)
    data = ModelCard(concept_card(Concept.read(concept.path), "alice/dawn", BASE_REPO)).data
    assert (data.license, data.license_name) == ("other", "MIT OR Apache-2.0")


def test_the_same_twice_is_nothing(hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
    push(dusk)
    before = commits(hub)
    result = run("push", dusk, "--repo", "alice/dusk")  # where the base is has been remembered
    assert (result.exit_code, commits(hub)) == (0, before)
    assert f"is already published at {before[0][:12]}, as v1.2.0" in result.stderr


def test_other_content_under_the_same_version_is_refused(hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
    push(dusk)
    before = commits(hub)
    file = dusk / "concept.toml"
    file.write_text(file.read_text().replace('title = "Dusk"', 'title = "Dusk, again"'))
    result = run("push", dusk, "--repo", "alice/dusk")
    assert (result.exit_code, commits(hub)) == (1, before)
    assert "version 1.2.0 is already published with other content" in result.stderr
    assert "hint: raise the version" in result.stderr
    set_version(dusk, "1.3.0")
    push(dusk)
    repository = hub.repository("alice/dusk")
    assert repository.resolve("v1.3.0") == commits(hub)[0]
    assert repository.resolve("v1.2.0") == before[0]


def test_a_missing_tag_is_set(hub: HubServer, push: Push, dusk: Path) -> None:
    push(dusk)
    repository = hub.repository("alice/dusk")
    repository.delete_ref("refs/tags/v1.2.0")
    before = commits(hub)
    push(dusk)
    assert (repository.resolve("v1.2.0"), commits(hub)) == (before[0], before)


def test_what_is_no_part_of_it_goes(hub: HubServer, push: Push, dusk: Path) -> None:
    hub.put("alice/dusk", {"model.pkl": b"x", "sub/notes.txt": b"y"})
    push(dusk)
    repository = hub.repository("alice/dusk")
    names = set(repository.files(repository.resolve("main"))) - {".gitattributes"}
    assert names == {file.name for file in dusk.iterdir()}


def test_the_card_alone_is_mended_without_a_new_version(
    hub: HubServer, run: Run, push: Push, dusk: Path, base: Base
) -> None:
    push(dusk)
    put_base(hub, "alice/other-base", base)
    result = run("push", dusk, "--repo", "alice/dusk", "--base-model", "alice/other-base")
    assert result.exit_code == 0
    repository = hub.repository("alice/dusk")
    head = repository.resolve("main")
    assert b"alice/other-base" in repository.content(repository.files(head)["README.md"])
    assert repository.resolve("v1.2.0") != head


class TestRefused:
    def test_without_quality(self, hub: HubServer, run: Run, base: Base, tmp_path: Path) -> None:
        concept = write_tiny_concept(tmp_path / "dawn", base)
        result = run("push", concept.path, "--repo", "alice/dawn", "--base-model", BASE_REPO)
        assert result.exit_code == 1
        assert "'dawn' has no quality figures" in result.stderr
        assert list(hub.requests) == []

    def test_untrained(self, hub: HubServer, run: Run, base: Base, tmp_path: Path) -> None:
        concept = record_quality(write_tiny_concept(tmp_path / "dawn", base, trained=False), {"l1": 0.1})
        result = run("push", concept.path, "--repo", "alice/dawn", "--base-model", BASE_REPO)
        assert result.exit_code == 1
        assert "not trained yet" in result.stderr

    def test_damaged(self, hub: HubServer, run: Run, dusk: Path) -> None:
        weights = (dusk / "adapter_model.safetensors").read_bytes()
        (dusk / "adapter_model.safetensors").write_bytes(weights[:-4])
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", BASE_REPO)
        assert result.exit_code == 1
        assert "adapter_model.safetensors" in result.stderr
        assert list(hub.requests) == []

    def test_large(self, hub: HubServer, run: Run, push: Push, dusk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("e2gan_hub.push.LARGE", 1000)
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", BASE_REPO)
        assert result.exit_code == 1
        assert "more than 1,000" in result.stderr
        assert "to publish it anyway: --allow-large" in result.stderr
        push(dusk, "alice/dusk", "--allow-large")

    def test_nobody_knows_the_base(self, hub: HubServer, run: Run, base: Base, dusk: Path) -> None:
        hub.put(BASE_REPO, {"generator.safetensors": b"of another base"})
        result = run("push", dusk, "--repo", "alice/dusk")
        assert result.exit_code == 1
        assert "the repository of the base 'tiny' on the Hub" in result.stderr
        assert f"e2gan push-base {base.path} --repo OWNER/tiny publishes it" in result.stderr
        assert "--base-model OWNER/NAME" in result.stderr

    def test_somebody_elses_place(self, hub: HubServer, run: Run, dusk: Path) -> None:
        result = run("push", dusk, "--repo", "bob/dusk", "--base-model", BASE_REPO)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: bob/dusk: the Hub denies you access")

    @pytest.mark.parametrize(
        ("token", "says"), [("hf_nobody", "not signed in to the Hub"), ("read-only", "denies you access")]
    )
    def test_a_wrong_token(self, hub: HubServer, run: Run, dusk: Path, token: str, says: str) -> None:
        if token == "read-only":
            token = hub.read_only_token("alice")
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", BASE_REPO, "--token", token)
        assert result.exit_code == 1
        assert says in result.stderr
        assert "hf auth" in result.stderr

    @pytest.mark.parametrize("repo", ["dusk", "alice/", "alice/dusk@v1", "../dusk", "a/b/c"])
    def test_no_repository(self, run: Run, dusk: Path, repo: str) -> None:
        assert run("push", dusk, "--repo", repo).exit_code in (1, 2)


class TestOptions:
    def test_dry_run(self, hub: HubServer, run: Run, dusk: Path) -> None:
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", BASE_REPO, "--dry-run")
        assert result.exit_code == 0
        assert "concept.toml" in result.stdout
        assert "library_name: e2gan" in result.stdout
        assert {request.method for request in hub.requests} <= {"GET", "HEAD"}

    def test_private(self, hub: HubServer, push: Push, dusk: Path) -> None:
        push(dusk, "alice/dusk", "--private")
        assert hub.repository("alice/dusk").settings.private

    def test_another_branch_gets_no_tag(self, hub: HubServer, push: Push, dusk: Path) -> None:
        push(dusk, "alice/dusk", "--revision", "next")
        repository = hub.repository("alice/dusk")
        assert "concept.toml" in repository.files(repository.resolve("next"))
        assert "concept.toml" not in repository.files(repository.resolve("main"))
        assert "refs/tags/v1.2.0" not in repository.refs()

    def test_a_pull_request(self, hub: HubServer, push: Push, dusk: Path) -> None:
        hub.put("bob/dusk", {"README.md": b"hello"})
        push(dusk, "bob/dusk", "--create-pr")
        repository = hub.repository("bob/dusk")
        assert "concept.toml" in repository.files(repository.resolve("refs/pr/1"))
        assert "concept.toml" not in repository.files(repository.resolve("main"))

    def test_the_commits_message(self, hub: HubServer, push: Push, dusk: Path) -> None:
        push(dusk, "alice/dusk", "--commit-message", "Better dusk")
        repository = hub.repository("alice/dusk")
        assert repository.describe_commit(repository.resolve("main")).title == "Better dusk"

    def test_a_distributions_folder(self, hub: HubServer, push: Push, dusk: Path, tmp_path: Path) -> None:
        package = tmp_path / "project" / "e2gan_concept_dusk"
        package.mkdir(parents=True)
        dusk.rename(package / "bundle")
        push(tmp_path / "project")
        assert hub.repository("alice/dusk").resolve("v1.2.0")


class TestBase:
    def test_published_and_remembered(self, hub: HubServer, run: Run, base: Base, dusk: Path) -> None:
        result = run("push-base", base.path, "--repo", "alice/tiny")
        assert result.exit_code == 0, result.stderr
        repository = hub.repository("alice/tiny")
        files = repository.files(repository.resolve("v1.0.0"))
        assert repository.content(files["generator.safetensors"]) == base.generator_path.read_bytes()
        card = ModelCard(repository.content(files["README.md"]).decode())
        assert card.data.tags == ["e2gan", "e2gan-base"]
        assert read_config().bases == {base.sha256: "alice/tiny"}
        assert run("push", dusk, "--repo", "alice/dusk").exit_code == 0

    def test_another_generator_is_refused(self, hub: HubServer, run: Run, base: Base, tmp_path: Path) -> None:
        import shutil

        folder = shutil.copytree(base.path, tmp_path / "base")
        (folder / "generator.safetensors").write_bytes(b"other")
        result = run("push-base", folder, "--repo", "alice/tiny")
        assert result.exit_code == 1
        assert "generator.safetensors: differs from the digest in base.toml" in result.stderr
        assert list(hub.requests) == []


class TestWhereTheBaseIs:
    """It must exist and be the concept's own, before anything is published."""

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (None, "no such repository on the Hub"),
            ({"README.md": b"hello"}, "no base is there"),
            ({"generator.safetensors": b"other weights"}, "another base is there than the concept's 'tiny'"),
        ],
    )
    def test_it_is_not_there(
        self, hub: HubServer, run: Run, dusk: Path, content: dict[str, bytes] | None, says: str
    ) -> None:
        if content is not None:
            hub.put("alice/wrong", content)
        result = run("push", dusk, "--repo", "alice/dusk", "--base-model", "alice/wrong")
        assert (result.exit_code, says in result.stderr) == (1, True), result.stderr
        assert read_config().bases == {}
        assert run("show", "hub:alice/dusk").exit_code == 1

    def test_it_is_found_and_remembered(self, hub: HubServer, run: Run, base: Base, dusk: Path) -> None:
        hub.put("bob/other", {"generator.safetensors": b"other", "README.md": b"---\ntags: [e2gan-base]\n---\n"})
        result = run("push", dusk, "--repo", "alice/dusk")
        assert result.exit_code == 0, result.stderr
        assert "note: the base 'tiny' is alice/tiny on the Hub" in result.stderr
        assert read_config().bases == {base.sha256: BASE_REPO}
        assert "note: the base" not in run("push", dusk, "--repo", "alice/dusk").stderr

    def test_it_has_left(self, hub: HubServer, run: Run, push: Push, base: Base, dusk: Path) -> None:
        push(dusk)
        hub.put(BASE_REPO, {"generator.safetensors": b"other"})
        put_base(hub, "bob/tiny", base)
        result = run("push", dusk, "--repo", "alice/dusk")
        assert (result.exit_code, "the base is no longer where it was" in result.stderr) == (0, True)
        assert read_config().bases == {base.sha256: "bob/tiny"}


def test_worse_than_doing_nothing_is_said(hub: HubServer, run: Run, dusk: Path) -> None:
    record_quality(Concept.read(dusk), {"l1": 0.5, "l1_ratio": 3.84})
    result = run("push", dusk, "--repo", "alice/dusk", "--dry-run")
    assert result.exit_code == 0
    assert "note: worse than doing nothing: L1 ratio 3.84" in result.stderr
    assert "note: try: " in result.stderr


def test_a_search_finds_ones_own_push(hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
    assert run("search").exit_code == 0  # the list is kept for a day
    push(dusk)
    assert "alice/dusk" in run("search", "--offline").stdout
    set_version(dusk, "1.3.0")
    (dusk / "concept.toml").write_text((dusk / "concept.toml").read_text().replace('"Dusk"', '"Nightfall"'))
    push(dusk)
    hub.requests.clear()
    assert run("search", "nightfall").stdout.count("alice/dusk") == 1
    assert list(hub.requests) == []


def test_what_is_named_by_id_path_and_repository(hub: HubServer, run: Run, push: Push, dusk: Path) -> None:
    push(dusk)
    assert run("pull", "alice/dusk").exit_code == 0
    for name in ("dusk", "alice/dusk", "ALICE/Dusk", "hub:alice/dusk", dusk):
        result = run("show", name)
        assert (result.exit_code, result.stdout.splitlines()[:1]) == (0, ["Dusk (dusk 1.2.0)"]), result.stderr
        assert run("push", name, "--repo", "alice/again").exit_code == 0
    assert "hub:alice/other" in run("show", "alice/other").stderr
    for name in ("dusk", "alice/dusk", "hub:alice/dusk"):
        result = run("remove", name)
        assert (result.exit_code, result.stderr) == (0, "removed alice/dusk\n")
        assert listed(run) == {}
        run("pull", "alice/dusk")
    for name, says in (("nothing", "no concept 'nothing'"), (dusk, "was not pulled from the Hub")):
        result = run("remove", name)
        assert (result.exit_code, says in result.stderr) == (1, True)
    assert listed(run)
