"""Files of media, made by PyAV: sound in many formats, alone, twice, or with pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

LOSSLESS = ("alac", "flac", "wavpack", "pcm_s16le")


def encode(
    path: Path,
    *sounds: NDArray[np.int16],
    codec: str,
    rate: int = 44100,
    form: str | None = None,
    pictures: bool = False,
    **options: str,
) -> Path:
    """Write sounds, shape (frames, channels), as streams of a file, with some pictures if wanted."""
    av: Any = pytest.importorskip("av", reason="PyAV makes the files, and is not installed")
    with av.open(str(path), "w", format=form, options=options) as container:
        streams = []
        for sound in sounds:
            layout = {1: "mono", 2: "stereo"}[sound.shape[1]]
            streams.append(container.add_stream(codec, rate=rate, layout=layout))
            if codec == "wavpack":
                streams[-1].format = "s16p"
            elif codec not in LOSSLESS:
                streams[-1].bit_rate = 128_000
        if pictures:
            video = container.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            for k in range(40):
                picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 6 * k, np.uint8), format="rgb24")
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        for stream, sound in zip(streams, sounds, strict=True):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound.reshape(1, -1)), format="s16", layout=stream.layout.name
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path
