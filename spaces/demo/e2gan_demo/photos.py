"""The visitors' photos and clips: each has a secret name and is deleted after a while."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from e2gan.errors import ImageError
from e2gan.images import UPLOAD, open_image
from e2gan_demo.clips import CLIP, Moving, find_moving, first_frame
from e2gan_demo.disk import KEPT

__all__ = ["SMALL", "Photo", "Photos"]

MOST = 4096
"""Maximum photos remembered; the least recently used one makes room.  It is the bytes on the disk that are scarce
(`e2gan_demo.disk`): with few photos, some visitors who drop one after another would drive out those of visitors who
wait for an edit."""

HELD = 48
"""Maximum small copies in memory, of at most 1 MB each; those of other photos are made again when they are used."""

SMALL = 512
"""Longer side of the copy that is edited for previews, in pixels."""


@dataclass
class Photo:
    """A photo on disk, or a clip or an animation, checked, and the small copy of it or of its first frame."""

    path: Path
    size: tuple[int, int]
    """Width and height as displayed."""
    session: str = ""
    """The page that received it."""
    moving: Moving | None = None
    """For a clip and an animation."""
    kept: bool = False
    """Whether it is kept for ever, like the samples."""
    used: float = field(default_factory=time.monotonic)
    held: Image.Image | None = None
    """The small copy, while it is in memory."""

    @classmethod
    def read(cls, path: Path, session: str = "", *, kept: bool = False) -> Photo:
        """Read and check the file of a picture or a clip; raises ImageError."""
        moving = find_moving(path)
        small, size = _read(path, moving)
        return cls(path, size, session, moving, kept, held=small)

    @property
    def small(self) -> Image.Image:
        """RGB or RGBA, its longer side at most :data:`SMALL` pixels; raises ImageError if the file is gone."""
        small = self.held
        if small is None:
            small = self.held = _read(self.path, self.moving)[0]
        return small

    @property
    def still(self) -> Path | Image.Image:
        """What is edited as a photo: the file, or a clip's first frame; raises ImageError."""
        return first_frame(self.path) if self.moving and self.moving.kind == CLIP else self.path


def _read(path: Path, moving: Moving | None) -> tuple[Image.Image, tuple[int, int]]:
    """The small copy of a picture or a first frame, and its size as displayed."""
    is_clip = moving is not None and moving.kind == CLIP
    image = first_frame(path) if is_clip else open_image(path, name=path.name, limits=UPLOAD)
    size = image.size
    image.thumbnail((SMALL, SMALL), Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.info = {}
    return image, size


class Photos:
    """Photos by their secret names.  Safe for several threads."""

    def __init__(
        self,
        kept: float = KEPT,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
        delete: Callable[[Path], None] = Path.unlink,
    ) -> None:
        self._photos: OrderedDict[str, Photo] = OrderedDict()
        self._kept = kept
        self._most = most
        self._clock = clock
        self._delete_file = delete
        self._lock = threading.Lock()

    def add(self, photo: Photo, name: str | None = None) -> str:
        """Add a photo and return its name, which nobody can guess."""
        name = name or secrets.token_urlsafe(18)
        with self._lock:
            photo.used = self._clock()
            self._photos[name] = photo
            self._hold_few()
        self.sweep()
        return name

    def get(self, name: object) -> Photo:
        """The photo with that name; raises ImageError if it does not exist, or no longer."""
        with self._lock:
            photo = self._photos.get(name) if isinstance(name, str) else None
            if photo is not None and (photo.kept or photo.path.exists()):
                self.use(photo)
                self._photos.move_to_end(str(name))
                self._hold_few()
                return photo
        raise ImageError("that photo has been deleted", hint="choose it again")

    def use(self, photo: Photo) -> None:
        """Note that a photo is in use: on the disk, the least recently used makes room."""
        photo.used = self._clock()
        if not photo.kept:
            with suppress(OSError):  # it has been deleted
                os.utime(photo.path)

    def _hold_few(self) -> None:
        """Forget the small copies of photos that have not been used lately."""
        for photo in list(self._photos.values())[:-HELD]:
            photo.held = None

    def leave(self, session: str) -> None:
        """Delete the photos of a closed page."""
        self._delete(lambda photo: photo.session == session)

    def sweep(self) -> None:
        """Delete photos that have not been used for long, and those beyond the limit."""
        oldest = self._clock() - self._kept
        self._delete(lambda photo: photo.used < oldest)
        with self._lock:
            own = [name for name, photo in self._photos.items() if not photo.kept]
            extra = {id(self._photos[name]) for name in own[: max(0, len(own) - self._most)]}
        self._delete(lambda photo: id(photo) in extra)

    def _delete(self, which: Callable[[Photo], bool]) -> None:
        with self._lock:
            names = [name for name, photo in self._photos.items() if not photo.kept and which(photo)]
            gone = {self._photos.pop(name).path for name in names}
            # The same file dropped on two pages is stored once.
            for path in gone - {photo.path for photo in self._photos.values()}:
                with suppress(FileNotFoundError):
                    self._delete_file(path)

    def all(self) -> list[Photo]:
        """The visitors' photos, without the samples."""
        with self._lock:
            return [photo for photo in self._photos.values() if not photo.kept]
