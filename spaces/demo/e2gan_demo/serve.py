"""From the command to a running page: where it keeps things on disk, how it ends, and what is tidied up then."""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from e2gan.errors import E2GANError
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
    base: str = "scenery",
    device: str | None = None,
    threads: int | None = None,
    access: Access | None = None,
    root_path: str | None = None,
) -> None:
    """Start the page, and serve until interrupted or told to end; nothing of it stays on disk then.

    Args:
        host: with ``port``, where to listen: Gradio's choice if None.
        access: who may reach it; by default what this machine, or the Space it is in, needs.
        root_path: where a proxy shows the page: a path, or an address.

    Raises:
        E2GANError: there is no such base or device, or the port is taken.
    """
    _share_memory()
    access = access or Access.of(share=share)
    with suppress(KeyboardInterrupt), _ending_on_demand(), _place() as place:
        # Only now: Gradio looks for its folder while it is imported.
        from e2gan.editor import Editor
        from e2gan_demo.page import build, launching, make_studio

        served = place / "served"
        served.mkdir()
        editor = Editor(base, device=device, threads=threads)
        studio = make_studio(editor, served, strangers=place / "added" if public else None)
        page = build(studio, served, access)
        try:
            page.launch(
                server_name=host,
                server_port=port or None,
                share=share,
                inbrowser=browser,
                root_path=root_path,
                prevent_thread_lock=True,
                **launching(studio, served, access),
            )
        except OSError as fault:
            raise E2GANError(f"the page cannot be served: {fault}", hint="name another --port") from fault
        try:
            while page.is_running:
                time.sleep(0.2)
        finally:
            page.close(verbose=False)


@contextmanager
def _place() -> Iterator[Path]:
    """The folder for everything that this page keeps on disk, visitors' photos included."""
    given = os.environ.get("GRADIO_TEMP_DIR")
    with folder_of_its_own(Path(given or tempfile.gettempdir())) as place:
        os.environ["GRADIO_TEMP_DIR"] = str(place / "uploads")
        yield place


@contextmanager
def _ending_on_demand() -> Iterator[None]:
    """Let SIGTERM end the page as Ctrl+C does, so that it tidies up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _share_memory() -> None:
    """Have all threads take memory from two places.

    Each of the server's threads would get one of its own from the C library, and keep there what its edits took: a
    gigabyte after some minutes.  glibc alone has the switch.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
