#!/usr/bin/env bash
# PyAV's libx265: the decoding times of a clip of one or two frames are what happened to lie in memory.
#
# Guess:    the same frames, encoded twice with the same settings, give the same packets; muxing them into an MP4 works.
# Happens:  for one or two frames, fewer than x265 waits for by default, some packets have a decoding time (dts) that no
#           frame gave, of up to 19 digits, and another one in the next run. Now and then the MP4 muxer then refuses the
#           packet: "Not yet implemented in FFmpeg, patches welcome". From three frames on, all runs agree.
# Versions: av 18.0.0 (libavcodec 62.28.102, x265 4.2+1), numpy 2.4.6, Python 3.11, Linux
# Date:     2026-11-30
# Source:   https://pyav.basswood-io.com/docs/stable/api/codec.html and https://github.com/Multicorewareinc/x265/pull/936,
#           which mends it upstream and is not in these wheels
# Output (the first two lines vary):
#   1 frame(s): 5 sets of times in 60 runs; 4 runs with a dts beyond 1,000 frames
#   2 frame(s): 2 sets of times in 60 runs; 0 runs with a dts beyond 1,000 frames
#   3 frame(s): 1 sets of times in 60 runs; 0 runs with a dts beyond 1,000 frames
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.0.0 numpy==2.4.6
cat > "$work/short.py" <<'PY'
import sys
from fractions import Fraction

import av
import numpy as np


def times(frames):
    """(pts, dts) of the packets of so many grey frames, in frames."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 8), 8
    packets = []
    for number in range(frames):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + number, np.uint8))
        frame.pts, frame.time_base = number, Fraction(1, 8)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return tuple((packet.pts, packet.dts) for packet in packets)


kinds = {}
for frames in (1, 2, 3):
    runs = [times(frames) for _ in range(60)]
    kinds[frames] = len(set(runs))
    far = sum(any(abs(dts) > 1000 for _, dts in run) for run in runs)
    print(f"{frames} frame(s): {kinds[frames]} sets of times in 60 runs; {far} runs with a dts beyond 1,000 frames")
sys.exit(0 if max(kinds[1], kinds[2]) > 1 == kinds[3] else 1)
PY
"$work/venv/bin/python" "$work/short.py" 2> /dev/null
