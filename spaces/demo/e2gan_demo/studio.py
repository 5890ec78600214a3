"""The work behind the page: accept photos and clips, edit them, and write edits completely.

All input is JSON from strangers; all output is JSON, too.  Errors that they can cause are answered with
``{"error": …, "hint": …}``; their data is not logged.
"""

from __future__ import annotations

import base64
import binascii
import io
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from e2gan.concept import Concept
from e2gan.drawing import picture_grid
from e2gan.editor import FORWARD, MAX_PIXELS, Editor
from e2gan.errors import E2GANError, E2GANWarning, ImageError
from e2gan.images import PREVIEW, open_image, save_image
from e2gan_demo.catalogue import Catalogue
from e2gan_demo.clips import CLIP, check_frames, edit_moving
from e2gan_demo.disk import Disk
from e2gan_demo.jobs import Cancelled, Jobs, Turns, too_long
from e2gan_demo.limits import LONGEST_MAKING, MAX_MADE
from e2gan_demo.photos import SMALL, Photo, Photos

__all__ = ["FORMATS", "Studio", "answering", "data_url"]

FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
"""Formats of downloads, by the names in requests; the suffix is the name."""

SIZES = (384, SMALL)
"""Longer sides of previews: of the contact sheet's pictures, in which smaller faces would vanish, and of the main
picture."""

SHOWN = 1280
"""Longer side of a full-size edit on the page; the download has all pixels."""

FRAME = 384
"""Longest side of a webcam's frame, in pixels."""

MAX_FRAME = 300_000
"""Maximum characters of a frame, as a data URL."""

SHEET_CELL = 480
"""Width of a picture on the downloaded sheet."""


ENCODE = {"png": 6.0, "jpeg": 0.5, "webp": 6.0}
"""Work of encoding a pixel of a download, about, where enlarging an edit to it has 1: only for saying how much time is
left."""

MAKE = 1.0
"""The same for reading a clip's frame, steadying its edit and encoding it, which mostly happens while the generator
works on others."""

PATIENCE = 30.0
"""Seconds that jobs are given to end when the page ends."""

Advance = Callable[[float], None]


@dataclass(frozen=True)
class Wanted:
    """One requested edit."""

    photo: Image.Image | Path
    blend: dict[Concept, float]
    shown: int | None
    """Longer side of the answer, if smaller than the photo's."""
    job: object = None
    """Name of a long job."""
    pixels: int = 0
    """Of the photo, for a long job."""
    session: str = ""
    """The page that a long job is for."""
    live: bool = False
    """Whether the camera's own base makes it."""


