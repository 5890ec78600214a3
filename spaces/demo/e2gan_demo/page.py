"""The page: Gradio's queue, uploads and API around a studio.  Appearance and behaviour: ``web/``, e2gan.web."""

from __future__ import annotations

import json
import mimetypes
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_upload_folder
from PIL import Image
from starlette.middleware import Middleware

from e2gan.editor import Editor
from e2gan.errors import E2GANError, ImageError
from e2gan.images.formats import CLIPS
from e2gan.web import ASSETS
from e2gan_demo.catalogue import Catalogue
from e2gan_demo.clips import need_clips, reads_clips
from e2gan_demo.disk import Disk
from e2gan_demo.guard import Access, Guard
from e2gan_demo.limits import LONGEST_MAKING, MAX_CLIP, RateLimit
from e2gan_demo.photos import Photo
from e2gan_demo.studio import FORMATS, Studio, answering
from e2gan_demo.uploads import MAX_UPLOAD, Uploads

__all__ = ["build", "for_strangers", "launching", "make_studio"]

HERE = Path(__file__).parent
SAMPLES = ASSETS / "samples"

WAITING = 64
"""Maximum requests in the queue; more are turned away."""

BATCH = 8
"""Maximum edits in one batch."""

SWEEP = 60
"""Seconds between two deletions of old files."""

ASKED = ("photo", "edit", "save", "make", "add", "left", "cancel")
"""The requests of the page's script."""

_COMMAND = re.compile(r"\b(e2gan|pip) [a-z-]")
"""A command of the machine that runs the page, in a hint."""

START = f"""
const events = {[f"ask_{name}" for name in ASKED]}; // Gradio takes these names from here
const page = new URL(`${{props.served}}/page.js`, document.baseURI);
import(page).then(({{ start }}) => start({{ element, trigger, props, upload, watch }}));
"""
"""The script that Gradio runs once the page's markup exists."""

# Some Windows registries differ, and browsers run only modules of this type.
mimetypes.add_type("text/javascript", ".js")


# Gradio would compute statistics of all requests, with pandas, after each of them.
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")


def build(studio: Studio, served: Path, access: Access, *, catalogue: str | None = None) -> gr.Blocks:
    """The page and its API.

    Args:
        studio: does the work.
        served: the folder of public files: modules, styles, fonts, samples, previews.
        access: the rules for access.
        catalogue: address of a catalogue to link to.
    """

    def told(answer: Any) -> Any:
        return for_strangers(answer) if studio.catalogue.public and answer else answer

    with gr.Blocks(title="E²GAN: one photo, many moods", analytics_enabled=False) as page:
        desk = gr.HTML(
            html_template=_web("page.html"),
            js_on_load=START,
            apply_default_css=False,
            elem_id="e2gan",
            served=_address(served),
            cards=studio.catalogue.cards(),
            samples=_samples(studio),
            limits={
                "photo": MAX_UPLOAD,
                "clip": MAX_CLIP,
                "clips": list(CLIPS),
                "no_clips": told(answering(need_clips)),
                "formats": list(FORMATS),
                "making": LONGEST_MAKING,
            },
            can_add=studio.catalogue.can_add,
            public=studio.catalogue.public,
            catalogue=catalogue or "",
        )
        # Requests of the page's script and their answers: the script supplies the one and receives the other.
        asked = {name: gr.JSON(visible=False) for name in ASKED}
        answered = {name: gr.JSON(visible=False) for name in ASKED}

        def photo(request: Any, http: gr.Request) -> Any:
            """Accept an uploaded file, or a sample."""
            if (name := _from(request, "sample")) is not None:
                return answering(lambda: {"photo": name, **studio.shown(studio.photos.get(name))})
            given = _from(request, "path")
            return told(answering(lambda: studio.open(_uploaded(given), str(http.session_hash))))

        def edit(requests: list[Any]) -> Any:
            return [[told(answer) for answer in studio.edit(requests)]]

        def save(request: Any, http: gr.Request) -> Any:
            def file() -> dict[str, Any]:
                session = str(http.session_hash)
                if not _from(request, "sheet"):
                    return _download(page, studio.save(request, session))
                photo = studio.photos.get(_from(request, "photo"))
                return _download(page, studio.sheet(photo, _from(request, "format"), session))

            return told(answering(file))

        def make(request: Any, http: gr.Request) -> Any:
            visitor, session = access.visitor(http.request.scope) if http.request else "", str(http.session_hash)
            return told(answering(lambda: _download(page, studio.make(request, session, visitor))))

        def add(request: Any, http: gr.Request) -> Any:
            visitor = access.visitor(http.request.scope) if http.request else ""
            repo = _from(request, "repo")
            return told(answering(lambda: {"card": studio.catalogue.add(repo, visitor)}))

        def left(request: Any) -> Any:
            """The seconds that a long job still takes, or null; how much of it is done, and how many it waits for.

            Or the seconds that the edit of a clip would take.
            """
            if (name := _from(request, "photo")) is not None:
                return answering(lambda: {"takes": studio.takes(studio.photos.get(name))})
            job = studio.jobs.find(name := _from(request, "job"))
            share, ahead = job.share if job else 0, studio.turns.ahead(job)
            return {"left": studio.jobs.left(name), "share": share, "ahead": ahead}

        def cancel(request: Any) -> Any:
            studio.jobs.cancel(_from(request, "job"))
            return {}

        works: dict[str, tuple[Any, dict[str, Any]]] = {
            "photo": (photo, {}),
            "edit": (edit, {"batch": True, "max_batch_size": BATCH}),
            "save": (save, {}),
            "make": (make, {"concurrency_limit": None}),  # they wait for their turns themselves
            "add": (add, {}),
            "left": (left, {}),
            "cancel": (cancel, {}),
        }
        for name, (work, options) in works.items():
            done = getattr(desk, f"ask_{name}")(
                work,
                asked[name],
                answered[name],
                js=f"() => [window.e2gan.take('{name}')]",
                trigger_mode="multiple",
                show_progress="hidden",
                api_name=f"ask_{name}",
                api_visibility="private",
                **options,
            )
            hand_over = f"(answer) => window.e2gan.receive('{name}', answer)"
            done.success(None, answered[name], None, js=hand_over, show_progress="hidden")
            done.failure(None, None, None, js=f"() => window.e2gan.fail('{name}')", show_progress="hidden")

        page.load(
            lambda: gr.HTML(cards=studio.catalogue.cards()),
            None,
            desk,
            show_progress="hidden",
            api_visibility="private",
        )

        def leave(http: gr.Request) -> None:
            studio.leave(str(http.session_hash))

        page.unload(leave)
        _offer(studio, page, access)
    page.queue(max_size=WAITING, default_concurrency_limit=1)
    return page


