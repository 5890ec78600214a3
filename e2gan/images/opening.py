"""Opening pictures from the outside world: decode them, turn them upright, and convert them to 8-bit sRGB."""

from __future__ import annotations

import errno
import io
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from e2gan.errors import E2GANWarning, ImageError
from e2gan.images import boxes, heif, metadata, png, raw, tiff
from e2gan.images.alpha import hide_nothing
from e2gan.images.alpha import opaque as without_holes
from e2gan.images.colour import ADOBE_RGB, Colour, Encoding, from_nclx, to_eight_bits, to_srgb
from e2gan.images.formats import READABLE, TITLES, to_download
from e2gan.images.limits import CLEAR, DECODED, FEWEST, HDR, PER_PIXEL, PHOTO, Limits

__all__ = ["ImageWarning", "Source", "one_line", "open_image", "opened", "silence"]

Source: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Image.Image"
"""Where a picture comes from: a file's path, its bytes, a stream open for binary reading, or a Pillow image."""

_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to put a picture upright, by its EXIF orientation."""


class ImageWarning(E2GANWarning):
    """A picture is read or written, but part of it is left out."""


@dataclass
class _Picture:
    """A file's decoded picture, and what the file says about it."""

    pixels: Image.Image | np.ndarray
    """A Pillow image; or uint16 of full range: (H, W), (H, W, 3) of RGB or (H, W, 4) of CMYK."""
    format: str | None
    alpha: np.ndarray | None = None
    """(H, W), uint8 or uint16: the opacity, if it is not in the pixels."""
    colour: Colour | None = None
    narrow: bool = False
    """Whether samples have video range."""
    exif: Image.Exif = field(default_factory=Image.Exif)
    orientation: int = 1
    xmp: Sequence[bytes | str] = ()
    """Its packets: a JPEG may have two."""
    iptc: bytes = b""
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)
    own: bool = True
    """Whether the pixels may be modified."""


SEVERAL = "only the first of its frames or pages is used"
GAIN_MAP = "its HDR gain map is left out: the picture for ordinary screens is used"
TO_SDR = "an HDR picture, brought to SDR"


def open_image(source: Source, *, name: str | None = None, opaque: bool = False, limits: Limits = PHOTO) -> Image.Image:
    """Read a whole picture: RGB, or RGBA if it has transparency, 8 bits a channel, sRGB, upright.

    Width and height are those of the displayed picture, with its orientation applied.  Greyscale, palette, CMYK
    and Lab become RGB, and any depth 8 bits; colours that the file defines by an ICC profile, CICP, gAMA and cHRM, or
    EXIF are converted to sRGB, and HDR to SDR.  Fully transparent pixels take the colours that are visible around
    them.  ``format`` is the file's.  ``info`` keeps what :func:`e2gan.images.save_image` writes: ``exif``, ``xmp``
    and ``iptc`` as far as they are true of the pixels, and ``dpi``.  An :class:`ImageWarning` names what is left out of
    a picture, such as its other frames.

    Args:
        name: the picture's name in errors; by default its path.
        opaque: always return RGB, with transparent pixels in the colours around them.
        limits: how much memory opening it may take.

    Raises:
        ImageError: the picture is missing, damaged or cut off, has no readable format, or exceeds the limits.
    """
    if name is None:
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the picture"
    try:
        with silence():
            picture = _read(source, name, limits)
            image = _converted(picture)
    except ImageError:
        raise
    except UnidentifiedImageError as fault:
        raise ImageError(
            f"{name}: not a picture, or its format is not supported", hint=f"e2gan reads {TITLES}"
        ) from fault
    except MemoryError as fault:
        raise ImageError(f"{name}: needs more memory than is available", hint=limits.hint) from fault
    # Decoders raise almost anything on damaged files.
    except Exception as fault:
        reason = getattr(fault, "strerror", None) or f"damaged or cut off ({one_line(fault)})"
        raise ImageError(f"{name}: {reason}", hint=to_download(name)) from fault
    for note in picture.notes:
        warnings.warn(f"{name}: {note}", ImageWarning, stacklevel=2)
    image.info = dict[Any, Any](_info(picture))
    image.format = picture.format
    if opaque and image.mode == "RGBA":
        info, format = image.info, image.format
        image = without_holes(image)
        image.info, image.format = info, format
    return image


