"""All systems of an experiment applied to all sets of songs: ensembles and baselines.

In cross-validation a song is predicted by the networks of its own fold, which were not
trained on it (early stopping watched it, unless ``folds.stopping`` names another).  That is the
system ``lstm_all``: the average of all networks that may predict a song.  The chosen
ensembles ``lstm_rmse`` and ``lstm_ccc`` mix networks of all folds, so they have no
cross-validation.  Without a team's test set none are chosen.

Each network's predictions are smoothed, if ``predictions.smoothing`` says so, before
ensembles are chosen, averaged and scored; the baselines' are left as they are.  With single
targets, "network" here means one of each target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmcore.experiments.datasets import Song, song_order
from lstmcore.experiments.jobs.job import Result
from lstmcore.experiments.scoring.baselines import MIXED, REGRESSIONS, predict_baselines
from lstmcore.experiments.scoring.ensemble import Choice, Frames, choose, split_songs
from lstmcore.experiments.scoring.metrics import Score, score
from lstmcore.experiments.training.apart import check_apart
from lstmcore.experiments.training.folds import cut_anew
from lstmcore.experiments.training.smoothing import smoothed
from lstmcore.experiments.training.trial import TrialData, join_targets, networks_a_member
from lstmcore.features.sets import is_sound

ALL_NETWORKS = "lstm_all"


@dataclass(frozen=True)
class Predictions:
    """What one system says about one set of songs.

    Parameters
    ----------
    system, group
        Names of the system and of the set: cross_validation, team_test or official_test.
    songs
        The songs.
    values
        The targets of each song, shape (frames, targets).
    spread
        Standard deviation over the networks averaged, likewise; None for a baseline.
    own
        Whether it is a model of one's own, of ``[[systems]]``.
    """

    system: str
    group: str
    songs: list[Song]
    values: list[Frames]
    spread: list[Frames] | None = None
    own: bool = False

    def scores(self, targets: Sequence[str]) -> list[Score]:
        """Score the predictions against the songs' annotations, which have these names."""
        return score(self.system, self.group, targets, self.songs, self.values)


def choose_ensembles(data: TrialData, networks: list[Result]) -> dict[str, Choice]:
    """Choose an ensemble for each criterion, or each run on these features; system name to choice.

    Without a team's test set, on which to choose, there is one ensemble: all networks.
    """
    config = data.experiment.ensemble
    songs = data.split.team_test_songs
    if not songs:
        members = len(networks) // networks_a_member(data.experiment)
        return {ALL_NETWORKS: Choice(list(range(members)), "all", None)}
    stacked = member_predictions(data, networks, "team_test", songs)
    criteria = data.experiment.criteria
    return {system: choose(stacked, songs, metric, config) for system, metric in criteria.items()}


def predict_all(data: TrialData, networks: list[Result], choices: dict[str, Choice]) -> list[Predictions]:
    """Apply every system to every set.

    Parameters
    ----------
    data
        Songs and folds.
    networks
        Results of the network jobs.
    choices
        The chosen ensembles.

    Returns
    -------
    list of Predictions
        By set, then by system; a set without songs is left out.
    """
    found = cross_validation(data, networks)
    chosen = {name: choice.members for name, choice in choices.items() if name != ALL_NETWORKS}
    groups = {"team_test": data.split.team_test_songs, "official_test": data.dataset.official_test}
    baselines = _baselines(data, None, [song for songs in groups.values() for song in songs])
    for group, songs in groups.items():
        if not songs:
            continue
        stacked = member_predictions(data, networks, group, songs)
        found.append(_average(ALL_NETWORKS, group, songs, stacked))
        found += [_average(system, group, songs, stacked[members]) for system, members in chosen.items()]
        part = slice(0, len(songs)) if group == "team_test" else slice(-len(songs), None)
        found += [Predictions(name, group, songs, values[part]) for name, values in baselines.items()]
    return found


def _baselines(data: TrialData, fold: int | None, songs: list[Song]) -> dict[str, list[Frames]]:
    """Predict songs by the baselines, trained on all folds but one and the team's test set."""
    if not songs:
        return {}
    training = data.split.others(fold)
    groups = {} if fold is None else data.split.groups
    check_apart("regressions", {"training": training, "what is scored": songs}, groups)
    return predict_baselines(
        training,
        songs,
        hop_seconds=data.dataset.hop_seconds,
        kept_together=data.split.groups,
        regressions=not is_sound(data.dataset.feature_set),
    )


def member_predictions(data: TrialData, networks: list[Result], group: str, songs: list[Song]) -> Frames:
    """Smoothed predictions of all members for the songs of a set, shape (members, frames, targets)."""
    stacked = np.stack([network.tensors[group] for network in networks])
    members = join_targets(stacked, networks_a_member(data.experiment))
    seconds, ends = data.experiment.predictions.smoothing, np.cumsum([song.frames for song in songs])
    hop = data.dataset.hop_seconds
    parts = [smoothed(part, seconds, hop) for part in np.split(members, ends[:-1], axis=1)]
    return np.concatenate(parts, axis=1)


def _average(system: str, group: str, songs: list[Song], stacked: Frames) -> Predictions:
    """Average networks, shape (networks, frames, targets)."""
    values, spread = split_songs(stacked.mean(0), songs), split_songs(stacked.std(0), songs)
    return Predictions(system, group, songs, values, spread)


def cross_validation(data: TrialData, networks: list[Result]) -> list[Predictions]:
    """Predict each song by the networks of its own fold, and by the baselines trained on the others.

    Where folds keep groups together, the regressions stand there in folds that don't, too.
    """
    mixed = mixed_baselines(data) if data.split.groups else []
    return [cross_validated_networks(data, networks), *cross_validated_baselines(data), *mixed]


def mixed_baselines(data: TrialData) -> list[Predictions]:
    """Predict each song by the regressions in folds that part groups: of the same songs, as many folds.

    What they score better there than in folds by group is what a song tells of others of its group.
    """
    mixed = replace(data, split=cut_anew(data.dataset.development, data.split))
    return [
        replace(found, system=found.system + MIXED)
        for found in cross_validated_baselines(mixed)
        if found.system in REGRESSIONS
    ]


def cross_validated_baselines(data: TrialData) -> list[Predictions]:
    """Predict each song by the baselines trained on the other folds."""
    parts: dict[str, list[Predictions]] = {}
    for fold in data.split.cross_validation:
        songs = data.split.validation(fold)
        baselines = _baselines(data, fold, songs)
        for name, values in baselines.items():
            parts.setdefault(name, []).append(Predictions(name, "cross_validation", songs, values))
    return [_joined(of_all) for of_all in parts.values()]


def cross_validated_networks(data: TrialData, networks: list[Result]) -> Predictions:
    """Predict each song by the average of the networks of its own fold, or of those that are given."""
    parts = []
    for fold in data.split.cross_validation:
        songs = data.split.validation(fold)
        stacked = member_predictions(
            data, [n for n in networks if n.facts["fold"] == fold], "validation", songs
        )
        parts.append(_average(ALL_NETWORKS, "cross_validation", songs, stacked))
    return _joined(parts)


def _joined(parts: list[Predictions]) -> Predictions:
    """Put the folds together, songs in the data set's order."""
    songs = [song for part in parts for song in part.songs]
    values = [v for part in parts for v in part.values]
    spread = [s for part in parts for s in part.spread or []]
    order = sorted(range(len(songs)), key=lambda k: song_order(songs[k].song_id))
    return Predictions(
        parts[0].system,
        parts[0].group,
        [songs[k] for k in order],
        [values[k] for k in order],
        [spread[k] for k in order] if spread else None,
    )
