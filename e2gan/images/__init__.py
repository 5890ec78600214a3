"""Pictures from and to the outside world: reading them upright in 8-bit sRGB, and writing them with provenance.

Pictures may have any size, depth, colour and orientation of the formats in :data:`FORMATS`; the rest of the program
always sees an upright 8-bit sRGB picture, RGB or RGBA.  A picture that cannot be read raises one
:class:`~e2gan.errors.ImageError` that names the file.
"""

from e2gan.images.alpha import opaque
from e2gan.images.formats import FORMATS, READABLE, SUFFIXES, WRITABLE, Format, format_for, why_left_out
from e2gan.images.limits import LARGE, PHOTO, PREVIEW, UPLOAD, Limits
from e2gan.images.opening import ImageWarning, Source, open_image
from e2gan.images.saving import read_provenance, recorded, save_image

__all__ = [
    "FORMATS",
    "LARGE",
    "PHOTO",
    "PREVIEW",
    "READABLE",
    "SUFFIXES",
    "UPLOAD",
    "WRITABLE",
    "Format",
    "ImageWarning",
    "Limits",
    "Source",
    "format_for",
    "opaque",
    "open_image",
    "read_provenance",
    "recorded",
    "save_image",
    "why_left_out",
]