class Studio:
    """The editor and everything around it, shared by all visitors."""

    def __init__(
        self, editor: Editor, catalogue: Catalogue, samples: Path, disk: Disk, *, live: Editor | None = None
    ) -> None:
        """Take in the samples (JPEGs in ``samples``); ``disk`` is for uploads and downloads.

        Args:
            live: edits the camera's frames, where concepts are made for its base; by default ``editor`` does.
        """
        self.catalogue = catalogue
        self.disk = disk
        self.photos = Photos(delete=disk.delete)
        self.jobs = Jobs()
        self.turns = Turns()
        self._edit = _on_zero_gpu(editor.apply_batch)
        self._live = _on_zero_gpu((live or editor).apply_batch)
        self._elsewhere = self._edit != editor.apply_batch
        self.samples = {path.stem: Photo.read(path, kept=True) for path in sorted(samples.glob("*.jpg"))}
        for name, photo in self.samples.items():
            self.photos.add(photo, name)

    def sweep(self) -> None:
        """Delete unused files."""
        self.photos.sweep()
        self.disk.sweep()
        self.catalogue.sweep()

    def leave(self, session: str) -> None:
        """Stop the jobs and delete the files of a closed page."""
        self.jobs.leave(session)
        self.photos.leave(session)
        self.disk.leave(session)

    def close(self) -> None:
        """Stop all jobs, and let none begin."""
        self.jobs.close(PATIENCE)

    # Photos

    def open(self, path: Path, session: str) -> dict[str, Any]:
        """Add a photo or a clip; returns its secret name, its size and its small copy.  Any other file is deleted.

        Raises:
            ImageError: it cannot be used.
        """
        try:
            photo = Photo.read(path, session)
        except ImageError:
            self.disk.delete(path)
            raise
        return {"photo": self.photos.add(photo), **self.shown(photo)}

    def shown(self, photo: Photo) -> dict[str, Any]:
        """A photo, or the first frame of a clip, as the page shows it before any edit; and what moves."""
        told: dict[str, Any] = {"picture": data_url(photo.small), "width": photo.size[0], "height": photo.size[1]}
        if photo.moving:
            told["moving"] = asdict(photo.moving)
        return told

    # Edits

    def edit(self, requests: Sequence[object]) -> list[dict[str, Any]]:
        """Answer each request with its edit, independently of the others.

        A request is ``{"photo": NAME or "frame": DATA_URL, "concepts": {NAME: WEIGHT}, "size": 384, 512 or null}``;
        null means the photo's own size, as in a download.  With ``"sharp": true``, a frame is edited like a photo, not
        by the camera's own base.  An answer is ``{"picture": DATA_URL}``.
        """
        jobs = [answering(self._job, request) for request in requests]
        wanted = [job for job in jobs if isinstance(job, Wanted)]
        edits = iter(self._edit_all(wanted))
        return [_answer(job, next(edits)) if isinstance(job, Wanted) else job for job in jobs]

    def _job(self, request: object) -> Wanted:
        fields = _fields(request)
        blend = self.catalogue.blend(fields.get("concepts"))
        if (frame := fields.get("frame")) is not None:
            live = None if fields.get("sharp") else self.catalogue.live_blend(fields["concepts"])
            return Wanted(_frame(frame), live or blend, None, live=live is not None)
        photo, size = self.photos.get(fields.get("photo")), fields.get("size")
        if size is None:
            return Wanted(photo.still, blend, SHOWN, fields.get("job"), _pixels(photo), photo.session)
        if size not in SIZES:
            raise E2GANError(f"the size must be one of {', '.join(map(str, SIZES))}, or null")
        return Wanted(_scaled(photo.small, size), blend, None)

    def _edit_all(self, jobs: Sequence[Wanted]) -> list[Image.Image | E2GANError]:
        """Run quick jobs at once; long ones, and all if that fails, one by one, so that a fault harms only its own."""
        if len(jobs) > 1 and not any(job.pixels for job in jobs) and len({job.live for job in jobs}) == 1:
            try:
                return [*self._quick(jobs)]
            except E2GANError:
                pass
        edits: list[Image.Image | E2GANError] = []
        for job in jobs:
            try:
                if not job.pixels:
                    edits += self._quick([job])
                    continue
                with self.jobs.running(job.job, _work(job.pixels), session=job.session) as running:
                    edits.append(self._edit_one(job.photo, job.blend, 1.0, running.advance))
            except E2GANError as error:
                edits.append(error)
        return edits

    def _quick(self, jobs: Sequence[Wanted]) -> list[Image.Image]:
        begun, live = time.monotonic(), jobs[0].live
        edit = self._live if live else self._edit
        edits: list[Image.Image] = list(edit([job.photo for job in jobs], [job.blend for job in jobs]))
        if not live:
            self.jobs.measured(sum(_work(edit.width * edit.height) for edit in edits), time.monotonic() - begun)
        return edits

    def _edit_one(
        self, photo: Image.Image | Path, blend: Mapping[Concept, float], strength: float, advance: Advance | None
    ) -> Image.Image:
        """One edit; ``advance`` is told how far it is, unless it runs in another process."""
        more = {"advance": advance} if advance and not self._elsewhere else {}
        edit: Image.Image = self._edit([photo], [blend], strength, **more)[0]
        return edit

    # Downloads

    def save(self, request: object, session: str = "") -> Path:
        """Write an edit at full size, with its provenance, exactly as ``e2gan apply`` does.

        A request is ``{"photo": NAME, "concepts": …, "strength": 0 … 1, "format": one of FORMATS, "job": NAME}``; the
        name of the job, which may be left out, is for `jobs`.  The file is deleted with the page ``session``.

        Raises:
            E2GANError: the request names something that does not exist, or the picture cannot be written.
        """
        asked, photo, blend = self._asked(request)
        strength, format = asked.get("strength", 1), asked.get("format", "png")
        self._check(strength, format)
        editing, encoding = _work(_pixels(photo)), ENCODE[str(format)] * _pixels(photo)
        with self.jobs.running(asked.get("job"), editing + encoding, session=session) as job:
            share = editing / (editing + encoding)
            path = self.write(photo, blend, strength, format, session, advance=lambda done: job.advance(share * done))
            try:
                job.advance(1)
            except Cancelled:
                self.disk.delete(path)
                raise
        return path

    def _asked(self, request: object) -> tuple[Mapping[str, Any], Photo, Mapping[Concept, float]]:
        """A request's fields, and the photo or clip and the blend that they name; raises E2GANError."""
        fields = _fields(request)
        return fields, self.photos.get(fields.get("photo")), self.catalogue.blend(fields.get("concepts"))

    def write(
        self,
        photo: Photo,
        blend: Mapping[Concept, float],
        strength: object,
        format: object,
        session: str = "",
        *,
        advance: Advance | None = None,
    ) -> Path:
        """Write the edit of a photo, or of an animation's first frame."""
        strength, suffix = self._check(strength, format)
        if photo.moving and photo.moving.kind == CLIP:
            raise ImageError("this is a clip, not a photo", hint=f"programs edit it with /{CLIP}")
        return self._written(self._edit_one(photo.path, blend, strength, advance), _name(photo, blend, suffix), session)

    def _check(self, strength: object, format: object) -> tuple[float, str]:
        """A strength and the suffix of a format; raises E2GANError if one of them is none."""
        return _strength(strength), self._suffix(format)

    def make(self, request: object, session: str = "", visitor: str = "") -> Path:
        """Write the edit of a clip or an animation, exactly as ``e2gan apply`` does, when its turn has come.

        A request is ``{"photo": NAME, "concepts": …, "strength": 0 … 1, "format": one of the clip's, "job": NAME}``;
        all but the first two may be left out.

        Raises:
            E2GANError: the request names something that does not exist, there is too much to do, or the edit cannot
                be written.
        """
        asked, photo, blend = self._asked(request)
        return self.make_clip(
            photo, blend, asked.get("strength", 1), asked.get("format"), session, visitor, asked.get("job")
        )

    def make_clip(
        self,
        photo: Photo,
        blend: Mapping[Concept, float],
        strength: object,
        format: object,
        session: str = "",
        visitor: str = "",
        job: object = None,
    ) -> Path:
        """The same for a clip that was read; by default in its usual format."""
        strength, moving = _strength(strength), photo.moving
        if moving is None:
            raise ImageError("this is a photo, not a clip or an animation", hint="programs edit it with /edit")
        format = moving.formats[0] if format in (None, "") else format
        if format not in moving.formats:
            raise E2GANError(f"the format of this {moving.kind} must be one of {', '.join(moving.formats)}")
        work = self.work(photo)
        if (self.jobs.expected(work) or 0) > LONGEST_MAKING:
            raise too_long()
        running = self.jobs.running(
            job,
            work,
            session=session,
            longest=LONGEST_MAKING,
            turns=self.turns,
            visitor=visitor,
            used=lambda: self.photos.use(photo),
        )
        with running as job_, self.disk.place(MAX_MADE, session) as folder:

            def edit(frame: Image.Image) -> Image.Image:
                job_.advance(job_.share)
                return self._edit_one(frame, blend, strength, None)

            def advance(done: int) -> None:
                _check_size(folder)
                check_frames(photo.path, done)
                job_.advance(done / moving.frames)

            target = folder / _name(photo, blend, f".{format}")
            edit_moving(moving, photo.path, target, edit, advance)
            _check_size(folder)
            job_.advance(1)
        return target

    def takes(self, photo: Photo) -> float | None:
        """Seconds that the edit of a clip takes, as far as can be said; None for a photo."""
        return self.jobs.expected(self.work(photo)) if photo.moving else None

    def work(self, photo: Photo) -> float:
        """How much there is to do for the edit of a clip."""
        pixels, frames = _pixels(photo), photo.moving.frames if photo.moving else 1
        return frames * (_work(pixels) + MAKE * pixels)

    def sheet(self, photo: Photo, format: object, session: str = "") -> Path:
        """Write one picture with the photo and its edits by all installed concepts, side by side."""
        suffix = self._suffix(format)
        concepts = self.catalogue.concepts().values()
        edits = [self._edit([photo.small], [concept])[0] for concept in concepts]
        titles = ["Photo", *(concept.title for concept in concepts)]
        columns = 4 if len(edits) > 5 else 3
        cell = (SHEET_CELL, SHEET_CELL)
        page = picture_grid([photo.small, *edits], columns, titles=titles, cell=cell, gap=24)
        return self._written(page, f"{photo.path.stem}-sheet{suffix}", session)

    def _suffix(self, format: object) -> str:
        if not isinstance(format, str) or format not in FORMATS:
            raise E2GANError(f"the format must be one of {', '.join(FORMATS)}")
        return f".{format}"

    def _written(self, picture: Image.Image, name: str, session: str) -> Path:
        size = picture.width * picture.height * len(picture.getbands())
        with self.disk.place(size, session) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", E2GANWarning)  # that JPEG has no transparency, which is visible
            save_image(picture, folder / name)
        return folder / name


