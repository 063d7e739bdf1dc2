"""A short campaign: each reader gets some hundred damaged files, the same on every machine."""

import logging
import os
import random
import resource
from pathlib import Path

import pytest

from lstmcore import EngineError
from tests.fuzz.mutation import Mutator
from tests.fuzz.target import Target, targets
from tests.fuzz.watching import Watch


@pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
def test_a_reader_has_a_result_or_a_clear_error_for_any_bytes(target: Target, tmp_path):
    seeds = target.seeds(tmp_path)
    watch = Watch(target, tmp_path / "watched")
    watch.good(seeds)
    mutate, draw, begin = Mutator(target.words, seeds), random.Random(7), [*seeds, *target.more()]
    for _ in range(target.short):
        finding = watch.look(mutate(draw.choice(begin), draw))
        assert finding is None, (finding.key, finding.told, finding.data[:2000])


def _below_its_peak() -> int:
    """Return how much this process has given back of the most memory that it has had."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - resident)


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (lambda data, folder: [][len(data)], "IndexError"),
        (lambda data, folder: (folder / ".." / "x").write_bytes(data), "outside: open"),
        (lambda data, folder: (folder / "x").write_bytes(data), None),
        (lambda data, folder: __import__("warnings").warn("x", stacklevel=1), "UserWarning"),
        (lambda data, folder: bytearray(b"x") * (_below_its_peak() + 200 * 2**20), "memory"),
        (lambda data, folder: [0 for _ in iter(int, 1)], "hang"),
    ],
)
def test_what_a_reader_should_not_do_is_found(read, key, tmp_path):
    watch = Watch(Target("one", lambda folder: [b""], read), tmp_path, seconds=0.5 if key == "hang" else 30)
    finding = watch.look(b"abc")
    assert (finding and finding.key.split(" at")[0]) == key


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (lambda data, folder: os.write(2, b"x"), "noise"),
        (lambda data, folder: logging.getLogger("prediction").warning("%s: damaged", folder), None),
    ],
)
def test_output_is_found_but_for_notes_of_the_house(read, key, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("prediction"), "propagate", False)  # to pytest's own handler
    finding = Watch(Target("one", lambda folder: [b""], read), tmp_path, noise=True).look(b"abc")
    assert (finding and finding.key) == key


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ("x.csv: line 1 is 'a'; expected a number", None),
        ("", "says nothing"),
        ("x.csv: \x1b[31m", "has control characters"),
        ("x.csv: \ud800", "can't be printed"),
        ("x.csv: " + "a" * 10_000, "has a line of more than 2200 characters"),
        ("y: wrong", "names no place"),
    ],
)
def test_an_error_that_says_too_little_is_found(message, wrong, tmp_path):
    def read(data, folder):
        raise EngineError(message)

    finding = Watch(Target("one", lambda folder: [b""], read, names=("x.csv",)), tmp_path).look(b"")
    assert (finding and finding.key.split(" at ")[0]) == (wrong and f"message {wrong}")