def _offer(studio: Studio, page: gr.Blocks, access: Access) -> None:
    """The API for programs; docs/demo.md and the page's API view show its names, parameters and texts."""

    def concepts() -> list[dict[str, Any]]:
        """The usable concepts: name, title, prompt, facts and measured quality of each."""
        return studio.catalogue.cards()

    def edit(photo: FileData, concepts: dict[str, float], strength: float = 1.0, format: str = "png") -> dict[str, Any]:
        """Edit a photo at full size, like e2gan apply.

        Args:
            photo: the picture's file.
            concepts: weight by name: {"vangogh": 1}, or a blend such as {"vangogh": 0.6, "ukiyoe": 0.4}.
            strength: 0 gives the photo, 1 the edit.
            format: png, jpeg or webp.

        Returns:
            The edited picture's file.
        """
        with _told():
            read = Photo.read(_uploaded(photo))
            return _file(page, studio.write(read, studio.catalogue.blend(concepts), strength, format))

    def clip(
        clip: FileData, concepts: dict[str, float], http: gr.Request, strength: float = 1.0, format: str = ""
    ) -> dict[str, Any]:
        """Edit a clip or an animation, like e2gan apply; clips are edited one after the other.

        Args:
            clip: the file.
            concepts: weight by name, as for a photo.
            strength: 0 gives the clip as it is, 1 the edit.
            format: mp4, webm or mkv; for an animation gif, png or webp. By default mp4, or the animation's own.

        Returns:
            The edited clip's file.
        """
        with _told():
            session, visitor = str(http.session_hash), access.visitor(http.request.scope) if http.request else ""
            read, blend = Photo.read(_uploaded(clip), session), studio.catalogue.blend(concepts)
            return _file(page, studio.make_clip(read, blend, strength, format, session, visitor))

    def sheet(photo: FileData, format: str = "jpeg") -> dict[str, Any]:
        """A photo and its edits by every installed concept, on one sheet.

        Args:
            photo: the picture's file.
            format: png, jpeg or webp.

        Returns:
            The sheet's file.
        """
        with _told():
            return _file(page, studio.sheet(Photo.read(_uploaded(photo)), format))

    gr.api(concepts, api_name="concepts")
    gr.api(edit, api_name="edit")
    gr.api(clip, api_name="clip", concurrency_limit=None)
    gr.api(sheet, api_name="sheet")


