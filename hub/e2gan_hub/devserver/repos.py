"""Making and changing repositories: create, delete, settings, branches, tags, pull requests."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from starlette.responses import JSONResponse, Response

from e2gan_hub.devserver import cards
from e2gan_hub.devserver.call import Call
from e2gan_hub.devserver.errors import Refusal, revision_not_found
from e2gan_hub.devserver.repositories import MAIN, Repository, Settings

NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(?<![.-])(?<!\.git)")


def iso(seconds: float) -> str:
    """A time as the Hub writes it."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def whoami(call: Call) -> Response:
    return JSONResponse(call.signed_in().describe())


def agent_harnesses(call: Call) -> Response:
    """The client asks which programs may have started it; this server lists none."""
    return JSONResponse({"standardEnvVars": [], "harnesses": {}})


def validate_yaml(call: Call) -> Response:
    errors, warnings = cards.check(call.json()["content"])
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return JSONResponse(answer, 400 if errors else 200)


# --- repositories ----------------------------------------------------------------------------------------------------


def named(call: Call, body: dict[str, Any]) -> str:
    """The repository that a body names."""
    if body.get("type") not in (None, "model"):
        raise Refusal(400, "This server holds models only")
    return f"{body.get('organization') or call.signed_in().name}/{body['name']}"


