"""The commands: one thin function each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from e2gan.cli.help import Command
from e2gan.cli.output import Output, output_options
from e2gan.cli.program import EXIT_ERROR, report
from e2gan.errors import E2GANError
from e2gan.installing import install_command
from e2gan.terminal import echo, say

if TYPE_CHECKING:
    from e2gan_hub.push import Publication, Published

__all__ = ["COMMANDS"]

folder = click.Path(file_okay=False, path_type=Path)
lockfile = click.Path(dir_okay=False, path_type=Path)

repo_option = click.option("--repo", required=True, metavar="OWNER/NAME", help="The repository; created if missing.")
private_option = click.option("--private", is_flag=True, help="Make a new repository private.")
revision_option = click.option(
    "--revision", metavar="BRANCH", help="A branch other than main; the version gets no tag."
)
pr_option = click.option(
    "--create-pr", is_flag=True, help="Open a pull request instead, for someone else's repository."
)
message_option = click.option("--commit-message", metavar="TEXT", help="Commit message, instead of 'Version VERSION'.")
token_option = click.option(
    "--token", metavar="TOKEN", help="Access token, instead of the one stored by hf auth login."
)
dry_option = click.option("--dry-run", is_flag=True, help="Check everything and show the card, but publish nothing.")
trusted_option = click.option(
    "--require-trusted", is_flag=True, help="Refuse publishers that e2gan trust does not list."
)


@click.command(
    cls=Command,
    section="share",
    examples=["push ./crayon --repo ada/crayon --dry-run", "push crayon --repo ada/crayon"],
)
@click.argument("concept")
@repo_option
@private_option
@revision_option
@pr_option
@message_option
@click.option("--base-model", metavar="OWNER/NAME", help="The concept's base on the Hub; by default found there.")
@click.option("--allow-large", is_flag=True, help="Allow more than 5 MB.")
@click.option("--sign", is_flag=True, help="Sign it with Sigstore, with your identity in the browser or the CI job.")
@token_option
@dry_option
@output_options(json=False)
def push(
    concept: str,
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
    """Publish a concept on the Hugging Face Hub.

    CONCEPT is a folder, the id of an installed concept, or a repository. The command makes one commit with the bundle
    and its model card, and a tag for the version. Files that have not changed stay as they are. A version can be
    published once; to publish a change, raise the version in concept.toml. Sign in first with: hf auth login.
    """
    from e2gan.blend import find_concept
    from e2gan_hub.push import concept_publication

    ref = _target(repo, revision)
    with out.warnings():
        # A folder of that name comes first: it is what its author has just made.
        bundle = find_concept(Path(concept) if Path(concept).is_dir() else concept)
        publication = concept_publication(bundle, ref.repo, base_model=base_model, allow_large=allow_large, token=token)
    if dry_run:
        _show(out, publication)
        return
    from e2gan_hub.push import publish

    done = publish(
        publication, ref, private=private, create_pr=create_pr, sign=sign, message=commit_message, token=token
    )
    _tell(out, done)


@click.command("push-base", cls=Command, section="share", examples=["push-base my-base/ --repo ada/my-base"])
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
    """Publish a base on the Hugging Face Hub, as push does for a concept.

    Cards of concepts for the base in DIR link to it from then on.
    """
    from e2gan.base import Base
    from e2gan_hub.base_repo import remember_base
    from e2gan_hub.push import base_publication, publish

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
        raise click.UsageError("--repo takes only OWNER/NAME; give the branch with --revision.")
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
    from e2gan_hub import index

    with out.warnings():
        index.include(done.repo)
    action = "published" if done.committed else "is already published"
    tag = f", tagged {done.tag}" if done.tagged else f", as {done.tag}" if done.tag else ""
    out.note(f"{done.repo}: {action} at {done.commit[:12]}{tag}")


@click.command(cls=Command, section="share", examples=["pull ada/crayon", "pull ada/crayon@v1.0.0 --require-trusted"])
@click.argument("concepts", nargs=-1, required=True, metavar="OWNER/NAME[@REVISION]...")
@click.option("--offline", is_flag=True, help="Make no network requests; use what is already pulled.")
@trusted_option
@click.option(
    "--signed-by",
    metavar="IDENTITY",
    help="Identity that must have signed it: an e-mail address, or the URI of a workflow.",
)
@click.option("--issuer", metavar="URL", help="The issuer of that identity, such as https://github.com/login/oauth.")
@output_options()
def pull(
    concepts: tuple[str, ...],
    offline: bool,
    require_trusted: bool,
    signed_by: str | None,
    issuer: str | None,
    out: Output,
) -> None:
    """Install concepts from the Hugging Face Hub.

    Each concept is checked before it is installed; e2gan list then shows it. REVISION is a branch, the tag of a version
    such as v1.0.0, or a commit. A commit that is already here needs no network. You can also give the address of a
    concept's page on the Hub.
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
            action = "pulled" if done.fetched else "already pulled:"
            named = done.concept.id if done.listed else f"hub:{done.ref}"
            out.note(f"{action} {named} {done.concept.version}, {done.ref} at {done.commit[:12]}")
    out.data(
        [
            {
                "id": done.concept.id,
                "name": done.concept.id if done.listed else f"hub:{done.ref.repo}",
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


@click.command(cls=Command, section="share", examples=["remove crayon", "remove ada/crayon"])
@click.argument("concepts", nargs=-1, required=True, metavar="CONCEPT...")
@output_options(json=False)
def remove(concepts: tuple[str, ...], out: Output) -> None:
    """Remove concepts that were pulled from the Hub.

    CONCEPT is the id of a pulled concept, its repository, or its folder.
    """
    from e2gan_hub.installed import repository_of
    from e2gan_hub.pull import remove

    for repo in [repository_of(concept) for concept in concepts]:
        remove(repo)
        out.note(f"removed {repo}")


@click.command(cls=Command, section="share", examples=["search winter", "search --license apache-2.0 --sort fid"])
@click.argument("query", nargs=-1)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only with this tag; may be repeated.")
@click.option("--base", metavar="OWNER/NAME", help="Only for this base.")
@click.option("--license", metavar="LICENSE", help="Only under this licence, such as apache-2.0.")
@click.option("--author", metavar="OWNER", help="Only from this publisher.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "fid"]),
    default="downloads",
    show_default=True,
    help="Most downloads first, or lowest FID first; each author measured it on their own photos.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Maximum number of concepts to show."
)
@click.option("--refresh", is_flag=True, help="Fetch the list again even if it is less than a day old.")
@click.option("--offline", is_flag=True, help="Make no network requests; use the list as it is, however old.")
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
    """Search the concepts on the Hugging Face Hub.

    Without a QUERY, all concepts are listed. The list of concepts is kept for a day, so that most searches need no
    network.
    """
    from e2gan_hub import index

    _have_index(refresh, offline)
    entries = index.search(
        " ".join(query), tags=tags, base=base, license=license, author=author, sort=sort, limit=limit
    )
    out.data([{**vars(entry), "tags": entry.tags.split()} for entry in entries])
    if entries:
        rows = [
            (
                entry.repo,
                entry.title,
                entry.license,
                str(entry.downloads),
                "" if entry.fid is None else f"{entry.fid:.4g}",
            )
            for entry in entries
        ]
        out.table(("REPOSITORY", "TITLE", "LICENSE", "DOWNLOADS", "FID"), rows)
    else:
        out.note("no concept on the Hub matches")


def _have_index(refresh: bool, offline: bool) -> None:
    """Fetch the list if it is due; if the Hub cannot be reached, use the old one."""
    from e2gan_hub import client, index

    if offline or not (refresh or index.is_stale()):
        return
    try:
        index.refresh()
    except client.Unreachable as error:
        if refresh or not index.index_path().exists():
            raise
        say(f"note: {error}; searching the earlier list")


@click.command(cls=Command, section="share", examples=["lock", "lock -o studio.lock"])
@click.option("-o", "--output", type=lockfile, default=Path("e2gan.lock"), show_default=True, metavar="FILE")
@output_options(json=False)
def lock(output: Path, out: Output) -> None:
    """Write a lockfile of the installed concepts and bases, for e2gan sync."""
    from e2gan_hub.lock import installed, write_lock

    with out.warnings():
        locked = installed()
        write_lock(locked, output)
    out.note(f"wrote {output} (concepts: {len(locked.concepts)}, bases: {len(locked.bases)})")


@click.command(cls=Command, section="share", examples=["sync", "sync studio.lock --require-trusted"])
@click.argument("file", type=lockfile, default=Path("e2gan.lock"), metavar="[FILE]")
@trusted_option
@output_options()
def sync(file: Path, require_trusted: bool, out: Output) -> None:
    """Install exactly what a lockfile says.

    Concepts from the Hub are fetched at their commits. Concepts from pip are downloaded by pip if they are missing or
    have another version. Everything is checked first: if any file differs from the lockfile, nothing is changed.
    Concepts that are not in FILE stay.
    """
    from e2gan_hub.lock import CHANGED, read_lock, sync

    with out.warnings():
        results = sync(read_lock(file), require_trusted=require_trusted)
    failed = [result for result in results if result.problem]
    for result in results:
        if result.problem:
            report(E2GANError(f"{result.id} ({result.source}): {result.problem}"))
        else:
            out.note(f"{result.done}: {result.id} ({result.source})")
    out.data([vars(result) for result in results])
    if failed:
        changed = any(result.done in CHANGED for result in results)
        report(
            E2GANError(f"{file}: some concepts differ from the lockfile" if changed else f"{file}: nothing was changed")
        )
        sys.exit(EXIT_ERROR)


@click.command(cls=Command, section="share", examples=["verify"])
@output_options()
def verify(out: Output) -> None:
    """Check the installed concepts and bases again, file by file."""
    from e2gan_hub.installed import verify

    with out.warnings():
        results = list(verify())
    out.data([vars(result) for result in results])
    for result in results if not out.as_json else ():
        if result.problem:
            report(E2GANError(f"{result.id} ({result.source}): {result.problem}"))
    sound = [result for result in results if not result.problem]
    concepts = sum(result.kind == "concept" for result in sound)
    out.note(f"sound (concepts: {concepts}, bases: {len(sound) - concepts})")
    if any(result.problem for result in results):
        sys.exit(EXIT_ERROR)


@click.command(cls=Command, section="share", examples=["outdated"])
@output_options(quiet=False)
def outdated(out: Output) -> None:
    """List the pulled concepts that have a newer version on the Hub.

    For concepts from pip, ask: pip list --outdated.
    """
    from e2gan_hub.installed import outdated

    updates = list(outdated())
    out.data([vars(update) for update in updates])
    if updates:
        rows = [
            (update.name, update.version, update.newest, f"e2gan pull {update.repo}@v{update.newest}")
            for update in updates
        ]
        out.table(("NAME", "VERSION", "NEWEST", "TO GET IT"), rows)
    else:
        out.note("all pulled concepts are up to date")


@click.command(cls=Command, section="share", examples=["trust ada", "trust --remove ada"])
@click.argument("owners", nargs=-1, metavar="[OWNER...]")
@click.option("--remove", "away", is_flag=True, help="Remove them from the list.")
@output_options(quiet=False)
def trust(owners: tuple[str, ...], away: bool, out: Output) -> None:
    """Trust publishers, or list those you trust."""
    from e2gan_hub import trust
    from e2gan_hub.config import read_config

    if away and not owners:
        raise click.UsageError("name the publishers to remove from the list.")
    if owners:
        done = (trust.distrust if away else trust.trust)(owners)
        for owner in owners:
            if away:
                out.note(f"no longer trusted: {owner}")
            else:
                out.note(f"trusted: {owner}" if owner in done else f"already trusted: {owner}")
    trusted = read_config().trusted
    out.data(list(trusted))
    if owners:
        return
    if not trusted:
        out.note("you trust no publisher yet")
    for owner in trusted:
        out.line(owner)


@click.command(
    "hub-server",
    cls=Command,
    section="share",
    examples=["hub-server", "hub-server --port 9000 --folder my-hub --account ada=hf_ada"],
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--folder", type=folder, metavar="DIR", help="Folder of the repositories; without it, they are deleted at the end."
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME=TOKEN",
    default=("me=hf_me",),
    show_default=True,
    help="An account and its token; may be repeated.",
)
@click.option(
    "--catalogue",
    type=folder,
    metavar="DIR",
    help="A site that e2gan catalogue made, to show to browsers.",
)
def hub_server(port: int, folder: Path | None, accounts: tuple[str, ...], catalogue: Path | None) -> None:
    """Run a small Hugging Face Hub on this machine, to try out publishing.

    You need no account. The command prints the variables that make e2gan, and every other program that uses
    huggingface_hub, use this Hub. It listens on this machine only.
    """
    import signal
    import tempfile

    tokens = {name: token for name, _, token in (pair.partition("=") for pair in accounts)}
    if not all(name and token for name, token in tokens.items()):
        raise click.UsageError("--account takes NAME=TOKEN.")
    if catalogue and not (catalogue / "index.html").is_file():
        raise E2GANError(f"{catalogue} holds no site", hint=f"make it first: e2gan catalogue -o {catalogue}")
    try:
        from e2gan_hub.devserver import HubServer
    except ModuleNotFoundError as fault:
        raise E2GANError(f"{fault.name} is not installed", hint=install_command("e2gan-hub[server]")) from fault
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the temporary folder is deleted then, too
    with tempfile.TemporaryDirectory(prefix="e2gan-hub-") as temporary:
        place = Path(temporary) if folder is None else folder
        try:
            hub = HubServer(place, tokens, port, catalogue).start()
        except OSError as fault:
            if fault.filename is not None:
                raise E2GANError(f"{fault.filename}: {fault.strerror}", hint="name another --folder") from fault
            raise E2GANError(f"port {port} cannot be used: {fault.strerror}", hint="name another --port") from fault
        (name, token), *others = tokens.items()
        try:
            echo(f"A Hub is running on this machine, with the account {name}. In another terminal:\n")
            echo(f"  export HF_ENDPOINT={hub.endpoint} HF_TOKEN={token}")
            echo(f"  export HF_HOME={place.resolve() / 'home'} HF_HUB_DISABLE_XET=1")
            for name, token in others:
                echo(f"  export HF_TOKEN={token}    # to be {name}")
            if catalogue:
                echo(f"\nThe catalogue is at {hub.endpoint}/")
            echo("\nCtrl-C ends it.")
            hub.wait()
        except KeyboardInterrupt:
            hub.stop()


COMMANDS = (push, push_base, pull, remove, search, lock, sync, verify, outdated, trust, hub_server)
