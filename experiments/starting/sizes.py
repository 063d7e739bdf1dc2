"""Settings that suit the number of songs and their length: small ones, to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lstmcore.experiments.starting.facts import Facts

_FEW, _MANY = 50, 300  # songs
_FEWEST_APART = 1 / 3  # songs without annotations, for each annotated one, that suffice an auto-encoder
# What the quickstart's networks learn well with: of songs of 60 frames, four at a time.
_RATE, _FRAMES = 2e-4, 240
_RATES = (1e-5, 2e-3)


@dataclass(frozen=True)
class Sizes:
    """Settings of an experiment, and of some why they are so."""

    folds: dict[str, Any]
    network: dict[str, Any]
    training: dict[str, Any]
    pretraining: dict[str, Any]
    ensemble: dict[str, Any]
    unlabelled: str
    reasons: dict[str, str]


def sizes_for(facts: Facts, group: tuple[str, int] | None) -> Sizes:
    """Choose settings for some data.

    Parameters
    ----------
    facts
        What they hold.
    group
        Column of the groups that folds keep together, and how many there are; None: songs are dealt out.
    """
    songs = facts.development
    units = songs if group is None else group[1]
    reasons: dict[str, str] = {}
    folds: dict[str, Any] = {"count": max(2, min(units, 10))}
    of = "songs" if group is None else f"groups ({group[0]})"
    if songs < 2 * _FEW or units < 22:
        folds["team_test"] = "none"
        reasons["count"] = f"of {units} {of}; each fold is left out in turn"
        reasons["team_test"] = f"{units} {of} are too few to keep a fold of them out"
    else:
        folds |= {"count": 11, "team_test": 10}
        reasons["count"] = f"of {units} {of}; ten of them are left out in turn"
        reasons["team_test"] = "kept out: the team's own test set"
    if folds["count"] >= 4:
        folds["stopping"] = "rotating"
        reasons["stopping"] = "training is stopped by other songs than those that are scored"
    if group is not None:
        folds["group"] = group[0]
        reasons["group"] = (
            f"songs of one {group[0]} stay in one fold, so that none is scored that is half known"
        )
    parallel = 4 if songs >= _FEW / 2 else 1
    rate = min(max(_RATE * _FRAMES / (facts.frames * parallel), _RATES[0]), _RATES[1])
    hidden = [16, 8] if songs < _FEW else [32, 16] if songs < _MANY else [64, 32]
    apart = facts.unlabelled >= max(1.0, _FEWEST_APART * songs)
    reasons["unlabelled"] = (
        f"the auto-encoder learns from the {facts.unlabelled} songs without annotations"
        if apart
        else "the auto-encoder learns from all songs, without their annotations"
    )
    reasons["hidden"] = "sizes of the LSTM layers; the paper's were 200, 150 and 25"
    reasons["learning_rate"] = "for songs of this length; of longer ones a smaller one"
    common = {"parallel_sequences": parallel, "max_epochs": 100, "patience": 20}
    return Sizes(
        folds,
        {"hidden": hidden},
        {"learning_rate": _short(rate), "momentum": 0.9, "input_noise": 0.6, **common},
        {"learning_rate": _short(rate / 2), **common, "max_epochs": 60, "patience": 10},
        {"trials": 5},
        "others" if apart else "all",
        reasons,
    )


def _short(rate: float) -> float:
    return float(f"{rate:.1g}")