def create(call: Call) -> Response:
    account, body = call.signed_in(), call.json()
    id = named(call, body)
    owner, name = id.split("/")
    if owner != account.name:
        raise Refusal(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
    call.must_write(account)
    if not NAME.fullmatch(name):
        raise Refusal(400, f"Invalid repo name: {name}")
    url = f"{call.endpoint}/{id}"
    repository = call.state.store.create(id, Settings(private=body.get("visibility") == "private"))
    if repository is None:
        raise Refusal(409, "You already created this model repo", extra={"url": url})
    return JSONResponse({"url": url, "name": id, "id": id})


def delete(call: Call) -> Response:
    call.state.store.delete(call.writable(named(call, call.json())))
    return JSONResponse({})


def settings(call: Call) -> Response:
    repository, body = call.writable(), call.json()
    if "visibility" in body:
        repository.settings.private = body["visibility"] == "private"
    if "gated" in body:
        repository.settings.gated = body["gated"]
    repository.save()
    return JSONResponse({"private": repository.settings.private, "gated": repository.settings.gated})


def auth_check(call: Call) -> Response:
    may_read_files(call, call.repository())
    return JSONResponse({})


def auth_check_write(call: Call) -> Response:
    call.writable()
    return JSONResponse({})


def may_read_files(call: Call, repository: Repository) -> None:
    """Refuse an account without access to a gated repository."""
    if not repository.settings.gated or call.owns(repository):
        return
    if call.account is None:
        message = f"Access to model {repository.id} is restricted. You must have access to it and be authenticated"
        raise Refusal(401, f"{message} to access it. Please log in.", "GatedRepo")
    if call.account.name not in repository.settings.granted:
        message = f"Access to model {repository.id} is restricted and you are not in the authorized list."
        raise Refusal(403, message, "GatedRepo")


# --- branches and tags -----------------------------------------------------------------------------------------------


def refs(call: Call) -> Response:
    groups = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/convert/": "converts"}
    if call.query.get("include_prs"):
        groups["refs/pr/"] = "pullRequests"
    answer: dict[str, list[dict[str, str]]] = {group: [] for group in groups.values()}
    for ref, commit in call.repository().refs().items():
        for prefix, group in groups.items():
            if ref.startswith(prefix):
                answer[group].append({"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit})
    return JSONResponse(answer)


def add_ref(repository: Repository, ref: str, commit: str, taken: str) -> Response:
    if not re.fullmatch(r"refs/\w+/(?!.*(\.\.|//|@\{|/\.))[^\x00-\x20~^:?*\[\\]+(?<![/.])", ref):
        raise Refusal(400, f"Invalid reference name: {ref}")
    with repository.lock:
        if ref in repository.refs():
            raise Refusal(409, taken)
        repository.set_ref(ref, commit)
    return JSONResponse({})


def remove_ref(repository: Repository, ref: str) -> Response:
    if ref not in repository.refs():
        raise revision_not_found(ref)
    repository.delete_ref(ref)
    return JSONResponse({})


def create_tag(call: Call) -> Response:
    repository, tag = call.writable(), call.json()["tag"]
    return add_ref(repository, f"refs/tags/{tag}", repository.resolve(call.path["revision"]), "Tag reference exists")


def delete_tag(call: Call) -> Response:
    return remove_ref(call.writable(), f"refs/tags/{call.path['revision']}")


def create_branch(call: Call) -> Response:
    repository = call.writable()
    start = repository.resolve(call.json().get("startingPoint", "main"))
    return add_ref(repository, f"refs/heads/{call.path['branch']}", start, "Reference already exists")


def delete_branch(call: Call) -> Response:
    if call.path["branch"] == "main":
        raise Refusal(403, "The main branch cannot be deleted")
    return remove_ref(call.writable(), f"refs/heads/{call.path['branch']}")


def commits(call: Call) -> Response:
    repository = call.repository()
    history = [
        {
            "id": commit.id,
            "title": commit.title,
            "message": commit.message,
            "authors": [{"user": commit.author}],
            "date": iso(commit.time),
        }
        for commit in repository.history(repository.resolve(call.path["revision"]))
    ]
    return call.page(history, call.state.page)


# --- pull requests and discussions -----------------------------------------------------------------------------------


def open_discussion(call: Call, repository: Repository, title: str, pull_request: bool, text: str) -> dict[str, Any]:
    """A new discussion; a pull request starts where the main branch is."""
    account = call.signed_in()
    with repository.lock:
        number = len(repository.settings.discussions) + 1
        opened = iso(datetime.now(timezone.utc).timestamp())
        author = {"name": account.name}
        comment = {"edited": False, "hidden": False, "latest": {"raw": text, "html": text, "updatedAt": opened}}
        discussion = {
            "num": number,
            "title": title,
            "author": author,
            "createdAt": opened,
            "status": "draft" if pull_request else "open",
            "isPullRequest": pull_request,
            "repo": {"name": repository.id, "type": "model"},
            "events": [
                {
                    "id": f"{number:08x}",
                    "type": "comment",
                    "createdAt": opened,
                    "author": author,
                    "data": {**comment, "history": []},
                }
            ],
            "filesWithConflicts": [],
            "changes": {"base": MAIN},
        }
        if pull_request:
            repository.set_ref(f"refs/pr/{number}", repository.resolve("main"))
        repository.settings.discussions.append(discussion)
        repository.save()
    return discussion


def discussion_of(call: Call, repository: Repository) -> dict[str, Any]:
    number = call.path["number"]
    if not number.isdigit() or not 0 < int(number) <= len(repository.settings.discussions):
        raise Refusal(404, f"There is no discussion {number} in {repository.id}")
    return repository.settings.discussions[int(number) - 1]


def discussions(call: Call) -> Response:
    repository, query = call.repository(), call.query
    matching = [
        discussion
        for discussion in reversed(repository.settings.discussions)
        if query.get("type") in (None, "all", "pull_request" if discussion["isPullRequest"] else "discussion")
        and query.get("status") in (None, "all", "closed" if discussion["status"] in ("closed", "merged") else "open")
        and query.get("author") in (None, discussion["author"]["name"])
    ]
    start = int(query.get("p", 0)) * call.state.page
    page = matching[start : start + call.state.page]
    return JSONResponse({"discussions": page, "count": len(matching), "start": start})


def discuss(call: Call) -> Response:
    body = call.json()
    discussion = open_discussion(
        call, call.repository(), body["title"], bool(body.get("pullRequest")), body.get("description", "")
    )
    return JSONResponse({"num": discussion["num"], "pullRequest": discussion["isPullRequest"]})


def discussion(call: Call) -> Response:
    return JSONResponse(discussion_of(call, call.repository()))


def merge(call: Call) -> Response:
    """Merge a pull request: its commits become the main branch's, if that has not moved since."""
    repository = call.writable()
    with repository.lock:
        pull_request = discussion_of(call, repository)
        if not pull_request["isPullRequest"] or pull_request["status"] in ("merged", "closed"):
            raise Refusal(400, "This is not an open pull request")
        head = repository.resolve(f"refs/pr/{pull_request['num']}")
        if repository.resolve("main") not in [commit.id for commit in repository.history(head)]:
            raise Refusal(409, "The pull request conflicts with the main branch")
        repository.set_ref(MAIN, head)
        pull_request["status"] = "merged"
        pull_request["changes"]["mergeCommitId"] = head
        repository.save()
    return JSONResponse({})
