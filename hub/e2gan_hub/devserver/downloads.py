"""Downloads: the tree, the metadata of paths, and the files themselves."""

from __future__ import annotations

import mimetypes
import re
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, RedirectResponse, Response

from e2gan_hub.devserver.call import Call
from e2gan_hub.devserver.errors import Refusal, entry_not_found
from e2gan_hub.devserver.repos import iso, may_read_files
from e2gan_hub.devserver.repositories import Entry, Repository
from e2gan_hub.devserver.uploads import signature, storage, stored


def describe(entry: Entry) -> dict[str, Any]:
    """An entry as the tree lists it."""
    told: dict[str, Any] = {
        "type": "directory" if entry.is_folder else "file",
        "oid": entry.oid,
        "size": entry.size,
        "path": entry.path,
    }
    if entry.lfs:
        told["lfs"] = {"oid": entry.lfs, "size": entry.size, "pointerSize": entry.pointer_size}
    return told


def expanded(repository: Repository, commit: str, entry: Entry) -> dict[str, Any]:
    """An entry as the expanded tree lists it, with the last commit that changed it."""
    history = repository.history(commit)
    last = history[0]
    for older in history[1:]:
        if not any(earlier.path == entry.path and earlier.oid == entry.oid for earlier in repository.entries(older.id)):
            break
        last = older
    safe = {"status": "safe", "avScan": None, "pickleImportScan": None}
    told = {**describe(entry), "lastCommit": {"id": last.id, "title": last.title, "date": iso(last.time)}}
    return told if entry.is_folder else {**told, "securityFileStatus": safe}


def tree(call: Call) -> Response:
    repository = call.repository()
    commit = repository.resolve(call.path["revision"])
    folder = call.path.get("path", "").strip("/")
    prefix = f"{folder}/" if folder else ""
    listed = [entry for entry in repository.entries(commit) if entry.path.startswith(prefix)]
    if folder and not listed:
        raise entry_not_found(commit, f"{folder} does not exist on {call.path['revision']}")
    if call.query.get("recursive") not in ("true", "1"):
        listed = [entry for entry in listed if "/" not in entry.path.removeprefix(prefix)]
    expand = call.query.get("expand") in ("true", "1")
    entries = [expanded(repository, commit, entry) if expand else describe(entry) for entry in listed]
    return call.page(entries, int(call.query.get("limit", call.state.page)))


def paths_info(call: Call) -> Response:
    """The metadata of the paths that exist; other paths are left out."""
    repository = call.repository()
    commit = repository.resolve(call.path["revision"])
    if "json" in call.request.headers.get("content-type", ""):
        wanted, expand = call.json()["paths"], bool(call.json().get("expand"))
    else:
        wanted, expand = call.form().get("paths", []), call.form().get("expand", ["false"])[0].lower() == "true"
    listed = [entry for entry in repository.entries(commit) if entry.path in wanted]
    return JSONResponse([expanded(repository, commit, entry) if expand else describe(entry) for entry in listed])


def resolve(call: Call) -> Response:
    """A file of a revision; one in git-lfs is redirected to the store."""
    repository = call.repository()
    may_read_files(call, repository)
    commit = repository.resolve(call.path["revision"])
    entry = repository.files(commit).get(call.path["path"])
    if entry is None:
        raise entry_not_found(commit)
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    if entry.lfs is None:
        return ranged(call, repository.read(entry.oid), entry.path, {**headers, "ETag": f'"{entry.oid}"'})
    name = quote(entry.path.rpartition("/")[2])
    signed = signature(call.state, "GET", repository.id, entry.lfs)
    location = f"{storage(call)}/{repository.id}/{entry.lfs}/{name}?signature={signed}"
    linked = {"X-Linked-Size": str(entry.size), "X-Linked-ETag": f'"{entry.lfs}"', "ETag": f'"{entry.oid}"'}
    return RedirectResponse(location, 302, {**headers, **linked})


def lfs_get(call: Call) -> Response:
    repository, oid = stored(call, "GET")
    file = repository.lfs_file(oid)
    if not file.exists():
        raise Refusal(404, "NoSuchKey")
    return ranged(call, file.read_bytes(), call.path["file"], {"Accept-Ranges": "bytes", "ETag": f'"{oid}"'})


def ranged(call: Call, content: bytes, path: str, headers: dict[str, str]) -> Response:
    """The content, or the requested part of it."""
    name = path.rpartition("/")[2]
    headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name)}; filename=\"{quote(name)}\";"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind = "text/plain; charset=utf-8"
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", call.request.headers.get("range", ""))
    if not asked or not any(asked.groups()):
        return Response(content, 200, headers, kind)
    if asked[1]:
        start, stop = int(asked[1]), min(int(asked[2] or len(content)) + 1, len(content))
    else:
        start, stop = max(len(content) - int(asked[2]), 0), len(content)
    if start >= min(stop, len(content)):
        raise Refusal(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return Response(content[start:stop], 206, headers, kind)
