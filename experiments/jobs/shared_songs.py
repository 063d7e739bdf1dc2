"""Features of songs that several processes compute into one store: each song by whoever is free."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.jobs.leases import Leases
from lstmcore.experiments.jobs.turns import take_turns
from lstmcore.experiments.terminal.progress import Progress

if TYPE_CHECKING:
    from lstmcore.features import FeatureSettings, FeatureStore


class SharedSongs:
    """Computes of songs what nobody else does, and waits until all are in the store.

    Parameters
    ----------
    leases
        Of this process.
    progress
        Is told of each song that is there.
    """

    def __init__(self, leases: Leases, progress: Progress) -> None:
        self._leases, self._progress = leases, progress

    def compute(
        self,
        files: Sequence[Path],
        feature_set: str,
        settings: FeatureSettings,
        store: FeatureStore,
        workers: int,
        stop: threading.Event,
    ) -> None:
        """See to it that what can be computed of songs is in the store, by whomever.

        Parameters
        ----------
        files
            The songs; what is wrong with one is told by who reads its features.
        feature_set, settings, store
            What is computed, and where it is kept.
        workers
            Songs side by side here.
        stop
            Set it to end early: Interrupted is raised.
        """
        from lstmcore.features.extract import error_of_file, extract_features, is_stored, keys_of
        from lstmcore.features.store import digest_of

        digests: dict[Path, str] = {}
        first = next(iter(keys_of("", feature_set, settings)))

        def turn(file: Path) -> bool:
            try:
                if file not in digests:
                    digests[file] = digest_of(file)
                digest, fresh = digests[file], False
                place = store.path_of(keys_of(digest, feature_set, settings)[first])
                if not is_stored(digest, feature_set, settings, store):
                    with self._leases.taken(place) as mine:
                        if not mine:
                            return False
                        if fresh := not is_stored(digest, feature_set, settings, store):
                            extract_features(file, feature_set, store, settings=settings, stop=stop)
            except Exception as error:  # noqa: BLE001 - as `extract_many` does
                if stop.is_set():
                    raise Interrupted from None
                error_of_file(file, error)  # raises what isn't about the file; that is told by who reads it
                fresh = False
            self._progress.advance(fresh=fresh)
            return True

        def waits(left: Sequence[Path]) -> None:
            self._progress.note(f"others are at the songs that are left ({len(left)}); waiting for them")

        self._progress.stage(f"{feature_set} features, shared with others", len(files))
        take_turns(files, turn, workers, stop, waits)
