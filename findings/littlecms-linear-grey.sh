#!/usr/bin/env bash
# Little CMS: the shadows of a grey picture in linear light come out much too dark.
#
# Guess:    a grey profile with gamma 1 converts to sRGB as an RGB profile with gamma 1 and sRGB's primaries does.
# Happens:  the curve of a grey profile is taken in few steps: 1, 2 and 4 of 255 become 6, 12 and 25, where 13, 22 and 34
#           are right, at 8 and at 16 bits.  The same light as RGB is right.
# Versions: pillow 12.3.0 (Little CMS 2), Python 3.11, Linux
# Date:     2026-11-30
# Source:   ICC.1:2022, F.2 and F.3; IEC 61966-2-1 for what is right
# Output:
#   linear   right   grey profile   RGB profile
#        1      13              6            13
#        2      22             12            22
#        4      34             25            34
#        8      50             50            50
#       64     137            137           137
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==12.3.0
cat > "$work/linear.py" <<'PY'
import io
import struct
import sys

from PIL import Image, ImageCms

D50 = (0.9642, 1, 0.8249)
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))


def xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def profile(space, tags):
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78)), (b"wtpt", xyz(D50)), *tags]
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, data in tags:
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", at + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    head = (head.ljust(68, b"\0") + xyz(D50)[8:]).ljust(128, b"\0")
    return ImageCms.ImageCmsProfile(io.BytesIO(head + struct.pack(">I", len(tags)) + table + body))


linear = b"curv\0\0\0\0" + struct.pack(">IH", 1, 256) + b"\0\0"  # one entry: gamma 1
grey = profile(b"GRAY", [(b"kTRC", linear)])
rgb = profile(b"RGB ", [(n, xyz(v)) for n, v in zip((b"rXYZ", b"gXYZ", b"bXYZ"), SRGB)] + [(n, linear) for n in (b"rTRC", b"gTRC", b"bTRC")])
ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
target = ImageCms.createProfile("sRGB")
greys = ImageCms.applyTransform(ramp, ImageCms.buildTransform(grey, target, "L", "RGB")).getchannel("G").tobytes()
rgbs = ImageCms.applyTransform(ramp.convert("RGB"), ImageCms.buildTransform(rgb, target, "RGB", "RGB")).getchannel("G").tobytes()
right = [round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055)) for v in (i / 255 for i in range(256))]
print("linear   right   grey profile   RGB profile")
for i in (1, 2, 4, 8, 64):
    print(f"{i:6} {right[i]:7} {greys[i]:14} {rgbs[i]:13}")
off = [max(abs(a - b) for a, b in zip(right, found)) for found in (greys, rgbs)]
sys.exit(not (off[0] > 8 and off[1] <= 1))
PY
"$work/venv/bin/python" "$work/linear.py"
