"""One song, in a process of its own: ``python -m lstmcore.experiments.serving.child``.

What decoders make of a file that somebody else has made is the one thing here that nobody can answer for.
So a song is decoded, analysed and predicted in a process that may use so much memory, time and disk and no
more; the server has nothing of it but numbers. The request is a line of JSON on standard input, which ends
when the server does; what is done comes on standard output, a line of JSON each.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmcore.experiments.terminal.limits import Limits, restrict

if TYPE_CHECKING:
    from lstmcore.experiments.prediction.songs import Predictor

SOUND = "sound.flac"
RESULT = "result.json"
_OUTLINE = 1200  # columns of the sound's outline
_OUTLINE_DIGITS = 4
_CHANNELS = 2  # at most, of what is played
_DIGITS = 6
_TELL_SECONDS = 10  # of sound between two messages


@dataclass(frozen=True)
class Request:
    """What is asked of the process.

    Parameters
    ----------
    song
        The file.
    folder
        Where what comes out goes.
    models
        Folders of models, or names of those that come along.
    limits
        What may be used.
    """

    song: str
    folder: str
    models: list[str]
    limits: Limits

    def as_line(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Request:
        """Read what `as_line` wrote."""
        said = json.loads(line)
        return cls(said["song"], said["folder"], said["models"], Limits(**said["limits"]))


def main() -> None:
    """Do what the line on standard input says."""
    request = Request.from_line(sys.stdin.readline())
    restrict(request.limits)
    threading.Thread(target=_end_with_server, daemon=True).start()
    try:
        _analyse(request)
    except MemoryError:
        _tell(error="needs more memory than a song may have here")
    except Exception as error:  # noqa: BLE001 - most likely of a limit that some library met
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        _tell(error=f"can't be analysed within what a song may use here ({said})")


def _end_with_server() -> None:
    sys.stdin.read()
    os._exit(1)


def _tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _analyse(request: Request) -> None:
    from lstmcore.experiments.errors import InputError
    from lstmcore.features import AudioError, SmileError

    song, folder = Path(request.song), Path(request.folder)
    try:
        seconds, outline = _playable(song, folder / SOUND)
        found = list(_predictions(song, seconds, request.models))
    except AudioError as error:
        _tell(error=error.reason)
        return
    except (InputError, SmileError) as error:
        _tell(error=str(error))
        return
    except OSError as error:
        _tell(error=f"can't be analysed here: {error.strerror or error}")
        return
    content = {"seconds": seconds, "outline": outline, "curves": found}
    (folder / RESULT).write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    _tell(done=True)


def _playable(song: Path, to: Path) -> tuple[float, list[float]]:
    """Write what is heard as FLAC, which every browser plays; return its length and its outline.

    So no decoder of the browser's meets the file, and what is played is, to the sample, what was analysed.
    """
    import numpy as np
    import soundfile

    from lstmcore.features.audio import open_audio

    levels: list[float] = []
    with open_audio(song) as stream:
        rate, done, told = stream.rate, 0, 0.0
        step = max(1, rate // 20)
        channels = stream.channels if stream.channels <= _CHANNELS else 1
        left = np.zeros(0, np.float32)
        with soundfile.SoundFile(to, "w", rate, channels, format="FLAC", subtype="PCM_16") as file:
            for block in stream.blocks:
                played = block if channels == stream.channels else block.mean(1, keepdims=True)
                if played.dtype != np.int16:
                    scale = 1 if block.dtype == np.int16 else 32767
                    played = np.clip(np.rint(played * scale), -32768, 32767).astype(np.int16)
                file.write(played)
                left = np.concatenate([left, np.abs(played.astype(np.float32)).max(1) / 32768])
                whole = len(left) // step * step
                levels += left[:whole].reshape(-1, step).max(1).tolist()
                left = left[whole:]
                done += len(block)
                if done / rate - told >= _TELL_SECONDS:
                    told = done / rate
                    _tell(stage=f"decoding, {_clock(told)} so far", share=None)
    if len(left):
        levels.append(float(left.max()))
    return done / rate, _outline(levels)


def _outline(levels: list[float]) -> list[float]:
    """Reduce peaks, one for each twentieth of a second, to as many as a picture shows."""
    together = max(1, math.ceil(len(levels) / _OUTLINE))
    return [round(max(levels[k : k + together]), _OUTLINE_DIGITS) for k in range(0, len(levels), together)]


def _predictions(song: Path, seconds: float, models: list[str]) -> Iterator[dict[str, Any]]:
    """Predict by one model after the other; features that two of them hear are computed once."""
    from lstmcore.experiments.prediction.batch import predict_many
    from lstmcore.experiments.prediction.songs import open_predictor
    from lstmcore.features.sets import parts_of

    predictors = [open_predictor(Path(model)) for model in models]
    steps = [(predictor, part) for predictor in predictors for part in parts_of(predictor.feature_set)]
    for done, (predictor, part) in enumerate(steps):
        what = f"features {done + 1} of {len(steps)} ({part}) of {_clock(seconds)} of sound"
        _tell(stage=what, share=done / (len(steps) + 1))
        _compute(predictor, song, part)
    _tell(stage="networks", share=len(steps) / (len(steps) + 1))
    for predictor in predictors:
        with predict_many(predictor, [song], workers=1) as results:
            [result] = results
        if result.error is not None:
            raise result.error
        assert result.song is not None
        said = result.song
        targets = predictor.model.about.target_names
        yield {
            "times": [round(float(time), _DIGITS) for time in said.table["time"]],
            "targets": {
                target: {
                    "values": _numbers(said.table[target]),
                    "spread": _numbers(said.table[f"{target}_spread"]),
                }
                for target in targets
            },
            "novelty": said.novelty,
            "warnings": list(said.warnings),
        }


def _compute(predictor: Predictor, song: Path, part: str) -> None:
    """Have a part of the features in the store, where the prediction finds it."""
    from lstmcore.features import FeatureStore, extract_features
    from lstmcore.features.errors import TooShortError

    try:
        extract_features(song, part, FeatureStore(), settings=predictor.settings)
    except TooShortError:
        return  # the predictor knows whether that matters


def _numbers(values: Any) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


if __name__ == "__main__":
    main()
