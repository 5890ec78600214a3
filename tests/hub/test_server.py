"""The test server, as huggingface_hub's unmodified client sees it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import (
    CommitInfo,
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    constants,
    get_session,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    BadRequestError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from hypothesis import given
from hypothesis import strategies as st

from e2gan_hub.devserver import Break, Drop, Forge, HubServer, Slow, Status, cards
from tests.hub import hostile

REPO = "alice/vangogh"
WEIGHTS = bytes(range(256)) * 4000  # goes into git-lfs by its name
CARD = b"---\nlicense: apache-2.0\ntags:\n- e2gan\n---\n# Van Gogh\n"
FILES = {"README.md": CARD, "concept.toml": b'id = "vangogh"\n', "adapter_model.safetensors": WEIGHTS}


def commit(api: HfApi, files: dict[str, bytes], id: str = REPO, **options: Any) -> CommitInfo:
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(id, operations, commit_message="Files", **options)


def failing(call: Callable[[], object]) -> int:
    """The status with which the client's call fails."""
    with pytest.raises(HfHubHTTPError) as caught:
        call()
    return caught.value.response.status_code


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return hub.api("alice")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have waited before it tries again."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


# --- repositories ----------------------------------------------------------------------------------------------------


def test_a_repository_is_created_once(api: HfApi) -> None:
    assert api.create_repo(REPO) == f"{api.endpoint}/{REPO}"
    assert failing(lambda: api.create_repo(REPO)) == 409
    assert api.create_repo(REPO, exist_ok=True).repo_id == REPO
    assert api.list_repo_files(REPO) == [".gitattributes"]
    assert [entry.title for entry in api.list_repo_commits(REPO)] == ["initial commit"]


