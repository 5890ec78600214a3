"""Accepting uploads, completely or not at all."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gradio_client.utils import strip_invalid_filename_characters  # type: ignore[import-untyped]
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from e2gan.errors import E2GANError
from e2gan.images.formats import CLIPS
from e2gan_demo.disk import Disk
from e2gan_demo.guard import is_upload

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MAX_UPLOAD", "Uploads"]

MAX_UPLOAD = 25_000_000
"""Largest upload of a photo, in bytes."""

AROUND = 64 * 1024
"""Bytes around the file in an upload."""

MOST_COMING = 500_000_000
"""Maximum bytes of all unfinished uploads."""

STALLED, LONGEST = 30.0, 300.0
"""Seconds without a byte after which an upload is dropped, and its longest duration."""


class Refused(Exception):
    """An upload is refused, with this status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Uploads:
    """ASGI middleware that replaces Gradio's ``/upload``, which keeps the bytes of broken uploads.

    An unfinished upload is in a temporary file without a name, which disappears with the connection.
    The answer is Gradio's: a list of paths.
    """

    def __init__(
        self,
        app: ASGIApp,
        disk: Disk,
        *,
        most: int = MAX_UPLOAD,
        clip: int | None = None,
        coming: int = MOST_COMING,
        stalled: float = STALLED,
    ) -> None:
        """
        Args:
            most: maximum bytes of a photo.
            clip: the same of a clip; None if there are none here.
            coming: of all unfinished uploads.
            stalled: seconds without a byte after which an upload is dropped.
        """
        self._app = app
        self._disk = disk
        self._most = most
        self._most_clip = clip
        self._most_coming = coming
        self._stalled = stalled
        self._coming = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope):
            await (await self._answer(scope, receive))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        come = 0
        until = asyncio.get_running_loop().time() + LONGEST

        async def counted() -> Message:
            nonlocal come
            left = until - asyncio.get_running_loop().time()
            try:
                message = await asyncio.wait_for(receive(), min(self._stalled, max(left, 0)))
            except asyncio.TimeoutError:
                raise Refused(408, "the upload has stalled") from None
            size = len(message.get("body", b""))
            come += size
            self._coming += size
            # What it is, is known when it is there.
            if come > (most := max(self._most, self._most_clip or 0)) + AROUND:
                raise Refused(413, f"a file may have at most {most:,} bytes")
            if self._coming > self._most_coming:
                raise Refused(503, "too many uploads at once; try again in a minute")
            return message

        try:
            async with Request(scope, counted).form(max_files=1, max_fields=4) as form:
                files = [value for value in form.getlist("files") if isinstance(value, UploadFile)]
                if len(files) != 1:
                    raise Refused(400, "an upload must be one file")
                path = await run_in_threadpool(self._keep, files[0])
        except Refused as refused:
            return PlainTextResponse(str(refused), refused.status)
        except HTTPException as fault:  # the body is not a form
            return PlainTextResponse(fault.detail, fault.status_code)
        except E2GANError as error:
            return PlainTextResponse(f"{error}: {error.hint}" if error.hint else str(error), 503)
        finally:
            self._coming -= come
        # Gradio serves programs only files that it knows.
        scope["app"].get_blocks().upload_file_set.add(str(path))
        return JSONResponse([str(path)])

    def _check(self, name: str, size: int) -> None:
        is_clip = self._most_clip is not None and Path(name).suffix.lower() in CLIPS
        what, most = ("clip", self._most_clip or 0) if is_clip else ("photo", self._most)
        if size > most:
            raise Refused(413, f"a {what} may have at most {most:,} bytes")

    def _keep(self, file: UploadFile) -> Path:
        """Put an upload into a folder that nobody can guess, under its own name.

        Raises:
            Refused: it is too large, or the disk is full.
            E2GANError: the disk has no room for it.
        """
        size = file.size or 0
        self._check(file.filename or "", size)
        self._disk.make_room(size)
        name = strip_invalid_filename_characters(Path(file.filename or "").name)[:100] or "photo"
        folder = self._disk.folder / secrets.token_hex(16)
        try:
            folder.mkdir()
            with open(folder / name, "xb") as out:
                shutil.copyfileobj(file.file, out)
        except (OSError, ValueError) as fault:
            with suppress(OSError):
                shutil.rmtree(folder)
            raise Refused(507, "the upload cannot be stored at the moment") from fault
        return folder / name
