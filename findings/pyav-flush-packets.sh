#!/usr/bin/env bash
# PyAV: the packets that end the streams belong to them by `packet.stream`, and all to stream 0 by `packet.stream_index`.
#
# Guess:    packet.stream_index == packet.stream.index for every packet that container.demux() yields.
# Happens:  the empty packets at the end, one for each stream, have stream_index 0 whatever their stream is. A program
#           that sorts packets by stream_index hands the ends of all streams to the first one: its packet.decode()
#           flushes other streams' decoders, and raises AttributeError for a data stream, such as that which an MP4 has
#           for its chapters.
# Versions: av 18.0.0 (FFmpeg 8.1.2), numpy 2.3.5, Python 3.11, Linux x86-64
# Date:     2026-11-30
# Source:   https://pyav.basswood-io.com/docs/stable/api/packet.html
# Output:
#   data    0 of 10 packets by another index
#   end of stream 0 (video): stream_index 0
#   end of stream 1 (audio): stream_index 0
#   end of stream 2 (data): stream_index 0
#   decoding what has stream_index 0: AttributeError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q av==18.0.0 numpy==2.3.5
cat > "$work/packets.py" <<'PY'
import sys
from fractions import Fraction

import av
import numpy as np

path = sys.argv[1]
with av.open(path, "w") as out:
    video = out.add_stream("libx264", rate=8, width=64, height=48)
    audio = out.add_stream("aac", rate=48_000)
    base = Fraction(1, 1)
    out.set_chapters([{"id": 1, "start": 0, "end": 1, "time_base": base, "metadata": {"title": "One"}}])
    for number in range(8):
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 8)
        out.mux(video.encode(frame))
    out.mux(video.encode(None))
    sound = av.AudioFrame.from_ndarray(np.zeros((2, 1024), "f4"), format="fltp", layout="stereo")
    sound.sample_rate, sound.pts, sound.time_base = 48_000, 0, Fraction(1, 48_000)
    out.mux(audio.encode(sound))
    out.mux(audio.encode(None))

with av.open(path) as clip:
    packets = [(p.stream.type, p.stream.index, p.stream_index, p.dts is None) for p in clip.demux()]
data = [(index, told) for _, index, told, end in packets if not end]
print(f"data    {sum(index != told for index, told in data)} of {len(data)} packets by another index")
ends = [(kind, index, told) for kind, index, told, end in packets if end]
for kind, index, told in ends:
    print(f"end of stream {index} ({kind}): stream_index {told}")
outcome = "decodes"
with av.open(path) as clip:
    try:
        for packet in clip.demux():
            if packet.stream_index == 0:
                packet.decode()
    except AttributeError as fault:
        outcome = type(fault).__name__
print(f"decoding what has stream_index 0: {outcome}")
expected = [("video", 0, 0), ("audio", 1, 0), ("data", 2, 0)]
assert all(index == told for index, told in data), "packets of data differ, too"
assert ends == expected and outcome == "AttributeError", "PyAV numbers the last packets otherwise now"
PY
"$work/venv/bin/python" "$work/packets.py" "$work/clip.mp4"
