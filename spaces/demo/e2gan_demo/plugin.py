"""The entry point: the command ``demo``."""

from __future__ import annotations

import click

import e2gan
from e2gan.cli.help import Command
from e2gan.cli.options import editor_options

__all__ = ["demo", "register_commands"]


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    cli.add_command(demo)


@click.command(cls=Command, section="use", examples=["demo --open", "demo --host 0.0.0.0 --public"])
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port to listen on; by default the first free one from 7860."
)
@click.option("--share", is_flag=True, help="Make a public link through Gradio's servers while the page runs.")
@click.option(
    "--public",
    is_flag=True,
    help="For public use: a concept that a visitor adds is not installed or shown to others. Implied by --share.",
)
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@click.option("--base", metavar="BASE", help="A base's id or folder; by default E2GAN_BASE, or else everyday.")
@click.option(
    "--live-base",
    metavar="BASE",
    help="The base for the live camera, usually a smaller and faster one; by default BASE-lite, if there is one.",
)
@editor_options
@click.option(
    "--allowed-host", "hosts", multiple=True, metavar="NAME", help="A host name of the page; may be repeated."
)
@click.option(
    "--trusted-proxies",
    "proxies",
    type=click.IntRange(0, 10),
    metavar="N",
    help="Number of proxies in front of the page.",
)
@click.option("--root-path", metavar="PATH", help="Path where a proxy shows the page, such as /studio.")
@click.option(
    "--embedded-by",
    "frames",
    multiple=True,
    metavar="ORIGIN",
    help="A site whose pages may show this one in a frame; may be repeated.",
)
@click.option(
    "--catalogue",
    metavar="URL",
    envvar="E2GAN_CATALOGUE",
    show_envvar=True,
    help="Address of a catalogue of concepts, to link to.",
)
def demo(
    host: str,
    port: int | None,
    share: bool,
    public: bool,
    browser: bool,
    base: str | None,
    live_base: str | None,
    device: str | None,
    threads: int | None,
    backend: str | None,
    precision: str | None,
    hosts: tuple[str, ...],
    proxies: int | None,
    root_path: str | None,
    frames: tuple[str, ...],
    catalogue: str | None,
) -> None:
    """Edit photos and short clips on a web page.

    The page runs on this machine and offers the installed concepts. Ctrl-C ends it.
    """
    from e2gan.base import find_base, find_lite
    from e2gan.terminal import say
    from e2gan_demo.guard import Access
    from e2gan_demo.serve import launch

    access = Access.of(hosts, proxies, frames, share=share)
    if root_path is not None:
        root_path = root_path.rstrip("/")
        if not root_path.startswith(("/", "http://", "https://")):
            raise click.BadParameter("the path must begin with a slash, such as /studio.", param_hint="--root-path")
    if catalogue and not catalogue.startswith(("/", "http://", "https://")):
        raise click.BadParameter("the address must begin with https:// or a slash.", param_hint="--catalogue")

    chosen = find_base(base)  # what is wrong with it is said before anything starts
    live = find_base(live_base) if live_base else find_lite(chosen)
    say("starting the page: some seconds")
    launch(
        host=host,
        port=port,
        share=share,
        public=public or share,
        browser=browser,
        base=chosen,
        live=live,
        device=device,
        threads=threads,
        backend=backend,
        precision=precision,
        access=access,
        root_path=root_path,
        catalogue=catalogue,
    )