def test_only_its_owner_writes_to_a_namespace(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    reader = HfApi(endpoint=hub.endpoint, token=hub.read_only_token("alice"))
    for who, status in ((hub.api("bob"), 403), (reader, 403), (hub.api(), 401)):
        assert failing(lambda who=who: who.create_repo("alice/other")) == status
        assert failing(lambda who=who: commit(who, {"a.txt": b"a"})) == status
        assert failing(lambda who=who: who.create_tag(REPO, tag="v1")) == status
        assert failing(lambda who=who: who.delete_repo(REPO)) == status
    assert api.list_repo_refs(REPO).tags == []
    assert reader.model_info(REPO).id == REPO


def test_a_deleted_repository_is_gone(api: HfApi) -> None:
    api.create_repo(REPO)
    api.delete_repo(REPO)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info(REPO)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(REPO)
    api.create_repo(REPO)


@pytest.mark.parametrize("name", ["-vangogh", "van--gogh", "vangogh.git", "van gogh", "..", "v" * 97])
def test_names_that_the_hub_refuses(hub: HubServer, name: str) -> None:
    body = {"name": name, "organization": "alice"}
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    assert get_session().post(f"{hub.endpoint}/api/repos/create", json=body, headers=headers).status_code == 400


def test_a_private_repository_is_its_owners(hub: HubServer, api: HfApi) -> None:
    api.create_repo(REPO, private=True)
    commit(api, FILES)
    for who, status in ((hub.api("bob"), 404), (hub.api(), 401)):
        with pytest.raises(RepositoryNotFoundError) as caught:
            who.model_info(REPO)
        assert caught.value.response.status_code == status
        with pytest.raises(RepositoryNotFoundError):
            who.hf_hub_download(REPO, "concept.toml")
        assert list(who.list_models()) == []
    assert [model.id for model in api.list_models()] == [REPO]
    assert Path(api.hf_hub_download(REPO, "adapter_model.safetensors")).read_bytes() == WEIGHTS
    api.update_repo_settings(REPO, private=False)
    assert hub.api().model_info(REPO).private is False


def test_a_gated_repository_shows_itself_but_not_its_files(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    api.update_repo_settings(REPO, gated="manual")
    assert hub.api("bob").model_info(REPO).gated == "manual"
    for who, status in ((hub.api("bob"), 403), (hub.api(), 401)):
        with pytest.raises(GatedRepoError) as caught:
            who.hf_hub_download(REPO, "concept.toml")
        assert caught.value.response.status_code == status
    hub.put(REPO, {}, granted=["bob"])
    assert Path(hub.api("bob").hf_hub_download(REPO, "concept.toml")).read_bytes() == FILES["concept.toml"]


def test_who_is_signed_in(hub: HubServer, api: HfApi) -> None:
    assert api.whoami()["name"] == "alice"
    assert failing(lambda: HfApi(endpoint=hub.endpoint, token="hf_nobody").whoami()) == 401
    hub.put(REPO, FILES)
    assert failing(lambda: HfApi(endpoint=hub.endpoint, token="hf_nobody").model_info(REPO)) == 401


# --- files in --------------------------------------------------------------------------------------------------------


def test_what_is_uploaded_comes_back(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    for path, content in {
        **FILES,
        "deep/er/note.txt": "žluť".encode(),
        "preview.webp": b"RIFF\0\0",
        "empty": b"",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    api.create_repo(REPO)
    pushed = api.upload_folder(repo_id=REPO, folder_path=folder, commit_message="The concept")
    assert pushed.commit_url == f"{hub.endpoint}/{REPO}/commit/{pushed.oid}"
    got = Path(snapshot_download(REPO))
    assert got.name == pushed.oid
    for file in folder.rglob("*"):
        if file.is_file():
            assert (got / file.relative_to(folder)).read_bytes() == file.read_bytes()
    kept = {entry.path for entry in api.list_repo_tree(REPO, recursive=True) if getattr(entry, "lfs", None)}
    assert kept == {"adapter_model.safetensors", "preview.webp"}
    assert "preview.webp filter=lfs" in (got / ".gitattributes").read_text()


def test_the_same_push_again_makes_no_commit(hub: HubServer, api: HfApi) -> None:
    api.create_repo(REPO)
    first = commit(api, FILES)
    hub.requests.clear()
    assert commit(api, FILES).oid == first.oid
    assert hub.requests.count("POST", "*/commit/*") == 0
    assert hub.requests.count("PUT") == 0


def test_a_commit_changes_what_it_names(api: HfApi) -> None:
    api.create_repo(REPO)
    commit(api, {**FILES, "old/a.txt": b"a", "old/b.txt": b"b"})
    changes = [
        CommitOperationDelete("concept.toml"),
        CommitOperationDelete("old/"),
        CommitOperationCopy("adapter_model.safetensors", "copy.safetensors"),
        CommitOperationAdd("new.txt", b"new"),
    ]
    made = api.create_commit(REPO, changes, commit_message="Changes", commit_description="Why they\n\nare made")
    wanted = {".gitattributes", "README.md", "adapter_model.safetensors", "copy.safetensors", "new.txt"}
    assert set(api.list_repo_files(REPO)) == wanted
    assert Path(api.hf_hub_download(REPO, "copy.safetensors")).read_bytes() == WEIGHTS
    newest = api.list_repo_commits(REPO)[0]
    assert (newest.commit_id, newest.title, newest.authors) == (made.oid, "Changes", ["alice"])
    assert newest.message == "Why they\n\nare made"
    with pytest.raises(RemoteEntryNotFoundError):
        api.create_commit(REPO, [CommitOperationDelete("concept.toml")], commit_message="Again")


def test_a_commit_on_a_stale_parent_is_refused(api: HfApi) -> None:
    api.create_repo(REPO)
    first = commit(api, FILES).oid
    second = commit(api, {"a.txt": b"a"}, parent_commit=first).oid
    assert failing(lambda: commit(api, {"b.txt": b"b"}, parent_commit=first)) == 412
    assert api.model_info(REPO).sha == second


def test_commits_at_once_all_land(api: HfApi) -> None:
    api.create_repo(REPO)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: commit(api, {f"{number}.txt": b"x"}).oid, range(8)))
    assert set(api.list_repo_files(REPO)) == {".gitattributes", *(f"{number}.txt" for number in range(8))}
    assert {entry.commit_id for entry in api.list_repo_commits(REPO)} > set(made)


def test_of_commits_at_once_on_one_parent_one_lands(api: HfApi) -> None:
    api.create_repo(REPO)
    parent = api.model_info(REPO).sha

    def attempt(number: int) -> int:
        try:
            commit(api, {f"{number}.txt": b"x"}, parent_commit=parent)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [200] + [412] * 7
    assert len(api.list_repo_commits(REPO)) == 2


@pytest.mark.parametrize("path", ["../evil", "a/../../evil", "/evil", ".git/config", "a//b", "a\\b", "."])
def test_a_path_out_of_the_repository_is_refused(hub: HubServer, api: HfApi, path: str) -> None:
    api.create_repo(REPO)
    lines = [
        {"key": "header", "value": {"summary": "Evil"}},
        {"key": "file", "value": {"path": path, "content": "", "encoding": "base64"}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    answer = get_session().post(f"{hub.endpoint}/api/models/{REPO}/commit/main", content=body, headers=headers)
    assert answer.status_code == 400
    assert api.list_repo_files(REPO) == [".gitattributes"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"key": "file"}', b'{"key": "header", "value": {}}'])
def test_a_commit_that_makes_no_sense_is_refused(hub: HubServer, api: HfApi, body: bytes) -> None:
    api.create_repo(REPO)
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    answer = get_session().post(f"{hub.endpoint}/api/models/{REPO}/commit/main", content=body, headers=headers)
    assert answer.status_code == 400


def test_the_store_takes_only_what_was_announced(hub: HubServer, api: HfApi) -> None:
    api.create_repo(REPO)
    headers = {"Authorization": f"Bearer {hub.tokens['alice']}"}
    batch = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": 4}]}
    answer = get_session().post(f"{hub.endpoint}/{REPO}.git/info/lfs/objects/batch", json=batch, headers=headers)
    actions = answer.json()["objects"][0]["actions"]
    link = actions["upload"]["href"]
    assert get_session().put(link, content=b"data").status_code == 400  # another SHA-256
    assert get_session().put(link.partition("?")[0], content=b"data").status_code == 403  # no signature
    announced = {"oid": "0" * 64, "size": 4}
    assert get_session().post(actions["verify"]["href"], json=announced, headers=headers).status_code == 404
    lines = [
        {"key": "header", "value": {"summary": "A pointer to nothing"}},
        {"key": "lfsFile", "value": {"path": "a.bin", "algo": "sha256", **announced}},
    ]
    body = "\n".join(json.dumps(line) for line in lines)
    answer = get_session().post(f"{hub.endpoint}/api/models/{REPO}/commit/main", content=body, headers=headers)
    assert answer.status_code == 400


def test_a_card_that_the_hub_would_refuse_stops_the_push(hub: HubServer, api: HfApi) -> None:
    api.create_repo(REPO)
    for card in (b"---\nlicense: my own\n---\n", b"---\nbase_model: not a name\n---\n", b"---\na: [\n---\n"):
        with pytest.raises(ValueError, match=r"Invalid metadata in README\.md"):
            commit(api, {"README.md": card})
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        commit(api, {"README.md": b"# No metadata\n"})
    assert hub.requests.count("POST", "*/commit/*") == 1


# --- revisions -------------------------------------------------------------------------------------------------------


def test_tags(hub: HubServer, api: HfApi) -> None:
    first = hub.put(REPO, FILES)
    api.create_tag(REPO, tag="v1.0.0", tag_message="The first")
    second = commit(api, {"concept.toml": b'id = "second"\n'}).oid
    api.create_tag(REPO, tag="v2.0.0")
    api.create_tag(REPO, tag="again", revision="v1.0.0")
    assert failing(lambda: api.create_tag(REPO, tag="v1.0.0")) == 409
    api.create_tag(REPO, tag="v1.0.0", exist_ok=True)
    found = {tag.name: tag.target_commit for tag in api.list_repo_refs(REPO).tags}
    assert found == {"v1.0.0": first, "v2.0.0": second, "again": first}
    assert Path(snapshot_download(REPO, revision="v1.0.0")).name == first
    api.delete_tag(REPO, tag="again")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(REPO, tag="again")
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(REPO, tag="lost", revision="nowhere")
    for name in ("a..b", "a b", "a~1"):
        with pytest.raises(BadRequestError):
            api.create_tag(REPO, tag=name)


def test_branches(hub: HubServer, api: HfApi) -> None:
    first = hub.put(REPO, FILES)
    api.create_branch(REPO, branch="feature/new")
    assert failing(lambda: api.create_branch(REPO, branch="feature/new")) == 409
    second = commit(api, {"a.txt": b"a"}, revision="feature/new").oid
    assert {branch.name: branch.target_commit for branch in api.list_repo_refs(REPO).branches} == {
        "feature/new": second,
        "main": first,
    }
    assert Path(hf_hub_download(REPO, "a.txt", revision="feature/new")).read_bytes() == b"a"
    api.delete_branch(REPO, branch="feature/new")
    assert failing(lambda: api.delete_branch(REPO, branch="main")) == 403
    with pytest.raises(RevisionNotFoundError):
        commit(api, {"a.txt": b"a"}, revision="feature/new")


def test_a_pull_request_is_a_revision_until_it_is_merged(hub: HubServer, api: HfApi) -> None:
    first = hub.put(REPO, FILES)
    bob = hub.api("bob")
    offered = commit(bob, {"concept.toml": b"better\n"}, create_pr=True)
    assert (offered.pr_num, offered.pr_revision) == (1, "refs/pr/1")
    assert offered.pr_url == f"{hub.endpoint}/{REPO}/discussions/1"
    assert api.model_info(REPO).sha == first
    assert Path(hf_hub_download(REPO, "concept.toml", revision="refs/pr/1")).read_bytes() == b"better\n"
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    assert [(ref.ref, ref.target_commit) for ref in refs.pull_requests or []] == [("refs/pr/1", offered.oid)]
    listed = list(api.get_repo_discussions(REPO, discussion_type="pull_request", discussion_status="open"))
    assert [(pr.num, pr.title, pr.author) for pr in listed] == [(1, "Files", "bob")]
    assert failing(lambda: bob.merge_pull_request(REPO, 1)) == 403
    api.merge_pull_request(REPO, 1)
    assert api.model_info(REPO).sha == offered.oid
    details = api.get_discussion_details(REPO, 1)
    assert (details.status, details.merge_commit_oid) == ("merged", offered.oid)
    assert list(api.get_repo_discussions(REPO, discussion_status="open")) == []


def test_a_pull_request_may_come_before_its_commits(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    opened = api.create_pull_request(REPO, title="A plan")
    assert (opened.num, opened.status) == (1, "draft")
    pushed = commit(api, {"a.txt": b"a"}, revision="refs/pr/1")
    assert api.model_info(REPO, revision="refs/pr/1").sha == pushed.oid
    hub.put(REPO, {"b.txt": b"b"})
    assert failing(lambda: api.merge_pull_request(REPO, 1)) == 409


def test_what_is_not_there(hub: HubServer, api: HfApi) -> None:
    commit_id = hub.put(REPO, FILES)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("alice/nothing")
    with pytest.raises(RepositoryNotFoundError):
        snapshot_download("alice/nothing")
    for revision in ("nowhere", "refs/pr/7", "0" * 40, "v1.0.0^", commit_id[:39]):
        with pytest.raises(RevisionNotFoundError):
            api.model_info(REPO, revision=revision)
        with pytest.raises(RevisionNotFoundError):
            hf_hub_download(REPO, "concept.toml", revision=revision)
    with pytest.raises(RemoteEntryNotFoundError) as caught:
        hf_hub_download(REPO, "nothing.txt")
    assert caught.value.response.headers["X-Repo-Commit"] == commit_id
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(REPO, "nothing"))
    assert api.get_paths_info(REPO, ["nothing.txt"]) == []
    assert not api.file_exists(REPO, "nothing.txt")
    assert api.file_exists(REPO, "concept.toml")


# --- files out -------------------------------------------------------------------------------------------------------


def test_a_tree_lists_files_and_folders(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, {"a.txt": b"a", "deep/b.txt": b"bb", "deep/er/c.safetensors": WEIGHTS})

    def paths(*where: str, **options: Any) -> list[str]:
        return [entry.path for entry in api.list_repo_tree(REPO, *where, **options)]

    assert paths() == [".gitattributes", "a.txt", "deep"]
    assert paths("deep") == ["deep/b.txt", "deep/er"]
    assert paths("deep/er", recursive=True) == ["deep/er/c.safetensors"]
    assert paths(recursive=True) == [
        *(".gitattributes", "a.txt", "deep", "deep/b.txt", "deep/er", "deep/er/c.safetensors"),
    ]
    small, large = api.get_paths_info(REPO, ["deep/b.txt", "deep/er/c.safetensors"], expand=True)
    assert (small.size, small.lfs, large.size, large.lfs.size) == (2, None, len(WEIGHTS), len(WEIGHTS))
    assert small.last_commit.oid == api.model_info(REPO).sha
    hub.put(REPO, {"a.txt": b"other"})
    unchanged = api.get_paths_info(REPO, "deep/b.txt", expand=True)[0]
    assert unchanged.last_commit.oid == small.last_commit.oid != api.model_info(REPO).sha
    report = api.verify_repo_checksums(REPO, local_dir=snapshot_download(REPO))
    assert not report.mismatches and not report.missing_paths


def test_long_lists_come_in_pages(hub: HubServer, api: HfApi) -> None:
    for number in range(5):
        hub.put(f"alice/concept-{number}", {"a.txt": b"a"})
        hub.put(REPO, {f"files/{number} %.txt": b"a"})
    hub.state.page = 2
    files = [f"files/{number} %.txt" for number in range(5)]
    assert [entry.path for entry in api.list_repo_tree(REPO, "files", revision="main")] == files
    assert hub.requests.count("GET", "*/tree/*") == 3
    assert len(list(api.list_models(search="concept", full=True))) == 5
    assert hub.requests.count("GET", "/api/models") == 3
    assert len(list(api.list_models(limit=3))) == 3
    assert len(api.list_repo_commits(REPO)) == 6
    for number in range(3):
        api.create_discussion(REPO, title=f"Question {number}")
    assert [found.num for found in api.get_repo_discussions(REPO)] == [3, 2, 1]


def test_a_file_in_git_and_one_in_the_store(hub: HubServer, api: HfApi) -> None:
    commit_id = hub.put(REPO, FILES)
    small = api.get_hf_file_metadata(url=f"{hub.endpoint}/{REPO}/resolve/main/concept.toml")
    assert (small.commit_hash, small.size) == (commit_id, len(FILES["concept.toml"]))
    large = api.get_hf_file_metadata(url=f"{hub.endpoint}/{REPO}/resolve/main/adapter_model.safetensors")
    assert (large.commit_hash, large.size) == (commit_id, len(WEIGHTS))
    told = {file.rfilename: file for file in api.model_info(REPO, files_metadata=True).siblings or []}
    assert small.etag == told["concept.toml"].blob_id
    assert told["adapter_model.safetensors"].lfs
    assert large.etag == told["adapter_model.safetensors"].lfs.sha256
    # As on the Hub, the store is another host, which is not shown the token.
    assert large.location.startswith(f"http://localhost:{hub.port}/storage/")
    hub.requests.clear()
    api.hf_hub_download(REPO, "adapter_model.safetensors")
    from_store = [asked for asked in hub.requests if asked.path.startswith("/storage/")]
    assert [asked.method for asked in from_store] == ["GET"]
    assert "authorization" not in from_store[0].headers


@pytest.mark.parametrize("path", ["concept.toml", "adapter_model.safetensors"])
@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=3-7", slice(3, 8)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-4", slice(-4, None)),
        ("bytes=9-99999999", slice(9, None)),
    ],
)
def test_a_part_of_a_file(hub: HubServer, path: str, asked: str, part: slice) -> None:
    hub.put(REPO, FILES)
    got = get_session().get(f"{hub.endpoint}/{REPO}/resolve/main/{path}", headers={"Range": asked})
    assert (got.status_code, got.content) == (206, FILES[path][part])
    beyond = {"Range": f"bytes={len(FILES[path])}-"}
    assert get_session().get(f"{hub.endpoint}/{REPO}/resolve/main/{path}", headers=beyond).status_code == 416


def test_a_cached_commit_is_not_asked_for(hub: HubServer) -> None:
    commit_id = hub.put(REPO, FILES)
    snapshot_download(REPO, revision=commit_id)
    hub.requests.clear()
    snapshot_download(REPO, revision=commit_id)
    assert len(hub.requests) == 0


# --- what is known of models -----------------------------------------------------------------------------------------


def card(**fields: Any) -> dict[str, bytes]:
    return {"README.md": f"---\n{json.dumps(fields)}\n---\n# A card\n".encode()}


def test_a_card_gives_the_tags(hub: HubServer, api: HfApi) -> None:
    told = card(
        library_name="e2gan",
        tags=["e2gan-concept", "lora"],
        license="apache-2.0",
        base_model="alice/scenery",
        base_model_relation="adapter",
        pipeline_tag="image-to-image",
    )
    hub.put(REPO, {**FILES, **told}, downloads=12, likes=3)
    info = api.model_info(REPO)
    assert set(info.tags or []) == {
        *("e2gan", "e2gan-concept", "lora", "image-to-image", "safetensors", "license:apache-2.0", "region:us"),
        *("base_model:alice/scenery", "base_model:adapter:alice/scenery"),
    }
    assert (info.library_name, info.pipeline_tag, info.downloads, info.likes) == ("e2gan", "image-to-image", 12, 3)
    assert info.card_data and info.card_data.base_model == "alice/scenery"
    assert [file.rfilename for file in info.siblings or []] == sorted({".gitattributes", *FILES})


def test_a_model_as_it_was(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, card(license="mit"), tags=["v1"])
    hub.put(REPO, card(license="isc"))
    assert "license:mit" in (api.model_info(REPO, revision="v1").tags or [])
    assert "license:isc" in (api.model_info(REPO).tags or [])
    only = api.model_info(REPO, expand=["downloads", "sha"])
    assert (only.downloads, only.sha, only.tags, only.siblings) == (0, api.model_info(REPO).sha, None, None)


def test_models_are_found(hub: HubServer, api: HfApi) -> None:
    hub.put("alice/vangogh", card(tags=["e2gan", "painting"], license="mit"), downloads=5, at=1000)
    hub.put("alice/autumn", card(tags=["e2gan"], base_model="alice/scenery"), downloads=50, at=3000)
    hub.put("bob/vangogh-2", card(tags=["e2gan", "painting"]), downloads=20, likes=9, at=2000)
    hub.put("bob/other", card(tags=["llm"]))

    def found(**query: Any) -> list[str]:
        return [model.id for model in api.list_models(**query)]

    assert found(filter="e2gan", sort="downloads") == ["alice/autumn", "bob/vangogh-2", "alice/vangogh"]
    assert found(filter="e2gan", sort="last_modified") == ["alice/autumn", "bob/vangogh-2", "alice/vangogh"]
    assert found(filter="e2gan", sort="likes", limit=1) == ["bob/vangogh-2"]
    assert found(filter=["e2gan", "painting"], author="bob") == ["bob/vangogh-2"]
    assert found(search="VANGOGH", author="alice") == ["alice/vangogh"]
    assert found(filter="base_model:alice/scenery") == ["alice/autumn"]
    assert found(filter="license:mit") == ["alice/vangogh"]
    assert found(search="nothing") == []


def test_a_list_says_as_much_as_is_asked(hub: HubServer, api: HfApi) -> None:
    commit_id = hub.put(REPO, {**FILES, **card(license="mit", released="2024-02-03")})
    (short,) = api.list_models()
    assert (short.sha, short.card_data, short.siblings) == (None, None, None)
    (full,) = api.list_models(full=True, cardData=True)
    assert full.sha == commit_id
    assert full.card_data and full.card_data.license == "mit"
    assert {file.rfilename for file in full.siblings or []} == {".gitattributes", *FILES}
    (some,) = api.list_models(expand=["cardData", "lastModified"])
    assert some.card_data and some.last_modified and some.tags is None


@given(st.text())
def test_any_card_is_read(text: str) -> None:
    for read in (text, f"---\n{text}\n---\n"):
        errors, warnings = cards.check(read)
        assert all(isinstance(line, str) for line in errors + warnings)
        if not errors:
            assert "region:us" in cards.tags(cards.front_matter(read) or {}, set())


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 409, 412, 429, 500, 502, 503, 504])
def test_any_status_on_demand(hub: HubServer, api: HfApi, status: int) -> None:
    hub.put(REPO, FILES)
    hub.faults.add("GET", f"/api/models/{REPO}", Status(status, "Because the test says so"))
    with pytest.raises(HfHubHTTPError, match="Because the test says so") as caught:
        api.model_info(REPO)
    assert caught.value.response.status_code == status
    assert api.model_info(REPO).id == REPO


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("RepoNotFound", RepositoryNotFoundError),
        ("RevisionNotFound", RevisionNotFoundError),
        ("EntryNotFound", RemoteEntryNotFoundError),
        ("GatedRepo", GatedRepoError),
    ],
)
def test_any_error_code_on_demand(hub: HubServer, code: str, error: type[Exception]) -> None:
    hub.put(REPO, FILES)
    hub.faults.add("HEAD", "*/resolve/*/concept.toml", Status(404, code=code))
    with pytest.raises(error):
        hf_hub_download(REPO, "concept.toml")