def answering(ask: Callable[..., Any], *arguments: Any) -> Any:
    """The result of ``ask``, or its error as an answer."""
    try:
        return ask(*arguments)
    except E2GANError as error:
        return _problem(error)


def _problem(error: E2GANError) -> dict[str, Any]:
    return {"error": str(error), "hint": error.hint}


def _answer(job: Wanted, edit: Image.Image | E2GANError) -> dict[str, Any]:
    if isinstance(edit, E2GANError):
        return _problem(edit)
    return {"picture": data_url(edit if job.shown is None else _scaled(edit, job.shown))}


def _fields(request: object) -> Mapping[str, Any]:
    if not isinstance(request, Mapping):
        raise E2GANError("a request must be an object")
    return request


def _strength(strength: object) -> float:
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not 0 <= strength <= 1:
        raise E2GANError("the strength must be a number from 0 to 1")
    return float(strength)  # which the provenance shows


def _name(photo: Photo, blend: Mapping[Concept, float], suffix: str) -> str:
    """The file name of an edit."""
    return f"{photo.path.stem}-{'-'.join(concept.id for concept in blend)}{suffix}"


def _check_size(folder: Path) -> None:
    """Refuse an edit that grows beyond the room kept for it; raises E2GANError."""
    if sum(file.stat().st_size for file in folder.iterdir()) > MAX_MADE:
        raise E2GANError(
            f"the edit has more than the {MAX_MADE / 1e6:.0f} MB allowed here", hint="make it shorter first"
        )


