"""The server in a thread: started, stopped, and started again on the same port."""

from __future__ import annotations

import hashlib
import secrets
import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from e2gan_hub.devserver.accounts import Account
from e2gan_hub.devserver.app import application
from e2gan_hub.devserver.call import State
from e2gan_hub.devserver.faults import Drop, Faults, Protocol, Requests, Watched
from e2gan_hub.devserver.repositories import Repository, Settings, Store, pointer
from e2gan_hub.devserver.uploads import goes_into_lfs, lfs_patterns

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class HubServer:
    """A Hub of models in a folder, on this machine only.

    Args:
        folder: for the repositories.
        tokens: by account, as in ``{"alice": "hf_alice"}``.
        port: 0 takes a free one.
        catalogue: folder of a site of concepts, shown to browsers.
    """

    def __init__(self, folder: Path, tokens: Mapping[str, str], port: int = 0, catalogue: Path | None = None) -> None:
        self.folder = folder
        self.tokens = dict(tokens)
        self.port = port
        accounts = {token: Account(name) for name, token in tokens.items()}
        self.state = State(Store(folder), accounts, secrets.token_hex())
        self.faults = Faults()
        self.requests = Requests()
        self._app = Watched(application(self.state, catalogue), self.faults, self.requests)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """The value for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

    # --- running -------------------------------------------------------------------------------------------------

    def start(self) -> HubServer:
        """Start to listen, and return; after a ``kill`` or ``stop``, on the same port and folder."""
        self.stop()
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(128)
        self.port = listening.getsockname()[1]
        self._app.dead = False
        config = uvicorn.Config(
            self._app,
            http=Protocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            timeout_keep_alive=600,  # a connection that times out while the client works would be an unplanned fault
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        return self

    def kill(self) -> None:
        """Stop answering at once; connections break."""
        self._app.dead = True
        if self._server:
            self._server.should_exit = self._server.force_exit = True

    def stop(self) -> None:
        """Stop answering, and return when the port is free."""
        self.kill()
        if self._thread:
            self._thread.join()

    def wait(self) -> None:
        """Return when the server has ended."""
        if self._thread:
            self._thread.join()

    # --- using ---------------------------------------------------------------------------------------------------

    def environment(self, home: Path, account: str | None = None) -> dict[str, str]:
        """Environment variables for a process that uses this server, with its caches in ``home``."""
        told = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return {**told, "HF_TOKEN": self.tokens[account]} if account else told

    def api(self, account: str | None = None) -> HfApi:
        """huggingface_hub's client for this server; signed in as nobody without an account."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self.tokens[account] if account else False)

    def read_only_token(self, account: str) -> str:
        """A new token with which the account may only read."""
        token = f"hf_{secrets.token_hex(8)}"
        self.state.tokens[token] = Account(account, read_only=True)
        return token

    def die(self, method: str, pattern: str, after: bool = False) -> None:
        """Stop the server at such a request, before it acts on it or ``after``. ``start`` brings it back."""
        self.faults.add(method, pattern, Drop(after, then=self.kill))

    # --- without the interface ------------------------------------------------------------------------------

    def repository(self, id: str) -> Repository:
        """The repository ``OWNER/NAME``."""
        repository = self.state.store.get(id)
        assert repository, f"there is no {id}"
        return repository

    def move(self, old: str, new: str) -> None:
        """Rename a repository, or give it to another owner: the old name leads to the new one."""
        self.state.store.move(old, new)

    def put(
        self,
        id: str,
        files: Mapping[str, bytes],
        *,
        tags: Iterable[str] = (),
        at: float | None = None,
        **settings: object,
    ) -> str:
        """One commit of these files, made without a request, in a repository that is created if missing.

        Args:
            tags: to set on the commit, or to move to it.
            at: when the commit was made, in seconds since the epoch; now otherwise.
            settings: fields of ``Settings``, such as ``downloads=12``.

        Returns:
            The commit.
        """
        repository = self.state.store.get(id) or self.state.store.create(id, Settings())
        assert repository
        for name, value in settings.items():
            assert hasattr(repository.settings, name), name
            setattr(repository.settings, name, value)
        repository.save()
        patterns = lfs_patterns(repository, repository.resolve("main"))
        changes: dict[str, bytes | None] = {}
        for path, content in files.items():
            changes[path] = content
            if goes_into_lfs(path, len(content), content[:512], patterns):
                oid = hashlib.sha256(content).hexdigest()
                repository.put_lfs(oid, content)
                changes[path] = pointer(oid, len(content))
        commit = repository.commit(changes, "Files", author=repository.owner, at=at)
        for tag in tags:
            repository.set_ref(f"refs/tags/{tag}", commit)
        return commit
