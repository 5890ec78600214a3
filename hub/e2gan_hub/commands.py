"""The commands: one thin function each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.output import Output, output_options
from e2gan.cli.program import EXIT_ERROR, report
from e2gan.errors import E2GANError
from e2gan.terminal import say

if TYPE_CHECKING:
    from e2gan_hub.push import Publication, Published

__all__ = ["COMMANDS"]

folder = click.Path(file_okay=False, path_type=Path)
lockfile = click.Path(dir_okay=False, path_type=Path)

repo_option = click.option("--repo", required=True, metavar="OWNER/NAME", help="The repository; made if there is none.")
private_option = click.option("--private", is_flag=True, help="Make a new repository private.")
revision_option = click.option(
    "--revision", metavar="BRANCH", help="Another branch than main; it gets no version's tag."
)
pr_option = click.option("--create-pr", is_flag=True, help="Make a pull request instead, for a repository of another.")
message_option = click.option("--commit-message", metavar="TEXT", help="Instead of 'Version VERSION'.")
token_option = click.option("--token", metavar="TOKEN", help="Instead of the one that hf auth login has stored.")
dry_option = click.option("--dry-run", is_flag=True, help="Check all of it, show the card, and publish nothing.")
trusted_option = click.option(
    "--require-trusted", is_flag=True, help="Refuse publishers that e2gan trust does not list."
)


@click.command(short_help="Publish a concept on the Hugging Face Hub.")
@click.argument("directory", type=folder, metavar="DIR")
@repo_option
@private_option
@revision_option
@pr_option
@message_option
@click.option("--base-model", metavar="OWNER/NAME", help="Where the concept's base is on the Hub; remembered.")
@click.option("--allow-large", is_flag=True, help="Publish more than 5 MB.")
@click.option("--sign", is_flag=True, help="Sign it with Sigstore, as who you are in a browser or a CI job.")
@token_option
@dry_option
@output_options(json=False)
def push(
    directory: Path,
    repo: str,
    private: bool,
    revision: str | None,
    create_pr: bool,
    commit_message: str | None,
    base_model: str | None,
    allow_large: bool,
    sign: bool,
    token: str | None,
    dry_run: bool,
    out: Output,
) -> None:
    """Publish the concept in DIR: one commit with the bundle and its model card, and a tag for the version.

    Published again, what is there already is left as it is. A version is published once: raise it in concept.toml to
    publish something else. Signing in is Hugging Face's own: hf auth login.
    """
    from e2gan_hub.push import concept_publication

    ref = _target(repo, revision)
    publication = concept_publication(directory, ref.repo, base_model=base_model, allow_large=allow_large)
    if dry_run:
        _show(out, publication)
        return
    from e2gan_hub.push import publish

    done = publish(
        publication, ref, private=private, create_pr=create_pr, sign=sign, message=commit_message, token=token
    )
    _tell(out, done)


@click.command("push-base", short_help="Publish a base on the Hugging Face Hub.")
@click.argument("directory", type=folder, metavar="DIR")
@repo_option
@private_option
@revision_option
@pr_option
@message_option
@token_option
@dry_option
@output_options(json=False)
def push_base(
    directory: Path,
    repo: str,
    private: bool,
    revision: str | None,
    create_pr: bool,
    commit_message: str | None,
    token: str | None,
    dry_run: bool,
    out: Output,
) -> None:
    """Publish the base in DIR, as push does; concepts for it then name it on their cards."""
    from e2gan.base import Base
    from e2gan_hub.push import base_publication, publish, remember_base

    ref = _target(repo, revision)
    publication = base_publication(directory, ref.repo)
    if dry_run:
        _show(out, publication)
        return
    done = publish(publication, ref, private=private, create_pr=create_pr, message=commit_message, token=token)
    remember_base(Base.read(directory).sha256, ref.repo)
    _tell(out, done)


def _target(repo: str, revision: str | None) -> Any:
    from e2gan_hub.ref import Ref

    ref = Ref.given(repo)
    if ref.revision:
        raise click.UsageError("--repo takes OWNER/NAME alone; the branch goes into --revision.")
    return Ref.parse(f"{ref.repo}@{revision}") if revision else ref


def _show(out: Output, publication: Publication) -> None:
    from e2gan.concept import CARD

    rows = [(name, f"{publication.size(name):,}") for name in publication.files]
    out.table(("FILE", "BYTES"), rows)
    content = publication.files[CARD]
    assert isinstance(content, bytes)
    out.line(f"\n{CARD}:\n\n{content.decode()}\nNothing was published.")


def _tell(out: Output, done: Published) -> None:
    if done.pull_request:
        out.note(f"proposed: {done.pull_request}")
        return
    what = "published" if done.committed else "is there already"
    tag = f", tagged {done.tag}" if done.tagged else f", as {done.tag}" if done.tag else ""
    out.note(f"{done.repo}: {what} at {done.commit[:12]}{tag}")


@click.command(short_help="Get a concept from the Hugging Face Hub.")
@click.argument("concepts", nargs=-1, required=True, metavar="OWNER/NAME[@REVISION]...")
@click.option("--offline", is_flag=True, help="Make no network requests; use what is already pulled.")
@trusted_option
@click.option(
    "--signed-by", metavar="IDENTITY", help="Who must have signed it: an e-mail address, or a workflow's URI."
)
@click.option("--issuer", metavar="URL", help="Who vouches for that identity, such as https://github.com/login/oauth.")
@output_options()
def pull(
    concepts: tuple[str, ...],
    offline: bool,
    require_trusted: bool,
    signed_by: str | None,
    issuer: str | None,
    out: Output,
) -> None:
    """Get concepts, check them, and install them: from then on e2gan list shows them.

    REVISION is a branch, a version's tag such as v1.0.0, or a commit. A commit that is here already takes no network.
    The address of a concept's page on the Hub does as well.
    """
    from e2gan_hub.config import Signer
    from e2gan_hub.pull import pull
    from e2gan_hub.ref import Ref

    if (signed_by is None) != (issuer is None):
        raise click.UsageError("--signed-by and --issuer go together.")
    signer = Signer(signed_by, issuer) if signed_by and issuer else None
    pulled = []
    with out.warnings():
        for ref in [Ref.given(name) for name in concepts]:
            done = pull(ref, offline=offline, require_trusted=require_trusted, signer=signer)
            pulled.append(done)
            what = "pulled" if done.fetched else "is here already:"
            named = done.concept.id if done.listed else f"hub:{done.ref}"
            out.note(f"{what} {named} {done.concept.version}, {done.ref} at {done.commit[:12]}")
    out.data(
        [
            {
                "id": done.concept.id,
                "version": done.concept.version,
                "repo": done.ref.repo,
                "commit": done.commit,
                "fetched": done.fetched,
                "listed": done.listed,
                "path": str(done.concept.path),
            }
            for done in pulled
        ]
    )


@click.command()
@click.argument("repos", nargs=-1, required=True, metavar="OWNER/NAME...")
def remove(repos: tuple[str, ...]) -> None:
    """Remove what was pulled of a repository."""
    from e2gan_hub.pull import remove
    from e2gan_hub.ref import Ref

    for repo in repos:
        remove(Ref.given(repo).repo)


@click.command(short_help="Search the concepts on the Hugging Face Hub.")
@click.argument("query", nargs=-1)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="With this tag; may be repeated.")
@click.option("--base", metavar="OWNER/NAME", help="For this base.")
@click.option("--license", metavar="LICENSE", help="Under this licence, such as apache-2.0.")
@click.option("--author", metavar="OWNER", help="Of this publisher.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "fid"]),
    default="downloads",
    show_default=True,
    help="Most downloads first, or lowest FID, which each maker measured on photos of their own.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most concepts to show.")
@click.option("--refresh", is_flag=True, help="Get the list anew, though it is not a day old.")
@click.option("--offline", is_flag=True, help="Take the list as it is, however old.")
@output_options(quiet=False)
def search(
    query: tuple[str, ...],
    tags: tuple[str, ...],
    base: str | None,
    license: str | None,
    author: str | None,
    sort: str,
    limit: int,
    refresh: bool,
    offline: bool,
    out: Output,
) -> None:
    """Search the concepts on the Hub by the words of QUERY, or list them all.

    The list of all concepts is kept for a day, so that a search takes no network.
    """
    from e2gan_hub import index

    _have_index(refresh, offline)
    found = index.search(" ".join(query), tags=tags, base=base, license=license, author=author, sort=sort, limit=limit)
    out.data([{**vars(entry), "tags": entry.tags.split()} for entry in found])
    if found:
        rows = [
            (each.repo, each.title, each.license, str(each.downloads), "" if each.fid is None else f"{each.fid:.4g}")
            for each in found
        ]
        out.table(("REPOSITORY", "TITLE", "LICENSE", "DOWNLOADS", "FID"), rows)
    else:
        out.note("no concept on the Hub fits")


def _have_index(refresh: bool, offline: bool) -> None:
    """Get the list if it is time; an old one will do where the Hub cannot be asked."""
    from e2gan_hub import client, index

    if offline or not (refresh or index.is_stale()):
        return
    try:
        index.refresh()
    except client.Unreachable as error:
        if refresh or not index.index_path().exists():
            raise
        say(f"note: {error}; searching the list as it was last")


@click.command()
@click.option("-o", "--output", type=lockfile, default=Path("e2gan.lock"), show_default=True, metavar="FILE")
@output_options(json=False)
def lock(output: Path, out: Output) -> None:
    """Write which concepts and bases are installed here, exactly, into a file for e2gan sync."""
    from e2gan_hub.lock import installed, write_lock

    with out.warnings():
        found = installed()
        write_lock(found, output)
    out.note(f"wrote {output} (concepts: {len(found.concepts)}, bases: {len(found.bases)})")


@click.command(short_help="Install exactly what a lockfile says.")
@click.argument("file", type=lockfile, default=Path("e2gan.lock"), metavar="[FILE]")
@trusted_option
@output_options()
def sync(file: Path, require_trusted: bool, out: Output) -> None:
    """Install exactly what FILE says: e2gan.lock, unless another is named.

    Concepts from the Hub are fetched at their commits; those from pip with pip download, if they are missing or of
    another version. All of it is checked first: where anything has not exactly the files that are locked, nothing is
    changed. Concepts that are not in FILE stay.
    """
    from e2gan_hub.lock import CHANGED, read_lock, sync

    with out.warnings():
        results = sync(read_lock(file), require_trusted=require_trusted)
    failed = [each for each in results if each.problem]
    for each in results:
        if each.problem:
            report(E2GANError(f"{each.id} ({each.source}): {each.problem}"))
        else:
            out.note(f"{each.done}: {each.id} ({each.source})")
    out.data([vars(each) for each in results])
    if failed:
        changed = any(each.done in CHANGED for each in results)
        report(E2GANError(f"{file}: not everything is as it is locked" if changed else f"{file}: nothing was changed"))
        sys.exit(EXIT_ERROR)


@click.command()
@output_options()
def verify(out: Output) -> None:
    """Check again everything installed: concepts from the Hub and from pip, and bases."""
    from e2gan_hub.installed import verify

    with out.warnings():
        results = list(verify())
    out.data([vars(each) for each in results])
    for each in results if not out.as_json else ():
        if each.problem:
            report(E2GANError(f"{each.id} ({each.source}): {each.problem}"))
    sound = [each for each in results if not each.problem]
    concepts = sum(each.kind == "concept" for each in sound)
    out.note(f"sound (concepts: {concepts}, bases: {len(sound) - concepts})")
    if any(each.problem for each in results):
        sys.exit(EXIT_ERROR)


@click.command()
@output_options(quiet=False)
def outdated(out: Output) -> None:
    """List the pulled concepts with a newer version on the Hub; for those from pip, ask pip list --outdated."""
    from e2gan_hub.installed import outdated

    found = list(outdated())
    out.data([vars(each) for each in found])
    if found:
        rows = [(each.id, each.version, each.newest, f"e2gan pull {each.repo}@v{each.newest}") for each in found]
        out.table(("ID", "VERSION", "NEWEST", "TO GET IT"), rows)
    else:
        out.note("all pulled concepts are up to date")


@click.command()
@click.argument("owners", nargs=-1, metavar="[OWNER...]")
@click.option("--remove", "away", is_flag=True, help="Take them off the list.")
@output_options(quiet=False)
def trust(owners: tuple[str, ...], away: bool, out: Output) -> None:
    """Put publishers on the list of those you trust, or show it."""
    from e2gan_hub import trust
    from e2gan_hub.config import read_config

    if away and not owners:
        raise click.UsageError("say whom to take off the list.")
    if owners:
        (trust.distrust if away else trust.trust)(owners)
        return
    known = read_config().trusted
    out.data(list(known))
    for owner in known:
        out.line(owner)


COMMANDS = (push, push_base, pull, remove, search, lock, sync, verify, outdated, trust)
