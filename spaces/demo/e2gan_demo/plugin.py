"""The entry point: the command ``demo``."""

from __future__ import annotations

import click

import e2gan

__all__ = ["register_commands"]


@e2gan.hookimpl
def register_commands(cli: click.Group) -> None:
    cli.add_command(demo)


@click.command(short_help="Edit photos on a web page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for every one.")
@click.option("--port", type=click.IntRange(0, 65_535), help="By default the first free one from 7860 up.")
@click.option("--share", is_flag=True, help="Make a public link, through Gradio's servers, for as long as it runs.")
@click.option("--public", is_flag=True, help="For strangers: what one of them adds stays with him. Implied by --share.")
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@click.option("--base", default="scenery", show_default=True, metavar="BASE", help="A base's id or folder.")
@click.option("--device", metavar="DEVICE", help="cpu, cuda or mps; by default the best there is.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads.")
def demo(
    host: str,
    port: int | None,
    share: bool,
    public: bool,
    browser: bool,
    base: str,
    device: str | None,
    threads: int | None,
) -> None:
    """Start a page on this machine where photos are edited with the installed concepts. Ctrl+C ends it."""
    from e2gan_demo.page import launch

    launch(
        host=host,
        port=port,
        share=share,
        public=public or share,
        browser=browser,
        base=base,
        device=device,
        threads=threads,
    )