def test_the_client_waits_as_long_as_it_is_told(hub: HubServer, api: HfApi, waits: list[float]) -> None:
    hub.put(REPO, FILES)
    hub.faults.add("GET", "*/tree/*", Status(429, retry_after=7), times=2)
    assert [entry.path for entry in api.list_repo_tree(REPO)] == sorted([".gitattributes", *FILES])
    assert waits == [8.0, 8.0]  # one more than told, against rounding


def test_a_fault_may_let_some_pass(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    hub.faults.add("*", "/api/models/*", Status(500), times=None, skip=1)
    assert api.model_info(REPO).id == REPO
    assert [failing(lambda: api.model_info(REPO)) for _ in range(3)] == [500] * 3
    hub.faults.clear()
    assert api.model_info(REPO).id == REPO


def test_an_answer_may_come_too_late(hub: HubServer) -> None:
    hub.put(REPO, FILES)
    hub.faults.add("HEAD", "*", Slow(60))
    with pytest.raises(Exception, match="timed out"):
        get_session().head(f"{hub.endpoint}/{REPO}/resolve/main/concept.toml", timeout=0.05)
    hub.faults.add("HEAD", "*", Slow(60))
    got = hf_hub_download(REPO, "concept.toml", etag_timeout=0.05)  # asks again, with more patience
    assert Path(got).read_bytes() == FILES["concept.toml"]
    assert hub.requests.count("HEAD") == 3


@pytest.mark.parametrize("path", ["concept.toml", "adapter_model.safetensors"])
@pytest.mark.parametrize("tenth", range(10))
def test_a_download_that_breaks_is_resumed(
    hub: HubServer, waits: list[float], monkeypatch: pytest.MonkeyPatch, path: str, tenth: int
) -> None:
    # The client keeps whole chunks only; of the usual 10 MiB, it would have none of these files yet.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 if path == "concept.toml" else len(WEIGHTS) // 100)
    hub.put(REPO, FILES)
    hub.faults.add("GET", f"*/{path}", Break(share=tenth / 10))
    assert Path(hf_hub_download(REPO, path)).read_bytes() == FILES[path]
    asked = [asked.headers.get("range") for asked in hub.requests if asked.method == "GET"]
    got = int(len(FILES[path]) * tenth / 10)
    assert asked == [None, f"bytes={got}-" if got else None]


def test_a_download_may_break_for_good(hub: HubServer, waits: list[float]) -> None:
    hub.put(REPO, FILES)
    hub.faults.add("GET", "/storage/*", Break(after=0), times=None)
    with pytest.raises(Exception, match="peer closed connection"):
        hf_hub_download(REPO, "adapter_model.safetensors")
    assert hub.requests.count("GET", "/storage/*") == 6


@pytest.mark.parametrize("after", [False, True])
def test_an_upload_whose_connection_drops_is_sent_again(
    hub: HubServer, api: HfApi, waits: list[float], after: bool
) -> None:
    api.create_repo(REPO)
    hub.faults.add("PUT", "/storage/*", Drop(after), times=2)
    commit(api, FILES)
    assert hub.requests.count("PUT", "/storage/*") == 3
    assert Path(hf_hub_download(REPO, "adapter_model.safetensors")).read_bytes() == WEIGHTS


@pytest.mark.parametrize("after", [False, True])
def test_the_server_dies_between_upload_and_commit(hub: HubServer, api: HfApi, after: bool) -> None:
    api.create_repo(REPO)
    before = api.model_info(REPO).sha
    hub.die("POST", "*/commit/*", after=after)
    with pytest.raises(Exception, match="disconnected"):
        commit(api, FILES)
    with pytest.raises(Exception, match=r"refused|disconnected|reset"):
        api.model_info(REPO)
    hub.start()
    found = api.model_info(REPO).sha
    assert (found != before) is after
    hub.requests.clear()
    made = commit(api, FILES)
    assert hub.requests.count("PUT") == 0  # the upload is still there
    assert (made.oid == found) is after
    assert len(api.list_repo_commits(REPO)) == 2


def test_a_repository_outlives_its_server(hub: HubServer, tmp_path: Path) -> None:
    commit_id = hub.put(REPO, FILES, tags=["v1"], downloads=7, private=True)
    hub.stop()
    other = HubServer(hub.folder, hub.tokens).start()
    info = other.api("alice").model_info(REPO, revision="v1")
    assert (info.sha, info.downloads, info.private) == (commit_id, 7, True)
    other.kill()


# --- hostile repositories --------------------------------------------------------------------------------------------


def test_a_link_is_listed_as_a_file(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    hostile.add_symlink(hub.repository(REPO), "link.txt", "/etc/passwd")
    assert Path(hf_hub_download(REPO, "link.txt")).read_text() == "/etc/passwd"
    assert hub.repository(REPO).files(api.model_info(REPO).sha or "")["link.txt"].mode == 0o120000


@pytest.mark.parametrize("path", ["../evil.txt", "a/../../evil.txt", ".git/config"])
def test_a_path_that_leads_out_is_listed(hub: HubServer, api: HfApi, path: str) -> None:
    hub.put(REPO, FILES)
    hostile.add_path(hub.repository(REPO), path, b"evil")
    assert path in api.list_repo_files(REPO)
    if ".." in path:
        with pytest.raises(ValueError, match="Invalid"):
            snapshot_download(REPO)


def test_a_large_file_is_only_declared(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    hostile.declare(hub.repository(REPO), "huge.safetensors", 10 * 2**30)
    (entry,) = api.get_paths_info(REPO, "huge.safetensors")
    assert entry.size == 10 * 2**30
    assert failing(lambda: hf_hub_download(REPO, "huge.safetensors")) == 404


def test_a_tampered_file_has_the_same_name_and_size(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    (before,) = api.get_paths_info(REPO, "adapter_model.safetensors")
    hostile.tamper(hub.repository(REPO), "adapter_model.safetensors")
    assert api.get_paths_info(REPO, "adapter_model.safetensors") == [before]
    got = Path(hf_hub_download(REPO, "adapter_model.safetensors")).read_bytes()
    assert len(got) == len(WEIGHTS)
    assert sum(new != old for new, old in zip(got, WEIGHTS)) == 1


def test_a_tag_is_moved(hub: HubServer, api: HfApi) -> None:
    first = hub.put(REPO, FILES, tags=["v1.0.0"])
    second = hub.put(REPO, {"concept.toml": b"other"}, tags=["v1.0.0"])
    assert api.model_info(REPO, revision="v1.0.0").sha == second != first
    assert api.model_info(REPO, revision=first).sha == first


def test_an_answer_is_forged(hub: HubServer, api: HfApi) -> None:
    hub.put(REPO, FILES)
    forged = {"type": "file", "oid": "0" * 40, "size": 1, "path": "../evil.txt"}
    hub.faults.add("GET", "*/tree/*", Forge(lambda entries: [*entries, forged]))
    assert "../evil.txt" in api.list_repo_files(REPO)
    hub.faults.add("GET", "*/resolve/*", Forge(lambda body: body[::-1]))
    assert Path(hf_hub_download(REPO, "concept.toml")).read_bytes() == FILES["concept.toml"][::-1]


# --- as others see it ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_finds_nothing_wrong(hub: HubServer, api: HfApi, tmp_path: Path) -> None:
    api.create_repo(REPO)
    commit(api, {**FILES, "deep/er/a.txt": b"a", "deep.txt": b"b"})
    api.create_tag(REPO, tag="v1.0.0")
    commit(api, {"concept.toml": b"other"}, create_pr=True)
    clone = tmp_path / "clone"
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str, where: Path) -> str:
        command = ["git", "-C", str(where), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    git("fsck", "--strict", "--no-dangling", where=hub.repository(REPO).folder)
    git("clone", "--branch", "v1.0.0", str(hub.repository(REPO).folder), str(clone), where=tmp_path)
    assert (clone / "README.md").read_bytes() == CARD
    assert (clone / "deep/er/a.txt").read_bytes() == b"a"
    assert git("log", "--format=%an %s", where=clone).splitlines() == ["alice Files", "hub initial commit"]


def test_a_program_of_its_own_uses_it(hub: HubServer, tmp_path: Path) -> None:
    hub.put(REPO, FILES, private=True)
    code = f"from huggingface_hub import snapshot_download; print(snapshot_download({REPO!r}))"
    environment = {**os.environ, **hub.environment(tmp_path / "home", "alice")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (Path(done.stdout.strip()) / "adapter_model.safetensors").read_bytes() == WEIGHTS


def test_it_is_started_by_hand(tmp_path: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "e2gan", "hub-server", "--port", "0", "--folder", str(tmp_path / "hub")]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        told: dict[str, str] = {}
        for line in server.stdout:
            if line.startswith("  export "):
                told |= dict(pair.split("=", 1) for pair in line.split("#")[0].split()[1:])
            if "Ctrl-C" in line:
                break
        code = "from huggingface_hub import create_repo, whoami; print(create_repo('mine').repo_id)"
        environment = {**os.environ, **told, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        server.terminate()
    assert set(told) == {"HF_ENDPOINT", "HF_TOKEN", "HF_HOME", "HF_HUB_DISABLE_XET"}
    assert done.stdout.strip() == "me/mine", done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_it_without_a_folder(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "e2gan", "hub-server", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert any("Ctrl-C" in line for line in server.stdout)
        assert list(tmp_path.iterdir())
        server.send_signal(number)
        try:
            assert server.wait(120) == 0
        finally:
            server.kill()
    assert list(tmp_path.iterdir()) == []


def run_server(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "e2gan", "hub-server", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_port_that_is_taken_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_server("--port", str(port), "--folder", str(tmp_path / "hub"))
    assert done.returncode == 1 and done.stdout == ""
    first, hint = done.stderr.splitlines()
    assert first.startswith(f"error: port {port} cannot be used: ") and hint == "hint: name another --port"


def test_a_folder_that_cannot_be_made_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_server("--port", "0", "--folder", str(tmp_path / "file/hub"))
    assert done.returncode == 1 and done.stderr.splitlines()[0].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr


def test_an_account_without_a_token_is_misuse() -> None:
    done = run_server("--account", "alice")
    assert done.returncode == 2 and "NAME=TOKEN" in done.stderr


def test_a_browser_gets_a_list_without_what_is_private(tmp_path: Path) -> None:
    server = HubServer(tmp_path / "hub", {"alice": "hf_alice"}).start()
    try:
        with httpx.Client(base_url=server.endpoint) as client:
            assert "none yet" in client.get("/").text
            for name in ("dusk", "secret"):
                told = {"name": name, "type": "model", "visibility": "private" if name == "secret" else "public"}
                signed_in = {"Authorization": "Bearer hf_alice"}
                assert client.post("/api/repos/create", json=told, headers=signed_in).is_success
            assert "  alice/dusk\n" in client.get("/").text and "secret" not in client.get("/").text
    finally:
        server.stop()


def test_a_browser_gets_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "site/concepts").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text("the front page")
    (tmp_path / "site/concepts/dusk.html").write_text("dusk")
    server = HubServer(tmp_path / "hub", {"alice": "hf_alice"}, catalogue=tmp_path / "site").start()
    try:
        with httpx.Client(base_url=server.endpoint, follow_redirects=True) as client:
            assert client.get("/").text == "the front page"
            assert client.get("/catalogue/concepts/dusk.html").text == "dusk"
            assert client.get("/catalogue/../hub").status_code == 404
            assert client.get("/api/models").json() == []
    finally:
        server.stop()


def test_a_folder_without_a_site_is_told_in_a_line(tmp_path: Path) -> None:
    done = run_server("--port", "0", "--catalogue", str(tmp_path))
    assert done.returncode == 1 and "holds no site" in done.stderr and "e2gan catalogue" in done.stderr