_OTHERS = r"(PIL|tifffile|imagecodecs|pillow_heif|rawpy|numpy)\b"
_silenced = ExitStack()
_silent = 0
_silencing = threading.Lock()


@contextmanager
def silence() -> Iterator[None]:
    """Suppress libraries' warnings of large pictures and odd metadata: we check sizes and drop odd metadata ourselves.

    Our own warnings stay, because pictures may be opened in several threads, and Python has one list of what to
    suppress: the first to enter extends it, the last to leave restores it.
    """
    global _silent
    with _silencing:
        if not _silent:
            _silenced.enter_context(warnings.catch_warnings())
            for category in (
                RuntimeWarning,
                DeprecationWarning,
                PendingDeprecationWarning,
                FutureWarning,
                BytesWarning,
            ):
                warnings.simplefilter("ignore", category)
            warnings.filterwarnings("ignore", module=_OTHERS)
        _silent += 1
    try:
        yield
    finally:
        with _silencing:
            _silent -= 1
            if not _silent:
                _silenced.close()


@contextmanager
def opened(source: str | os.PathLike[str] | bytes | BinaryIO, name: str, limits: Limits) -> Iterator[BinaryIO]:
    """A seekable stream at the beginning of the picture's bytes; its file is closed afterwards.

    Raises:
        ImageError: the file is too long.
        OSError: it cannot be read, or is empty.
    """
    with ExitStack() as stack:
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        elif isinstance(source, (str, os.PathLike)):
            source = stack.enter_context(open(source, "rb"))
        if not source.seekable():
            data = source.read(limits.memory // 2 + 1)
            limits.check_bytes(name, len(data))
            source = io.BytesIO(data)
        limits.check_bytes(name, source.seek(0, os.SEEK_END))
        source.seek(0)
        if not source.read(1):
            raise OSError(errno.ENODATA, "the file is empty")
        source.seek(0)
        yield source


def _read(source: Source, name: str, limits: Limits) -> _Picture:
    if isinstance(source, Image.Image):
        # A picture in memory takes no more; one that is yet to be decoded does.
        limits.check(name, *source.size, DECODED if getattr(source, "tile", None) else 0)
        return _from_pillow(source, name, limits)
    with opened(source, name, limits) as stream:
        head = stream.read(64)
        stream.seek(0)
        if raw.is_raw(head):
            return _Picture(raw.develop(stream, name, limits), "raw")
        if head.startswith(png.SIGNATURE):
            return _from_png(stream.read(), name, limits)
        if tiff.is_tiff(head):
            return _from_tiff(stream, name, limits)
        if boxes.is_iso_media(head):
            return _from_boxes(stream.read(), name, limits)
        if head[4:8] == b"jP  " or head.startswith(b"\xff\x4f\xff\x51"):
            return _from_jpeg2000(stream.read(), name, limits)
        return _from_others(stream, name, limits)


def _pillow(stream: BinaryIO, name: str, limits: Limits, formats: tuple[str, ...], per_pixel: int = 0) -> Image.Image:
    """The picture with its header read and its size checked, not yet decoded."""
    Image.init()
    try:
        image = Image.open(stream, formats=[format for format in formats if format in Image.OPEN])
    except Image.DecompressionBombError as fault:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ImageError(
            f"{name}: larger than the {most:.3g} megapixels that Pillow allows",
            hint="make it smaller first, or raise PIL.Image.MAX_IMAGE_PIXELS",
        ) from fault
    limits.check(name, *image.size, max(per_pixel, PER_PIXEL.get(str(image.format), DECODED)))
    return image


def _from_pillow(image: Image.Image, name: str, limits: Limits) -> _Picture:
    """The caller's Pillow image, which must not change."""
    several = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    exif = _exif_of(image)
    image.load()
    info = image.info
    colour = _told_by(info, exif, image.format)
    xmp = [info.get("xmp") or info.get("XML:com.adobe.xmp") or b""]
    iptc = info.get("iptc") or b""
    picture = _Picture(image, "JPEG" if image.format == "MPO" else image.format, own=False)
    picture.colour, picture.exif, picture.xmp, picture.iptc = colour, exif, xmp, iptc
    picture.orientation = _orientation(exif)
    picture.dpi = _dpi(image, exif)
    picture.notes = [SEVERAL] * several
    return picture


def _told_by(info: Mapping[Any, Any], exif: Image.Exif, format: str | None) -> Colour | None:
    """The colours that a Pillow image's ``info`` gives, as Pillow and pillow-heif fill it."""
    profile, nclx, gamma = info.get("icc_profile"), info.get("nclx_profile"), info.get("gamma")
    if isinstance(profile, bytes) and profile:
        return Colour(profile=profile)
    if isinstance(nclx, dict):
        return from_nclx(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    if "srgb" in info:
        return None
    if isinstance(gamma, float):
        from e2gan.images.colour import Primaries, named_by_gamma

        corners = info.get("chromaticity")
        primaries = None
        if isinstance(corners, tuple) and len(corners) == 8:
            white, red, green, blue = zip(*[iter(corners)] * 2)
            primaries = Primaries(red, green, blue, white)
        return named_by_gamma(gamma, primaries)
    # In a PNG, only chunks define colours (the specification's third edition, 4.3).
    return ADOBE_RGB if format != "PNG" and metadata.says_adobe_rgb(exif) else None


def _from_others(stream: BinaryIO, name: str, limits: Limits) -> _Picture:
    """JPEG, WebP, GIF, BMP and PPM, and any other readable format."""
    image = _pillow(stream, name, limits, READABLE)
    info = image.info
    several = bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    format = "JPEG" if image.format == "MPO" else image.format
    _check_length(image, stream, name)
    exif = _exif_of(image)
    picture = _Picture(image, format, exif=exif, orientation=_orientation(exif), dpi=_dpi(image, exif))
    xmp: bytes = info.get("xmp", b"")
    picture.xmp = [xmp]
    if format == "JPEG":
        segments = (data for kind, data in getattr(image, "applist", ()) if kind == "APP1")
        picture.xmp = [xmp, metadata.extended_xmp(xmp, segments)]
    elif format == "GIF":
        picture.xmp = [_gifs_xmp(stream)]
    resources = info.get("photoshop")
    if isinstance(resources, dict):
        picture.iptc = resources.get(0x0404, b"")
    picture.colour = _told_by(info, exif, image.format)
    picture.notes = [SEVERAL] * several
    if format == "JPEG" and _has_gain_map(image, stream):
        picture.notes.append(GAIN_MAP)
    image.load()
    return picture


_GAIN_MAPS = (b"hdrgm:Version", b"HDRGainMap", b"hdrgainmap", b"hdr-gain-map", b"urn:iso:std:iso:ts:21496:-1\0")
"""How Adobe, Apple and ISO 21496-1 name a gain map."""


def _has_gain_map(image: Image.Image, stream: BinaryIO) -> bool:
    """Whether a JPEG says that a second picture holds what brightens it on HDR screens."""
    told = [data for kind, data in getattr(image, "applist", ()) if kind in ("APP1", "APP2")]
    if image.format == "MPO":
        # Apple says it only in the second picture.
        told.append(_whole(stream))
    return any(name in data for data in told for name in _GAIN_MAPS)


def _whole(stream: BinaryIO) -> bytes:
    """The whole file; Pillow goes on reading where it was."""
    here = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(here)
    return data


def _gifs_xmp(stream: BinaryIO) -> bytes:
    """The XMP of a GIF (XMP specification, part 3, 1.1.2), which Pillow ignores; may be empty."""
    _, found, rest = _whole(stream).partition(b"!\xff\x0bXMP DataXMP")
    return rest.partition(b"\x01\xff\xfe\xfd")[0] if found else b""


def _check_length(image: Image.Image, stream: BinaryIO, name: str) -> None:
    """Refuse a file that is too short for the size it declares, before memory for that is allocated."""
    here = stream.tell()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(here)
    pixels = image.width * image.height
    # Minimum bytes a pixel: in a JPEG, a bit for the first coefficient of each luminance block; in a GIF, a code of at
    # most 12 bits for at most 4096 pixels; in PPM and BMP, the samples themselves unless they are compressed.
    share = {"JPEG": 1 / 512, "MPO": 1 / 512, "GIF": 1.5 / 4096}.get(str(image.format), FEWEST)
    if any(tile[0] == "raw" for tile in getattr(image, "tile", ())):
        share = {"1": 1 / 8, "P": 1 / 8, "L": 1.0, "I": 1.0, "RGB": 2.0}.get(image.mode, 0.0)
    if pixels * share > size + 200:
        raise ImageError(f"{name}: damaged or cut off ({size:,} bytes for {image.width}×{image.height} pixels)")


def _from_png(data: bytes, name: str, limits: Limits) -> _Picture:
    told = png.read_png(data)
    deep = told.depth == 16 and told.kind != 0
    hdr = bool(told.colour and told.colour.encoding and told.colour.encoding.hdr)
    clear = told.kind in (4, 6) or bool(told.transparent)
    limits.check(name, told.width, told.height, max(HDR * hdr, CLEAR * clear, CLEAR if deep else DECODED) + 4 * deep)
    if told.compressed * 1100 < told.row * told.height:
        needed = told.row * told.height
        raise ImageError(f"{name}: damaged or cut off ({told.compressed:,} bytes for {needed:,} bytes of pixels)")
    del data
    picture = _Picture(Image.new("RGB", (1, 1)), "PNG", colour=told.colour, narrow=told.narrow, notes=told.notes)
    if deep:
        _decode_deep_png(picture, told)
    else:
        image = _pillow(io.BytesIO(told.file), name, limits, ("PNG",))
        image.load()
        if told.kind == 0 and told.depth in (2, 4) and len(told.transparent) == 2:
            # Pillow scales the pixels to 8 bits, but not the colour that is transparent.
            image.info["transparency"] = told.transparent[1] * (255 // (2**told.depth - 1))
        picture.pixels = image
    picture.exif = metadata.load_exif(told.exif) if told.exif else Image.Exif()
    picture.orientation = _orientation(picture.exif)
    if not told.exif and (exif := told.raw_profile("exif", "APP1")):
        # Browsers do not turn a picture by it.
        picture.exif = metadata.load_exif(exif)
    picture.xmp = [told.texts.get("XML:com.adobe.xmp") or told.raw_profile("xmp")]
    picture.iptc = metadata.iptc_of_png(told.raw_profile("iptc", "8bim"), told.texts)
    picture.dpi = _plausible(told.dpi) or _exif_dpi(picture.exif)
    if told.animated:
        picture.notes.append(SEVERAL)
    return picture


def _decode_deep_png(picture: _Picture, told: png.Png) -> None:
    """Decode 16-bit PNGs other than plain grey, which Pillow would cut to 8 bits."""
    import imagecodecs

    # Compare its transparent colour here, at full depth.
    chunk = told.transparent
    file = told.file
    if chunk and told.kind == 2:
        at = file.index(b"tRNS") - 4
        file = file[:at] + file[at + 12 + len(chunk) :]
    samples = np.asarray(imagecodecs.png_decode(file))
    if samples.shape[:2] != (told.height, told.width) or samples.ndim != 3:
        raise ValueError(f"{samples.shape} samples")
    if told.kind in (4, 6):
        picture.alpha, samples = samples[..., -1], samples[..., :-1]
    elif len(chunk) == 6:
        colour = np.frombuffer(chunk, ">u2")
        picture.alpha = np.where((samples == colour).all(-1), 0, 255).astype(np.uint8)
    picture.pixels = samples[..., 0] if samples.shape[-1] == 1 else samples


def _from_tiff(stream: BinaryIO, name: str, limits: Limits) -> _Picture:
    page = tiff.read_page(stream, name)
    picture = _tiffs_metadata(stream, page)
    if page.raw or _named_raw(name):
        picture.pixels, picture.format, picture.colour = raw.develop(stream, name, limits), "raw", None
        picture.notes = []
        return picture
    limits.check(name, page.width, page.height)
    if page.shallow and page.first:
        tiff.check_length(stream, page, name)
        stream.seek(0)
        # Pillow does not know every layout of this depth.
        with suppress(UnidentifiedImageError):
            image = _pillow(stream, name, limits, ("TIFF",))
            # Pillow would turn the picture by the orientation in XMP, and turns it by EXIF's itself.
            image.info.pop("xmp", None)
            image.load()
            picture.pixels = image
            return picture
    picture.pixels, picture.alpha, note = tiff.read_samples(stream, page, name, limits)
    if int(page.page.photometric) in tiff.CONVERTED:
        picture.colour = None
    picture.orientation = page.orientation
    picture.notes += [note] * bool(note)
    return picture


def _tiffs_metadata(stream: BinaryIO, page: tiff.Page) -> _Picture:
    """What a TIFF says besides its pixels, which are yet to be read."""
    exif = Image.Exif()
    try:
        exif.bigtiff, exif.endian = page.big, page.page.parent.byteorder
        stream.seek(0)
        exif.load_from_fp(stream, page.offset)
    except Exception:  # as decoders do
        exif = Image.Exif()
    picture = _Picture(Image.new("RGB", (1, 1)), "TIFF", notes=[SEVERAL] * page.several)
    # A copy that does not need the file.
    picture.exif = metadata.load_exif(metadata.clean_exif(exif))
    picture.xmp = [page.xmp]
    picture.iptc = metadata.iptc_of_tiff(page.iptc) or metadata.iptc_of_resources(page.resources)
    picture.dpi = _exif_dpi(exif)
    if page.profile:
        picture.colour = Colour(profile=page.profile)
    elif metadata.says_adobe_rgb(exif):
        picture.colour = ADOBE_RGB
    return picture


def _named_raw(name: str) -> bool:
    from e2gan.images.formats import RAW_SUFFIXES

    return os.path.splitext(name)[1].lower() in RAW_SUFFIXES


def _from_boxes(data: bytes, name: str, limits: Limits) -> _Picture:
    """HEIC, HEIF and AVIF, whatever the file is called."""
    about = boxes.read_about(data)
    notes = [GAIN_MAP] * about.gain_map
    if about.brands & boxes.AVIF:
        hdr = about.nclx is not None and about.nclx[1] in (16, 18)
        image = _pillow(io.BytesIO(data), name, limits, ("AVIF",), HDR * hdr)
        exif = _exif_of(image)
        picture = _Picture(image, "AVIF", exif=exif, orientation=_orientation(exif), dpi=_dpi(image, exif))
        picture.xmp = [image.info.get("xmp", b"")]
        # An ICC profile goes before nclx (ISO/IEC 23000-22, 7.3.6.4).
        picture.colour = _told_by(image.info, exif, image.format)
        if "icc_profile" not in image.info and about.nclx:
            picture.colour = from_nclx(*about.nclx)
        picture.notes = notes + [SEVERAL] * bool(getattr(image, "is_animated", False))
        image.load()
        return picture
    if not about.brands & heif.BRANDS:
        raise UnidentifiedImageError(name)
    read = heif.read_heif(data, name, limits)
    picture = _Picture(read.pixels, "HEIF", colour=read.colour, xmp=[read.xmp], notes=notes)
    if isinstance(read.pixels, np.ndarray):
        picture.pixels, picture.alpha = _split(read.pixels, read.alpha)
    picture.exif = metadata.load_exif(read.exif) if read.exif else Image.Exif()
    picture.dpi = _exif_dpi(picture.exif)
    if picture.colour is None and metadata.says_adobe_rgb(picture.exif):
        picture.colour = ADOBE_RGB
    picture.notes += [SEVERAL] * read.several
    return picture


def _split(samples: np.ndarray, alpha: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, C) samples as colours and opacity."""
    opacity = samples[..., -1] if alpha else None
    colours = samples[..., :-1] if alpha else samples
    return colours[..., 0] if colours.ndim == 3 and colours.shape[-1] == 1 else colours, opacity


def _from_jpeg2000(data: bytes, name: str, limits: Limits) -> _Picture:
    stream = io.BytesIO(data)
    image = _pillow(stream, name, limits, ("JPEG2000",))
    _check_length(image, stream, name)
    image.load()
    told = boxes.read_jp2(data)
    exif = metadata.load_exif(told.exif)
    picture = _Picture(image, "JPEG2000", exif=exif, orientation=_orientation(exif), dpi=_dpi(image, exif))
    picture.xmp, picture.iptc = [told.xmp], told.iptc
    if told.profile:
        picture.colour = Colour(profile=told.profile)
    return picture


def _exif_of(image: Image.Image) -> Image.Exif:
    """The EXIF from a picture's own bytes: as in browsers, an orientation in XMP alone does not turn it."""
    data = image.info.get("exif")
    if isinstance(data, bytes):
        return metadata.load_exif(data)
    if "exif" not in image.info and "xmp" not in image.info and "XML:com.adobe.xmp" not in image.info:
        try:
            return image.getexif()
        except Exception:  # as decoders do
            return Image.Exif()
    return Image.Exif()


def _orientation(exif: Image.Exif) -> int:
    value = exif.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and value in _TURNED else 1


def _dpi(image: Image.Image, exif: Image.Exif) -> tuple[float, float] | None:
    """Pixels per inch, horizontally and vertically: from the format, or otherwise from EXIF."""
    info = image.info
    # Pillow invents a value for a JPEG that gives none.
    if "dpi" in info and (image.format not in ("JPEG", "MPO") or info.get("jfif_unit") in (1, 2)):
        return _plausible(info["dpi"])
    return _exif_dpi(exif)


def _exif_dpi(exif: Image.Exif) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: 2.54}.get(exif.get(ExifTags.Base.ResolutionUnit, 2))
    across = exif.get(ExifTags.Base.XResolution)
    down = exif.get(ExifTags.Base.YResolution, across)
    try:
        return _plausible((across * unit, down * unit)) if unit and across else None
    except TypeError:
        return None


def _plausible(dpi: Any) -> tuple[float, float] | None:
    try:
        across, down = (round(float(length), 3) for length in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 < across < 65_536 and 1 < down < 65_536 else None


# Conversion


def _converted(picture: _Picture) -> Image.Image:
    """A new picture, upright, of mode RGB, or RGBA where it can be transparent."""
    pixels, alpha = picture.pixels, picture.alpha
    own = picture.own
    opacity: Image.Image | None = None
    if alpha is not None:
        opacity = Image.fromarray(to_eight_bits(alpha) if alpha.dtype == np.uint16 else np.ascontiguousarray(alpha))
    if isinstance(pixels, Image.Image):
        pixels, opacity, own = _plain(pixels, opacity, own)
    elif pixels.ndim == 3 and pixels.shape[-1] == 4:
        pixels, own = Image.fromarray(to_eight_bits(pixels), "CMYK"), True
    if picture.narrow:
        pixels = _widened(pixels)
    encoding = picture.colour.encoding if picture.colour else None
    if isinstance(encoding, Encoding) and encoding.hdr:
        picture.notes.append(TO_SDR)
    image = to_srgb(pixels, picture.colour, own=own)
    if image is picture.pixels:
        image = image.copy()  # free of the file
    if opacity is not None:
        image.putalpha(opacity)
        image = hide_nothing(image)
    if picture.orientation in _TURNED:
        image = image.transpose(_TURNED[picture.orientation])
        if picture.orientation >= 5 and picture.dpi:
            picture.dpi = picture.dpi[::-1]
    return image


def _plain(
    image: Image.Image, opacity: Image.Image | None, own: bool
) -> tuple[Image.Image | np.ndarray, Image.Image | None, bool]:
    """The colours in a convertible mode or as deep samples; the opacity; and whether the colours may be modified."""
    if image.mode == "La":  # Pillow converts it only to LA
        image, own = image.convert("LA"), True
    if image.mode.startswith("I"):
        deep = np.asarray(image).clip(0, 65_535).astype(np.uint16)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            opacity = Image.fromarray(np.where(deep == transparent, 0, 255).astype(np.uint8))
        return deep, opacity, True
    if image.mode == "F":
        deep = (np.nan_to_num(np.asarray(image)).clip(0, 1) * 65_535 + 0.5).astype(np.uint16)
        return deep, opacity, True
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return (image.convert("L") if image.mode == "LA" else rgba.convert("RGB")), rgba.getchannel("A"), True
    if image.mode == "1":
        return image.convert("L"), opacity, True
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        return image.convert("RGB"), opacity, True
    return image, opacity, own


def _widened(pixels: Image.Image | np.ndarray) -> Image.Image | np.ndarray:
    """Samples of video range, 16 to 235 of 255, scaled to full range."""
    if isinstance(pixels, np.ndarray):
        low, span = 16 * 256, 219 * 256
        return (((pixels.astype(np.int64) - low) * 65_535 + span // 2) // span).clip(0, 65_535).astype(np.uint16)
    image = pixels if pixels.mode in ("L", "RGB") else pixels.convert("RGB")
    table = [min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256)]
    return image.point(table * len(image.getbands()))


def _info(picture: _Picture) -> dict[str, object]:
    """The part of the file's metadata that is kept."""
    info: dict[str, object] = {}
    if exif := metadata.clean_exif(picture.exif):
        info["exif"] = exif
    if xmp := metadata.clean_xmp(*picture.xmp):
        info["xmp"] = xmp
    if iptc := metadata.clean_iptc(picture.iptc):
        info["iptc"] = iptc
    if picture.dpi:
        info["dpi"] = picture.dpi
    return info


def one_line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:120] or type(fault).__name__
