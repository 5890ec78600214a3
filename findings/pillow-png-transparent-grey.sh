#!/usr/bin/env bash
# Pillow: in a grey PNG of 2 or 4 bits, the colour that stands for transparent stands for nothing.
#
# Guess:    convert("RGBA") makes the pixels transparent whose grey the chunk tRNS names, at every depth.
# Happens:  pixels of 2 and 4 bits are scaled to 8, but the value of tRNS is not, so that only black can match.
# Versions: pillow 12.3.0, Python 3.11, Linux
# Date:     2026-11-30
# Source:   PNG specification, third edition, 11.3.2.1: tRNS holds a sample at the picture's own depth
# Output:
#   1 bit    tRNS 1    1 of 2 greys transparent
#   2 bits   tRNS 2    0 of 4 greys transparent
#   4 bits   tRNS 9    0 of 16 greys transparent
#   8 bits   tRNS 9    1 of 256 greys transparent
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==12.3.0
cat > "$work/grey.py" <<'PY'
import io
import struct
import sys
import zlib

from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


found = {}
for depth, named in ((1, 1), (2, 2), (4, 9), (8, 9)):
    greys = [*range(2**depth)] * max(1, 8 // depth)  # whole bytes
    row = int("".join(f"{grey:0{depth}b}" for grey in greys), 2).to_bytes(len(greys) * depth // 8, "big")
    header = struct.pack(">IIBBBBB", len(greys), 1, depth, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", named))
    png += chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    alpha = Image.open(io.BytesIO(png)).convert("RGBA").getchannel("A").tobytes()
    found[depth] = sum(value == 0 for value in alpha[: 2**depth])
    bits = f"{depth} bit" + "s" * (depth > 1)
    print(f"{bits:<8} tRNS {named:<4} {found[depth]} of {2**depth} greys transparent")
sys.exit(found != {1: 1, 2: 0, 4: 0, 8: 1})
PY
"$work/venv/bin/python" "$work/grey.py"
