"""The part of the Hub's interface that huggingface_hub uses for models: which function answers which path."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from e2gan_hub.devserver import downloads, listings, repos, uploads
from e2gan_hub.devserver.call import Handler, State, endpoint
from e2gan_hub.devserver.errors import Refusal, answer

MODEL = "/api/models/{owner}/{name}"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/whoami-v2", repos.whoami),
    ("GET", "/api/agent-harnesses", repos.agent_harnesses),
    ("POST", "/api/validate-yaml", repos.validate_yaml),
    # repositories
    ("POST", "/api/repos/create", repos.create),
    ("DELETE", "/api/repos/delete", repos.delete),
    ("PUT", f"{MODEL}/settings", repos.settings),
    ("GET", f"{MODEL}/auth-check", repos.auth_check),
    ("GET", f"{MODEL}/auth-check/write", repos.auth_check_write),
    ("GET", f"{MODEL}/refs", repos.refs),
    ("POST", f"{MODEL}/tag/{{revision}}", repos.create_tag),
    ("DELETE", f"{MODEL}/tag/{{revision}}", repos.delete_tag),
    ("POST", f"{MODEL}/branch/{{branch}}", repos.create_branch),
    ("DELETE", f"{MODEL}/branch/{{branch}}", repos.delete_branch),
    ("GET", f"{MODEL}/commits/{{revision}}", repos.commits),
    ("GET", f"{MODEL}/discussions", repos.discussions),
    ("POST", f"{MODEL}/discussions", repos.discuss),
    ("GET", f"{MODEL}/discussions/{{number}}", repos.discussion),
    ("POST", f"{MODEL}/discussions/{{number}}/merge", repos.merge),
    # files in
    ("POST", f"{MODEL}/preupload/{{revision}}", uploads.preupload),
    ("POST", "/{owner}/{name}.git/info/lfs/objects/batch", uploads.lfs_batch),
    ("PUT", "/storage/{owner}/{name}/{oid}", uploads.lfs_put),
    ("POST", f"{MODEL}/lfs/verify", uploads.lfs_verify),
    ("POST", f"{MODEL}/commit/{{revision}}", uploads.commit),
    # files out
    ("GET", f"{MODEL}/tree/{{revision}}", downloads.tree),
    ("GET", f"{MODEL}/tree/{{revision}}/{{path:path}}", downloads.tree),
    ("POST", f"{MODEL}/paths-info/{{revision}}", downloads.paths_info),
    ("GET", "/storage/{owner}/{name}/{oid}/{file}", downloads.lfs_get),
    ("GET", "/{owner}/{name}/resolve/{revision}/{path:path}", downloads.resolve),
    # models
    ("GET", "/api/models", listings.models),
    ("GET", MODEL, listings.model),
    ("GET", f"{MODEL}/revision/{{revision}}", listings.model),
)


class RawPaths:
    """Routes by the undecoded path: ``refs%2Fpr%2F1`` is one segment, though decoded it would be three."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("ascii")}
        await self.app(scope, receive, send)


class Moved:
    """Redirects a request for a repository from its former name to its present one."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        for old, new in self.state.store.moved.items():
            for start in ("/api/models/", "/"):
                if f"{path}/".startswith(f"{start}{old}/"):
                    query = scope["query_string"].decode()
                    address = path.replace(old, new, 1) + (f"?{query}" if query else "")
                    await RedirectResponse(address, 307)(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def application(state: State, catalogue: Path | None = None) -> ASGIApp:
    """The server as an ASGI application, without faults; a browser at ``/`` gets the site in ``catalogue``, if any."""
    routes: list[BaseRoute] = [Route(path, endpoint(handler), methods=[method]) for method, path, handler in ROUTES]
    if catalogue is not None:
        routes.append(Mount("/catalogue", StaticFiles(directory=catalogue, html=True)))
        routes.append(Route("/", lambda request: RedirectResponse("/catalogue/"), methods=["GET"]))
    else:
        routes.append(Route("/", endpoint(listings.home), methods=["GET"]))
    app = Starlette(routes=routes, exception_handlers={Refusal: answer})
    app.state.hub = state
    return RawPaths(Moved(app, state))