def _pixels(photo: Photo) -> int:
    return photo.size[0] * photo.size[1]


def _work(pixels: int) -> float:
    """How much there is to do for the edit of a photo of that many pixels, in those of an enlarged edit."""
    return FORWARD * min(pixels, MAX_PIXELS) + pixels


def _scaled(image: Image.Image, longest: int) -> Image.Image:
    """The picture, or a smaller copy whose longer side is ``longest`` pixels."""
    if max(image.size) <= longest:
        return image
    smaller = image.copy()
    smaller.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return smaller


def data_url(image: Image.Image) -> str:
    """The picture for display; it leaves no file, and encoding takes milliseconds."""
    buffer = io.BytesIO()
    if image.mode == "RGBA":
        image.save(buffer, "PNG", compress_level=1)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=92, subsampling="4:4:4")  # strokes have sharp edges in their colours
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _frame(url: object) -> Image.Image:
    """A webcam's frame from its data URL; raises ImageError."""
    head, _, data = url.partition(",") if isinstance(url, str) and len(url) <= MAX_FRAME else ("", "", "")
    if head not in ("data:image/jpeg;base64", "data:image/webp;base64", "data:image/png;base64"):
        raise ImageError("the camera's picture is missing or too large")
    try:
        frame = open_image(base64.b64decode(data, validate=True), name="the camera's picture", limits=PREVIEW)
    except binascii.Error as fault:
        raise ImageError("the camera's picture is damaged") from fault
    if max(frame.size) > FRAME:
        raise ImageError(f"the camera's picture is larger than {FRAME} pixels")
    frame.info = {}
    return frame


def _on_zero_gpu(edit: Callable[..., Any]) -> Callable[..., Any]:
    """``edit`` wrapped for ZeroGPU Spaces, which lend a GPU for a call; unchanged without ZeroGPU."""
    try:
        from spaces import GPU  # type: ignore[import-not-found,attr-defined]
    except ImportError:
        return edit
    return GPU(duration=30)(edit)  # type: ignore[no-any-return]