def for_strangers(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without a hint that names commands of the machine that runs the page."""
    return {**answer, "hint": None} if _COMMAND.search(str(answer.get("hint"))) else answer


@contextmanager
def _told() -> Iterator[None]:
    """Report errors to the calling program."""
    try:
        yield
    except E2GANError as error:
        raise gr.Error(f"{error}{f' ({error.hint})' if error.hint else ''}", print_exception=False) from None


def _from(request: object, key: str) -> object:
    """A value in a request, which may be any JSON."""
    return request.get(key) if isinstance(request, Mapping) else None


def _uploads() -> Path:
    """Gradio's folder for uploads and downloads."""
    return Path(get_upload_folder()).resolve()


def _uploaded(path: object) -> Path:
    """The file of an upload; raises ImageError for any other path."""
    if isinstance(path, Mapping):
        path = path.get("path")
    folder = _uploads()
    try:
        file = Path(path).resolve(strict=True) if isinstance(path, str) else folder
    except (OSError, ValueError):
        file = folder
    if not (file.is_file() and file.is_relative_to(folder)):
        raise ImageError("that photo does not exist here, or has been deleted", hint="choose it again")
    return file


def _given(page: gr.Blocks, path: Path) -> Path:
    """A file that a visitor may now download."""
    page.upload_file_set.add(str(path))
    return path


def _download(page: gr.Blocks, path: Path) -> dict[str, Any]:
    """A downloadable file, in the form for the page: its address below it, its name, and its bytes."""
    return {"file": f"gradio_api/file={_given(page, path)}", "name": path.name, "size": path.stat().st_size}


def _file(page: gr.Blocks, path: Path) -> dict[str, Any]:
    """A downloadable file, in the form for programs."""
    return FileData(path=str(_given(page, path)), orig_name=path.name).model_dump()


def _address(served: Path) -> str:
    """The address of that folder for the page: below the page itself, at any path of a proxy."""
    return f"gradio_api/file={served}"


def _web(name: str) -> str:
    return (HERE / "web" / name).read_text(encoding="utf-8")


def _samples(studio: Studio) -> list[dict[str, Any]]:
    """The samples: name, title, description and credit of each, and its size."""
    samples: list[dict[str, Any]] = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    for sample in samples:
        sample["width"], sample["height"] = studio.samples[sample["name"]].size
    return samples


def _lay_out(folder: Path) -> None:
    """Fill the folder of public files."""
    files = shutil.ignore_patterns("__pycache__", "*.py", "samples")
    shutil.copytree(HERE / "web", folder, dirs_exist_ok=True)
    shutil.copytree(ASSETS, folder / "shared", ignore=files)
    (folder / "samples").mkdir()
    for file in SAMPLES.glob("*.jpg"):
        with Image.open(file) as picture:
            picture.thumbnail((240, 240))
            picture.save(folder / "samples" / file.name, quality=82)


def make_studio(editor: Editor, served: Path, *, live: Editor | None = None, strangers: Path | None = None) -> Studio:
    """The studio of a page, with regular deletion of unused files.

    Args:
        served: an empty folder for public files.
        live: the editor for the camera's frames, on a base of its own.
        strangers: the folder for visitors' concepts if visitors are strangers; see :class:`Catalogue`.
    """
    _lay_out(served)
    catalogue = Catalogue(editor.base, served / "previews", live=live.base if live else None, strangers=strangers)
    studio = Studio(editor, catalogue, SAMPLES, Disk(_uploads()), live=live)
    threading.Thread(target=_sweep, args=(studio,), daemon=True).start()
    return studio


def launching(studio: Studio, served: Path, access: Access) -> dict[str, Any]:
    """The arguments for Gradio's ``launch``."""
    # uvicorn would trust connections from this machine about the origin of requests.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    styles = (f"{_address(served)}/{name}" for name in ("shared/look.css", "page.css"))
    clip = MAX_CLIP if reads_clips() else None
    middleware = [
        Middleware(Guard, access=access),
        Middleware(RateLimit, access=access),
        Middleware(Uploads, disk=studio.disk, clip=clip),
    ]
    return {
        "theme": _theme(),
        # Not as "css", whose selectors Gradio rewrites.
        "head": _web("head.html") + "".join(f'<link rel="stylesheet" href="{style}">' for style in styles),
        "favicon_path": ASSETS / "favicon.png",
        "allowed_paths": [str(served)],
        "max_file_size": max(MAX_UPLOAD, clip or 0),
        "app_kwargs": {"middleware": middleware},
        "footer_links": ["api", "gradio"],
        # Gradio would store every visitor's runs, and the last answer to each of 10,000 pages.
        "run_history": False,
        "state_session_capacity": 200,
        "enable_monitoring": False,
        "ssr_mode": False,
    }


def _sweep(studio: Studio) -> None:
    while True:
        time.sleep(SWEEP)
        studio.sweep()


def _theme() -> gr.themes.Base:
    """The theme of Gradio's own elements, with the page's colours and fonts; no font is fetched from elsewhere."""
    return gr.themes.Base(
        font=["Inter", "system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"], radius_size="md"
    ).set(
        body_background_fill="#f6f3ee",
        body_background_fill_dark="#151413",
        body_text_color="#1f1c18",
        body_text_color_dark="#f1ede6",
    )
