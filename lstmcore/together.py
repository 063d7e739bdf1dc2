"""Training many networks that don't depend on each other.

A GPU is filled by many networks at once: trainers of the backend "cuda" go into one launch.
Those of the others are trained one after the other, for a core is filled by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lstmcore.checks import kind
from lstmcore.errors import DivergedError, EngineError
from lstmcore.network import Network
from lstmcore.training import EpochReport, Trainer

OnEpoch = Callable[[int, EpochReport], None]
OnDiverged = Callable[[int, DivergedError], None]


def train_together(
    trainers: Sequence[Trainer], on_epoch: OnEpoch | None = None, on_diverged: OnDiverged | None = None
) -> list[Network]:
    """Run trainers to their end and return the best network of each.

    What a trainer comes to doesn't depend on the others, nor on how many they are.

    Parameters
    ----------
    trainers
        New, or made with a state to go on from; one that is finished is left as it is.
    on_epoch
        Hears of each epoch of each trainer, by its place in `trainers`.  It is called by this thread
        while nothing is being computed, when the trainer's ``state`` is that after the epoch; if
        ``finished`` is true then, it is not called for this trainer again.  It may use the backend.
        An exception from it ends all trainings, each after an epoch that was told of; the ``state`` of
        each is then what to go on from.  To keep a ``state`` for longer costs a copy from the GPU.
    on_diverged
        Hears, in the same way, of a trainer that diverged, whose ``state`` is then that before the
        epoch; the others go on.  Without it the error is raised.

    Returns
    -------
    list of Network
        In the order of `trainers`; of one that diverged, the best before that.

    Raises
    ------
    DivergedError
        If a training diverged and there is no `on_diverged`.
    EngineError
        If the backend can't train a network, or a trainer comes twice.
    """
    trainers = list(trainers)
    for place, trainer in enumerate(trainers):
        kind(f"trainer {place + 1} of {len(trainers)}", trainer, Trainer)
    if len(set(map(id, trainers))) < len(trainers):
        raise EngineError("a trainer comes twice; expected each once")
    hear: OnEpoch = on_epoch or (lambda place, report: None)
    on_device = [place for place, trainer in enumerate(trainers) if trainer.backend.name == "cuda"]
    if on_device:
        from lstmcore.backends.cuda.ensemble import train_ensemble

        train_ensemble(
            [trainers[place] for place in on_device],
            lambda k, report: hear(on_device[k], report),
            None if on_diverged is None else lambda k, error: on_diverged(on_device[k], error),
        )
    for place, trainer in enumerate(trainers):
        if place not in on_device:
            _train(place, trainer, hear, on_diverged)
    return [trainer.best_network() for trainer in trainers]


def _train(place: int, trainer: Trainer, on_epoch: OnEpoch, on_diverged: OnDiverged | None) -> None:
    while not trainer.finished:
        try:
            report = trainer.run_epoch()
        except DivergedError as error:
            if on_diverged is None:
                raise
            on_diverged(place, error)
            return
        on_epoch(place, report)
