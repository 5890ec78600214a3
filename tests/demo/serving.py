"""The page on a tiny base, served in this process."""

from __future__ import annotations

import io
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

import e2gan
from e2gan.base import Base
from e2gan.concept import PREVIEW, Concept
from e2gan.editor import Editor
from e2gan.plugins import Registry
from e2gan_demo import page
from e2gan_demo.guard import Access
from e2gan_demo.studio import Studio
from tests.editor.tiny import photo, write_tiny_concept

PATIENCE = 60_000
"""Milliseconds to wait for what should be there at once; a busy machine may need them."""


@dataclass
class Served:
    """A running page."""

    url: str
    studio: Studio
    editor: Editor
    blocks: Any


def tiny_concepts(folder: Path, base: Base) -> list[Concept]:
    """Dusk, which has a preview, and dawn, which has none."""
    made = [write_tiny_concept(folder / name, base, seed=seed) for seed, name in enumerate(("dusk", "dawn"), start=1)]
    picture = Image.fromarray(photo(96, 32))
    picture.save(made[0].path / PREVIEW)
    return [Concept.read(concept.path) for concept in made]


class Shelf:
    """A registry of given concepts, in place of the installed ones."""

    def __init__(self, concepts: list[Concept]) -> None:
        class Plugin:
            @staticmethod
            @e2gan.hookimpl
            def register_concepts(register: Any) -> None:
                for concept in concepts:
                    register(concept.path)

        self._plugin = Plugin

    def __call__(self) -> Registry:
        # Not by the environment, which is the process's: the server's threads load it too.
        return Registry.load([self._plugin], installed=False)


def serve(
    base: Base, folder: Path, access: Access | None = None, *, live: Base | None = None, **options: Any
) -> Served:
    """Start the page at a free port, as for strangers; ``folder`` is an empty one, ``live`` the camera's base."""
    editor = Editor(base, device="cpu", dtype=torch.float32)
    lively = Editor(live, device="cpu", dtype=torch.float32) if live else None
    served, access = folder / "served", access or Access()
    served.mkdir()
    studio = page.make_studio(editor, served, live=lively, strangers=folder / "added")
    blocks = page.build(studio, served, access)
    options |= page.launching(studio, served, access)
    _, url, _ = blocks.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
    return Served(url, studio, editor, blocks)


class Proxy:
    """Shows a page below a path, as ``location /studio/ { proxy_pass http://127.0.0.1:7860/; }`` of nginx does.

    Beside it, ``/frame`` is a page of another origin that has ours in a frame.
    """

    def __init__(self, url: str, path: str) -> None:
        self.path = path
        self.outside: list[str] = []
        """What was asked for and lies outside of that path."""
        self._to = url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=120)
        methods = ["GET", "HEAD", "POST"]
        app = Starlette(routes=[Route("/{path:path}", self._pass_on, methods=methods)])
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def _pass_on(self, request: Request) -> Response:
        if request.url.path == "/frame":
            return HTMLResponse(f'<iframe src="{self._to}/"></iframe>')
        if not request.url.path.startswith(f"{self.path}/"):
            self.outside.append(request.url.path)
            return Response("outside", 404)
        host = request.headers["host"]
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        headers |= {"X-Forwarded-Host": host, "X-Forwarded-Proto": "http", "X-Forwarded-For": "192.0.2.1"}
        asked = self._client.build_request(
            request.method,
            self._to + request.url.path.removeprefix(self.path),
            params=request.url.query,
            headers=headers,
            content=await request.body(),
        )
        answer = await self._client.send(asked, stream=True)
        skip = ("content-length", "transfer-encoding", "content-encoding")
        told = {name: value for name, value in answer.headers.items() if name.lower() not in skip}
        return StreamingResponse(answer.aiter_bytes(), answer.status_code, told)

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)


def png(width: int = 256, height: int = 192, seed: int = 0) -> bytes:
    """A photo's file."""
    buffer = io.BytesIO()
    Image.fromarray(photo(width, height, seed)).save(buffer, "PNG")
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
