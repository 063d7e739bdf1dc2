"""What ``lstmcore predict`` does: from songs to files."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

import lstmcore
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.work import use_threads
from lstmcore.experiments.prediction.batch import predict_many
from lstmcore.experiments.prediction.curves import model_digest
from lstmcore.experiments.prediction.outputs.facts import Facts, Scale, check_scale, parse_scale, rescaled
from lstmcore.experiments.prediction.outputs.opening import Destination, Format, destination, open_output
from lstmcore.experiments.prediction.outputs.page import check_page, open_page
from lstmcore.experiments.prediction.outputs.summary import summary_row
from lstmcore.experiments.prediction.outputs.times import Times, read_times
from lstmcore.experiments.prediction.songs import Predictor
from lstmcore.experiments.terminal.progress import Progress
from lstmcore.features import AudioError
from lstmcore.features.errors import printable

# What is wrong with the name of one file, not with the disk.
_OF_THE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True)
class Wishes:
    """What is to come out.

    Parameters
    ----------
    place
        Where to, and in which format; None: nothing but the page.
    scale
        The scale that values are mapped to; None: the model's.
    times
        Where values are wanted; None: at each time stamp.
    summary
        Whether each song is one row.
    page
        File for a page of all songs, or None.
    keep
        Whether features and curves are looked for, and kept, in the cache.
    """

    place: Destination | None
    scale: Scale | None = None
    times: Times | None = None
    summary: bool = False
    page: Path | None = None
    keep: bool = True


@dataclass(frozen=True)
class Told:
    """What is to be said of songs when all are done, in their order.

    Parameters
    ----------
    errors
        One for each song that can't be used.
    warnings
        Why the curve of a song may mean little.
    """

    errors: list[AudioError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Options:
    """What a person asks for, in the words of the command line; as in `Wishes` where the name is the same."""

    out: Path | None = None
    format: Format | None = None
    page: Path | None = None
    scale: str | None = None
    times: Path | None = None
    summary: bool = False
    keep: bool = True


def wishes_of(options: Options, songs: int) -> Wishes:
    """Understand what a person asks for, for so many songs.

    Raises
    ------
    InputError
        If options contradict each other, or a file of times can't be used.
    """
    if options.summary and options.times is not None:
        raise InputError("--summary and --times: expected one of them")
    if options.page is not None:
        check_page(options.page)
        if options.out is not None and options.out.absolute() == options.page.absolute():
            raise InputError(f"--out and --page are both {printable(options.page)}; expected two files")
    place = None
    if options.page is None or options.out is not None or options.format is not None:
        place = destination(options.out, options.format, songs, summary=options.summary)
    elif options.summary or options.times is not None:
        asked = "--summary" if options.summary else "--times"
        raise InputError(f"{asked} with --page alone; expected --out or --format, for where the values go")
    scale = None if options.scale is None else parse_scale(options.scale)
    times = None if options.times is None else read_times(options.times)
    if times is not None and place is not None and place.of_one_song:
        times.check_rising(place.format, overlaps=place.format == "srt")
    return Wishes(place, scale, times, options.summary, options.page, options.keep)


def facts_of(predictor: Predictor) -> Facts:
    """Return what is to be known of the predictions of a model."""
    about = predictor.model.about
    return Facts(
        targets=tuple(about.target_names),
        model=predictor.name,
        digest=model_digest(predictor.model),
        system=predictor.system,
        networks=len(predictor.model.members(predictor.system)) // about.networks_a_member,
        version=lstmcore.__version__,
        hop_seconds=predictor.settings.hop_seconds,
        window_seconds=predictor.settings.window_seconds,
        heard_seconds=predictor.heard_seconds,
        delay_seconds=about.annotation_delay_seconds,
        scale=None if about.target_range is None else (about.target_range[0], about.target_range[1]),
        cautions=tuple(about.warnings()),
    )


def predict_songs(
    predictor: Predictor, songs: Mapping[Path, str], wishes: Wishes, *, workers: int, progress: Progress
) -> Told:
    """Predict songs and write what comes out, song by song.

    Parameters
    ----------
    predictor
        From `lstmcore.experiments.prediction.open_predictor`.
    songs
        From `lstmcore.experiments.extraction.find_songs`.
    wishes
        What is to come out.
    workers
        Songs worked on side by side.
    progress
        Advanced after each song.

    Returns
    -------
    Told
        What is to be said of songs in the end.

    Raises
    ------
    InputError
        If wishes don't fit the model or the songs.
    OSError
        If a file can't be written.
    """
    use_threads(predictor.backend, max(1, workers // len(songs)))  # those that have no song help
    facts = facts_of(predictor)
    told = facts.of_scale(wishes.scale)
    check_scale(facts, wishes.scale)
    if wishes.times is not None:
        wishes.times.check_songs(songs)
    said = Told()
    with ExitStack() as stack:
        place = wishes.place
        output = None if place is None else stack.enter_context(open_output(place, songs, told))
        page = stack.enter_context(open_page(wishes.page, told, len(songs)))
        progress.stage("songs", len(songs), "songs")
        results = stack.enter_context(
            predict_many(
                predictor,
                songs,
                workers=workers,
                keep=wishes.keep,
                on_done=lambda done: progress.advance(fresh=done.error is None and not done.stored),
            )
        )
        for result in results:
            if result.song is None:
                assert result.error is not None
                said.errors.append(result.error)
                continue
            said.warnings.extend(result.warnings)
            song, path = result.song, result.path
            table = rescaled(song.table, facts, wishes.scale)
            try:
                if output is not None:
                    output.add(path, _wanted(table, told, wishes, path))
                page.add(table, song.warnings)
            except AudioError as error:
                said.errors.append(error)
            except InputError as error:
                said.errors.append(AudioError(path, str(error)))
            except OSError as error:
                if error.errno not in _OF_THE_NAME:
                    raise
                where = printable(error.filename or "its file")
                reason = f"{where} can't be written, {error.strerror}; another name or one table is expected"
                said.errors.append(AudioError(path, reason))
        progress.close()  # before what is printed
    return said


def _wanted(table: pd.DataFrame, facts: Facts, wishes: Wishes, path: Path) -> pd.DataFrame:
    if wishes.times is not None:
        return wishes.times.values(table, facts, path)
    return summary_row(table, facts) if wishes.summary else table
