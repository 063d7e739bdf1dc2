"""Finding what each rater said in a folder: DEAM's files per song, or a table with a column of raters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from lstmcore.experiments.config import AudioData
from lstmcore.experiments.config.explanations import explain
from lstmcore.experiments.datasets.annotations import LARGEST, Raters, read_raters
from lstmcore.experiments.datasets.own_data import ids_of
from lstmcore.experiments.datasets.ratings import RatingColumns, read_ratings
from lstmcore.experiments.datasets.song import SongId
from lstmcore.experiments.errors import InputError, all_told, listed
from lstmcore.experiments.starting.ratings import find_ratings
from lstmcore.experiments.starting.survey import TABLES, Survey, look
from lstmcore.experiments.starting.tables import Table, read_tables
from lstmcore.experiments.terminal.progress import Progress

_EXPECTED = (
    "expected a file per song with a row per rater in a folder called as the target, such as "
    "arousal/12.csv with columns rater,sample_15000ms,…, as DEAM has them; or a table with columns "
    "song, time, rater and the targets"
)


def find_answers(folder: Path, progress: Progress) -> tuple[str, dict[str, dict[SongId, Raters]]]:
    """Find what each rater said.

    Parameters
    ----------
    folder
        Searched with all below it; or one table.
    progress
        Advanced after each table.

    Returns
    -------
    str, dict
        Where it was found, and answers by target and song.

    Raises
    ------
    InputError
        If there is nothing of that kind, or files are malformed; all of them are named.
    """
    survey = _one_table(folder) if folder.is_file() else look(folder)
    tables = read_tables(survey, progress)
    by_rater = [table for table in tables if table.is_by_rater]
    if by_rater:
        return _of_files(folder, survey.folder, by_rater)
    return _of_table(folder, survey, tables)


def _one_table(path: Path) -> Survey:
    if not path.name.lower().endswith(TABLES):
        raise InputError(f"{path}: is no table; expected a folder, or one of {listed(TABLES)}")
    return Survey(path.parent, [], [path.name])


def _of_files(
    given: Path, root: Path, tables: Sequence[Table]
) -> tuple[str, dict[str, dict[SongId, Raters]]]:
    places = {str(PurePosixPath(table.folder).parent) for table in tables}
    if len(places) > 1:
        raise InputError(
            f"{root}: what raters said is in several places: {', '.join(sorted(places))}; expected one of "
            "these folders"
        )
    wrong: list[str] = []
    found: dict[str, dict[SongId, Raters]] = {}
    for table in sorted(tables, key=lambda t: (t.about != "arousal", t.about != "valence", t.about or "")):
        ids = ids_of(PurePosixPath(file).stem for file in table.files)
        songs = found.setdefault(table.about or "rating", {})
        for file in table.files:
            try:
                raters = read_raters(root / file)
            except InputError as error:
                wrong.append(str(error))
                continue
            if len(raters.answers):
                songs[ids[PurePosixPath(file).stem]] = raters
    if wrong:
        raise all_told(wrong, "files can't be read")
    return str(root / places.pop()), _some(given, found)


def _of_table(
    folder: Path, survey: Survey, tables: Sequence[Table]
) -> tuple[str, dict[str, dict[SongId, Raters]]]:
    ratings = [one for one in find_ratings(tables, survey.aside) if one.has_raters]
    if not ratings:
        found_instead = [f"{table.named}: {', '.join(table.header[:8])}" for table in tables[:4]]
        seen = f"; found {'; '.join(found_instead)}" if found_instead else ""
        raise InputError(f"{folder}: nothing tells what each rater said; {_EXPECTED}{seen}")
    try:
        own = AudioData.model_validate(ratings[0].keys())
    except ValidationError as error:
        raise InputError(f"{survey.folder / ratings[0].named}: {explain(error, AudioData)}") from None
    read = read_ratings(survey.folder, own.annotations, RatingColumns(own, (-LARGEST, LARGEST)))
    ids = ids_of(read)
    found: dict[str, dict[SongId, Raters]] = {}
    for song, rating in read.items():
        for target, agreement in (rating.agreement or {}).items():
            if agreement.answers is not None:
                found.setdefault(target, {})[ids[song]] = agreement.answers
    return str(survey.folder / ratings[0].named), _some(folder, found)


def _some(root: Path, found: dict[str, dict[SongId, Raters]]) -> dict[str, dict[SongId, Raters]]:
    kept = {target: songs for target, songs in found.items() if songs}
    if not kept:
        raise InputError(f"{root}: no rater has answered anything yet")
    return kept
