"""Run the page: its files on disk, its end, and the clean-up afterwards."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from e2gan.base import Base
from e2gan.errors import E2GANError, E2GANWarning
from e2gan.terminal import say
from e2gan_demo.disk import folder_of_its_own
from e2gan_demo.guard import Access

__all__ = ["launch"]

M_ARENA_MAX = -8
"""glibc's name for a setting."""


def launch(
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    public: bool = False,
    browser: bool = False,
    base: str | Base | None = None,
    live: Base | None = None,
    device: str | None = None,
    threads: int | None = None,
    backend: str | None = None,
    precision: str | None = None,
    access: Access | None = None,
    root_path: str | None = None,
    catalogue: str | None = None,
) -> None:
    """Start the page, and serve until interrupted or terminated; no files stay on disk afterwards.

    Args:
        live: the base for the camera's frames; None: that of the photos.
        host: address to listen on, with ``port``; None leaves the choice to Gradio.
        access: the rules for access; by default those that this machine or its Space needs.
        root_path: a proxy's path or address of the page.
        catalogue: address of a catalogue to link to.

    Raises:
        E2GANError: the base, the device or the backend does not exist, or the port is taken.
    """
    _share_memory()
    warnings.simplefilter("ignore", E2GANWarning)  # notes about visitors' files, which are not logged
    access = access or Access.of(share=share)
    with suppress(KeyboardInterrupt), _ending_on_demand(), _place() as place:
        # Imported late: Gradio reads its folder's path while it is imported.
        from e2gan.editor import Editor
        from e2gan_demo.page import build, launching, make_studio

        served = place / "served"
        served.mkdir()
        how: dict[str, Any] = {"device": device, "dtype": precision, "threads": threads, "backend": backend}
        editor = Editor(base, **how)
        lively = Editor(live, **how) if live else None
        studio = make_studio(editor, served, live=lively, strangers=place / "added" if public else None)
        page = build(studio, served, access, catalogue=catalogue)
        try:
            _, here, shared = page.launch(
                server_name=host,
                server_port=port or None,
                share=share,
                inbrowser=browser,
                root_path=root_path,
                prevent_thread_lock=True,
                quiet=True,
                **launching(studio, served, access),
            )
        except OSError as fault:
            raise E2GANError(f"the page cannot be served: {fault}", hint="name another --port") from fault
        also = f", and for everybody {shared}" if shared else ""
        say(f"the page is {here}{also}; Ctrl-C ends it")
        try:
            while page.is_running:
                time.sleep(0.2)
        finally:
            studio.close()
            page.close(verbose=False)


@contextmanager
def _place() -> Iterator[Path]:
    """The folder for all files of this page, including visitors' photos."""
    given = os.environ.get("GRADIO_TEMP_DIR")
    with folder_of_its_own(Path(given or tempfile.gettempdir())) as place:
        os.environ["GRADIO_TEMP_DIR"] = str(place / "uploads")
        yield place


@contextmanager
def _ending_on_demand() -> Iterator[None]:
    """Let SIGTERM end the page like Ctrl+C, so that it cleans up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _share_memory() -> None:
    """Make all threads take memory from two arenas.

    The C library would give each of the server's threads its own arena, which keeps the memory of its edits: a
    gigabyte after some minutes.  Only glibc has this setting.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
