#!/usr/bin/env bash
# Pillow: a JPEG 2000's colour profile is not read.
#
# Guess:    Image.info["icc_profile"] holds the profile of a JP2 as it does of JPEG, PNG, WebP, TIFF and AVIF.
# Happens:  the profile in the box "colr" (method 2) is passed over without a word; a picture in Display P3 or Adobe RGB
#           looks like one in sRGB, with duller colours.
# Versions: pillow 12.3.0, Python 3.11, Linux
# Date:     2026-11-29
# Source:   ISO/IEC 15444-1, I.5.3.3; https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html#jpeg-2000
# Output:
#   PNG        588 bytes of profile
#   JPEG       588 bytes of profile
#   JPEG 2000  no profile, though the file holds one of 588 bytes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==12.3.0
cat > "$work/profile.py" <<'PY'
import io
import struct
import sys

from PIL import Image, ImageCms

icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
image = Image.new("RGB", (8, 8), "red")


def encoded(format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


jp2 = encoded("JPEG2000")
at = jp2.index(b"colr") - 4
size = int.from_bytes(jp2[at : at + 4], "big")
box = struct.pack(">I", 11 + len(icc)) + b"colr\2\0\0" + icc
header = jp2.index(b"jp2h") - 4
grown = int.from_bytes(jp2[header : header + 4], "big") + len(box) - size
jp2 = jp2[:header] + struct.pack(">I", grown) + jp2[header + 4 : at] + box + jp2[at + size :]

files = {"PNG": encoded("PNG", icc_profile=icc), "JPEG": encoded("JPEG", icc_profile=icc), "JPEG 2000": jp2}
found = {}
for name, data in files.items():
    opened = Image.open(io.BytesIO(data))
    opened.load()
    found[name] = len(opened.info.get("icc_profile", b""))
    held = f"no profile, though the file holds one of {len(icc)} bytes"
    print(f"{name:<10} " + (f"{found[name]} bytes of profile" if found[name] else held))
sys.exit(not (found["PNG"] and found["JPEG"] and not found["JPEG 2000"]))
PY
"$work/venv/bin/python" "$work/profile.py"
