"""Uploads: which files go into git-lfs, the store's upload, and the commit."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from fnmatch import fnmatchcase
from typing import Any

from starlette.responses import JSONResponse, Response

from e2gan_hub.devserver import cards
from e2gan_hub.devserver.call import Call, State
from e2gan_hub.devserver.errors import Refusal, entry_not_found, revision_not_found
from e2gan_hub.devserver.repos import open_discussion
from e2gan_hub.devserver.repositories import LFS_ATTRIBUTES, Repository, pointer

LARGE = 10 * 1024 * 1024  # bytes; a larger file goes into git-lfs, whatever its name
SHA256 = re.compile(r"[0-9a-f]{64}")


def lfs_patterns(repository: Repository, commit: str) -> list[str]:
    """The patterns that a commit's ``.gitattributes`` sends into git-lfs."""
    attributes = repository.files(commit).get(".gitattributes")
    lines = repository.read(attributes.oid).decode().splitlines() if attributes else []
    return [line.split()[0] for line in lines if "filter=lfs" in line.split()]


def is_tracked(path: str, patterns: list[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns)


def goes_into_lfs(path: str, size: int, sample: bytes, patterns: list[str]) -> bool:
    """Whether a file goes into git-lfs: its name matches the attributes, or it is large or binary, but not empty."""
    return size > 0 and (size > LARGE or b"\0" in sample or is_tracked(path, patterns))


def preupload(call: Call) -> Response:
    """Which files go into git-lfs, and which of them exist already."""
    creates_pr = bool(call.query.get("create_pr"))
    repository = call.repository() if creates_pr else call.writable()
    call.signed_in()
    commit = repository.resolve(call.path["revision"])
    patterns, present = lfs_patterns(repository, commit), repository.files(commit)
    answer = []
    for file in call.json()["files"]:
        path, entry = file["path"], present.get(file["path"])
        large = goes_into_lfs(path, file["size"], base64.b64decode(file.get("sample", "")), patterns)
        told = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
        if entry:
            told["oid"] = entry.lfs or entry.oid
        answer.append(told)
    return JSONResponse({"files": answer, "commitOid": commit})


# --- git-lfs ---------------------------------------------------------------------------------------------------------


def signature(state: State, *parts: str) -> str:
    """The signature that shows that this server made a link to the store, which itself checks no account."""
    return hmac.new(state.secret.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def storage(call: Call) -> str:
    """The address of the store. On the Hub it is another host, so this server uses another name of this machine."""
    port = call.request.url.port
    host = "localhost" if call.request.url.hostname == "127.0.0.1" else "127.0.0.1"
    return f"http://{host}:{port}/storage"


def lfs_batch(call: Call) -> Response:
    """The upload address of each object; objects that exist get none."""
    call.signed_in()
    repository = call.repository()
    body = call.json()
    if body.get("operation") != "upload":
        raise Refusal(422, "This server takes uploads only; files are read through their links")
    objects: list[dict[str, Any]] = []
    for wanted in body["objects"]:
        oid, size = wanted["oid"], wanted["size"]
        told: dict[str, Any] = {"oid": oid, "size": size}
        if not SHA256.fullmatch(oid):
            told["error"] = {"code": 422, "message": "Not a SHA-256"}
        elif not repository.lfs_file(oid).exists():
            signed = signature(call.state, "PUT", repository.id, oid)
            upload = f"{storage(call)}/{repository.id}/{oid}?signature={signed}"
            verify = f"{call.endpoint}/api/models/{repository.id}/lfs/verify"
            told["actions"] = {"upload": {"href": upload}, "verify": {"href": verify}}
        objects.append(told)
    return JSONResponse({"transfer": "basic", "objects": objects}, media_type="application/vnd.git-lfs+json")


def lfs_put(call: Call) -> Response:
    repository, oid = stored(call, "PUT")
    repository.put_lfs(oid, call.body)
    return Response(status_code=200, headers={"ETag": f'"{oid}"'})


def stored(call: Call, method: str) -> tuple[Repository, str]:
    """The repository and object that a signed link names."""
    id, oid = f"{call.path['owner']}/{call.path['name']}", call.path["oid"]
    repository = call.state.store.get(id)
    signed = signature(call.state, method, id, oid)
    if repository is None or not hmac.compare_digest(call.query.get("signature", ""), signed):
        raise Refusal(403, "The link is not signed")
    return repository, oid


def lfs_verify(call: Call) -> Response:
    call.signed_in()
    repository, body = call.repository(), call.json()
    file = repository.lfs_file(body["oid"]) if SHA256.fullmatch(body["oid"]) else None
    if file is None or not file.exists() or file.stat().st_size != body["size"]:
        raise Refusal(404, "The object has not arrived as it was announced")
    return JSONResponse({})


# --- the commit ------------------------------------------------------------------------------------------------------


def checked(path: Any) -> str:
    """A path that may be in a commit."""
    parts = path.split("/") if isinstance(path, str) else []
    if not parts or any(part in ("", ".", "..", ".git") or "\0" in part or "\\" in part for part in parts):
        raise Refusal(400, f"Invalid path in commit: {path}")
    return str(path)


def changes_of(repository: Repository, head: str, operations: list[tuple[str, Any]]) -> dict[str, bytes | None]:
    """The files of a commit, by path, from the lines that describe them."""
    present, patterns = repository.files(head), lfs_patterns(repository, head)
    changes: dict[str, bytes | None] = {}
    untracked: list[str] = []
    for key, value in operations:
        if key == "deletedFolder":
            folder = checked(value["path"].rstrip("/")) + "/"
            inside = [path for path in present if path.startswith(folder)]
            if not inside:
                raise entry_not_found(head, f"A folder with this name doesn't exist: {value['path']}")
            changes.update(dict.fromkeys(inside))
            continue
        path = checked(value["path"])
        if key == "deletedFile":
            if path not in present:
                raise entry_not_found(head, f"A file with this name doesn't exist: {path}")
            changes[path] = None
        elif key == "file":
            try:
                changes[path] = base64.b64decode(value["content"], validate=True)
            except binascii.Error as error:
                raise Refusal(400, f"{path} is not base64") from error
        elif key == "lfsFile":
            stored_file = repository.lfs_file(value["oid"])
            if not SHA256.fullmatch(value["oid"]) or not stored_file.exists():
                raise Refusal(400, f"{path}: an LFS pointer points to a file that does not exist")
            changes[path] = pointer(value["oid"], stored_file.stat().st_size)
            if not is_tracked(path, patterns):
                untracked.append(path)
        else:
            raise Refusal(400, f"Unknown line in commit: {key}")
    if untracked and ".gitattributes" not in changes:
        attributes = repository.read(present[".gitattributes"].oid) if ".gitattributes" in present else b""
        lines = "".join(f"{path.replace(' ', '[[:space:]]')} {LFS_ATTRIBUTES}\n" for path in untracked)
        changes[".gitattributes"] = attributes + lines.encode()
    return changes


def commit(call: Call) -> Response:
    """One commit from lines of JSON, on a branch or as a new pull request."""
    creates_pr = bool(call.query.get("create_pr"))
    account = call.signed_in()
    repository = call.repository() if creates_pr else call.writable()
    call.must_write(account)
    try:
        lines = [json.loads(line) for line in call.body.splitlines() if line.strip()]
        operations = [(line["key"], line["value"]) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(400, "The commit is not lines of JSON with key and value") from error
    headers = [value for key, value in operations if key == "header"]
    if len(headers) != 1 or not headers[0].get("summary"):
        raise Refusal(400, "A commit needs one header with a summary")
    header = headers[0]

    revision = call.path["revision"]
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    with repository.lock:
        if ref not in repository.refs() or ref.startswith("refs/tags/"):
            raise revision_not_found(revision)
        head = repository.resolve(ref)
        changes = changes_of(repository, head, [(key, value) for key, value in operations if key != "header"])
        card = changes.get("README.md")
        if card is not None:
            errors, _ = cards.check(card.decode("utf-8", "replace"))
            if errors:
                raise Refusal(400, f"Invalid metadata in README.md: {'; '.join(errors)}")
        parent = header.get("parentCommit")
        link = None
        if creates_pr:
            if parent not in (None, head):
                raise Refusal(412, "A commit has happened since. Please refresh and try again.")
            discussion = open_discussion(call, repository, header["summary"], True, header.get("description", ""))
            discussion["status"] = "open"
            repository.save()
            ref, parent = f"refs/pr/{discussion['num']}", None
            link = f"{call.endpoint}/{repository.id}/discussions/{discussion['num']}"
        message = "\n\n".join(filter(None, [header["summary"], header.get("description", "")]))
        oid = repository.commit(changes, message, author=account.name, ref=ref, parent=parent)
    url = f"{call.endpoint}/{repository.id}/commit/{oid}"
    answer = {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}
    return JSONResponse({**answer, "pullRequestUrl": link} if link else answer)
