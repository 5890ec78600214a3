#!/usr/bin/env bash
# tifffile: samples of 10, 12 or 14 bits are written wrong into a big-endian TIFF.
#
# Guess:    what imwrite(…, bitspersample=12, byteorder=">") writes, imread reads back.
# Happens:  the bits are packed from samples whose two bytes are swapped; nothing is said.  A little-endian file is right.
# Versions: tifffile 2026.3.3, imagecodecs 2026.3.6, numpy 2, Python 3.11, Linux
# Date:     2026-11-30
# Source:   TIFF 6, section 2 and FillOrder: packed bits are a stream of bytes, which has no byte order
# Output:
#   10 bits  <  reads back as written
#   10 bits  >  reads back otherwise: 1, 2, 3 become 256, 512, 768
#   12 bits  <  reads back as written
#   12 bits  >  reads back otherwise: 1, 2, 3 become 256, 512, 768
#   16 bits  <  reads back as written
#   16 bits  >  reads back as written
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q tifffile==2026.3.3 imagecodecs==2026.3.6
cat > "$work/packed.py" <<'PY'
import io
import sys

import numpy as np
import tifffile

samples = np.arange(1, 9, dtype=np.uint16).reshape(2, 4)
equal = {}
for bits in (10, 12, 16):
    for order in "<>":
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, samples, photometric="minisblack", bitspersample=bits, byteorder=order)
        buffer.seek(0)
        read = tifffile.imread(buffer)
        equal[bits, order] = np.array_equal(read, samples)
        some = ", ".join(map(str, read[0, :3]))
        print(f"{bits} bits  {order}  reads back " + ("as written" if equal[bits, order] else f"otherwise: 1, 2, 3 become {some}"))
sys.exit([key for key, same in equal.items() if not same] != [(10, ">"), (12, ">")])
PY
"$work/venv/bin/python" "$work/packed.py"
