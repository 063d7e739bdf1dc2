"""One song's predictions as subtitles, for Praat and ELAN, and as layers of Sonic Visualiser.

A value that belongs to a time holds until the next one's: these programs show intervals.
"""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from pympi import Eaf, TextGrid
from pympi.Elan import to_string

from lstmcore.experiments.prediction.outputs.facts import (
    END,
    LABEL,
    NOVELTY,
    TIME,
    Facts,
    curve_columns,
    novelty_in,
)
from lstmcore.features.audio import open_audio

Writer = Callable[[Path, pd.DataFrame, Facts], bytes]
"""From the path of a song, its table and what is known of it to the content of a file."""

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_COLOURS = ("#c2410c", "#0f766e", "#1d4ed8", "#a21caf", "#4d7c0f", "#b91c1c")
_LINES, _SAME_SCALE = "3", "0"  # Sonic Visualiser's numbers of a plot style and of a vertical scale


def spans(table: pd.DataFrame, facts: Facts) -> list[tuple[float, float]]:
    """Beginning and end of what each row stands for: up to the next row, the last one for a hop.

    Parameters
    ----------
    table
        With ``time`` and perhaps ``end``, where an end that isn't after its time is none.
    facts
        Of the table.
    """
    begins = [float(time) for time in table[TIME]]
    ends = [end for _, end in pairwise(begins)] + [begins[-1] + facts.hop_seconds]
    if END in table:
        told = [float(end) for end in table[END]]
        ends = [own if own > begin else end for begin, own, end in zip(begins, told, ends, strict=True)]
    return list(zip(begins, ends, strict=True))


def subtitles(path: Path, table: pd.DataFrame, facts: Facts) -> bytes:
    """Write SubRip: the targets below each other, and what the interval is called above them."""
    blocks = []
    for number, ((begin, end), (_, row)) in enumerate(
        zip(spans(table, facts), table.iterrows(), strict=True), 1
    ):
        lines = [f"{target} {row[target]:z.2f}" for target in facts.targets]
        title = [row[LABEL]] if row.get(LABEL) else []
        blocks.append("\n".join([str(number), f"{_stamp(begin)} --> {_stamp(end)}", *title, *lines, ""]))
    return "\n".join(blocks).encode()


def _stamp(seconds: float) -> str:
    whole = round(1000 * seconds)
    minutes, rest = divmod(whole, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02},{rest % 1000:03}"


def _said(table: pd.DataFrame, facts: Facts) -> str:
    """All that is known of a song's predictions, as one line."""
    novelty = novelty_in(table)
    return facts.line() if novelty is None else f"{facts.line()}; novelty of the song {novelty:.3f}"


def textgrid(path: Path, table: pd.DataFrame, facts: Facts) -> bytes:
    """Write a TextGrid of Praat's: a tier of intervals for each column, and one that says what they are."""
    places = spans(table, facts)
    end = places[-1][1]
    grid = TextGrid(xmax=end)
    for name in curve_columns(table):
        tier = grid.add_tier(name.replace('"', '""'))
        for (begin, until), value in zip(places, table[name], strict=True):
            tier.add_interval(begin, until, f"{value:z.4f}", check=False)
    if LABEL in table:
        tier = grid.add_tier(LABEL)
        for (begin, until), label in zip(places, table[LABEL], strict=True):
            tier.add_interval(begin, until, label, check=False)
    grid.add_tier("lstmcore").add_interval(0, end, _said(table, facts), check=False)
    with tempfile.TemporaryDirectory() as folder:  # it writes to names only
        file = Path(folder, "grid")
        grid.to_file(file)
        return file.read_bytes()


def eaf(path: Path, table: pd.DataFrame, facts: Facts) -> bytes:
    """Write an ELAN file: a tier of annotations for each column, linked with the song."""
    file = Eaf(author=f"lstmcore {facts.version}")
    file.remove_tier("default")
    kind = mimetypes.guess_type(path.name)[0] or "audio/x-wav"
    file.add_linked_file(path.absolute().as_uri(), mimetype=kind)
    for key, value in (facts.as_json() | {NOVELTY: novelty_in(table)}).items():
        file.add_property(f"lstmcore:{key}", value)
    places = [(round(1000 * begin), round(1000 * end)) for begin, end in spans(table, facts)]
    for name in curve_columns(table):
        file.add_tier(name, ann=facts.model)
        for (begin, end), value in zip(places, table[name], strict=True):
            file.add_annotation(name, begin, end, f"{value:z.4f}")
    if LABEL in table:
        file.add_tier(LABEL)
        for (begin, end), label in zip(places, table[LABEL], strict=True):
            file.add_annotation(LABEL, begin, end, label)
    return f"{_XML}{to_string(file)}\n".encode()


def sonic_visualiser(path: Path, table: pd.DataFrame, facts: Facts) -> bytes:
    """Write layers of time values for Sonic Visualiser, one for each column, at the song's sampling rate."""
    with open_audio(path) as stream:
        rate = stream.rate
    frames = [round(rate * float(time)) for time in table[TIME]]
    names = curve_columns(table)
    labels = list(table[LABEL]) if LABEL in table else [""] * len(table)
    root = ElementTree.Element("sv")
    root.append(ElementTree.Comment(f" {_said(table, facts).replace('--', '- -')} "))
    data, display = ElementTree.SubElement(root, "data"), ElementTree.SubElement(root, "display")
    for number, name in enumerate(names):
        values = table[name].to_numpy(np.float64)
        low, high = float(values.min()), float(values.max())
        if facts.scale is not None and name in facts.targets:
            low, high = min(low, facts.scale[0]), max(high, facts.scale[1])
        model, dataset = str(3 * number + 1), str(3 * number + 2)
        about = {"id": model, "name": name, "sampleRate": str(rate), "type": "sparse", "dimensions": "2"}
        about |= {"start": str(frames[0]), "end": str(frames[-1] + 1), "resolution": "1"}
        about |= {"minimum": f"{low:.6f}", "maximum": f"{high:.6f}", "units": "", "dataset": dataset}
        ElementTree.SubElement(data, "model", about | {"notifyOnAdd": "true"})
        points = ElementTree.SubElement(data, "dataset", {"id": dataset, "dimensions": "2"})
        for frame, value, label in zip(frames, values, labels, strict=True):
            point = {"frame": str(frame), "value": f"{value:.6f}", "label": label}
            ElementTree.SubElement(points, "point", point)
        layer = {"id": str(3 * number + 3), "type": "timevalues", "model": model, "name": facts.meaning(name)}
        layer |= {"presentationName": name, "plotStyle": _LINES, "verticalScale": _SAME_SCALE}
        ElementTree.SubElement(display, "layer", layer | {"colour": _COLOURS[number % len(_COLOURS)]})
    ElementTree.indent(root)
    head = f"{_XML}<!DOCTYPE sonic-visualiser>\n"
    return f"{head}{ElementTree.tostring(root, encoding='unicode')}\n".encode()


WRITERS: dict[str, Writer] = {
    "srt": subtitles,
    "textgrid": textgrid,
    "eaf": eaf,
    "svl": sonic_visualiser,
}
