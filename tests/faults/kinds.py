"""The kinds of faults, in groups: what happens, and that the same command then comes to the same."""

from __future__ import annotations

import errno
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from tests.faults.bench import Broken, Place
from tests.faults.faulty import ERROR_FROM_THEN_ON, ERROR_ONCE, SIGNAL, Command
from tests.faults.power import cut
from tests.faults.subjects import CACHE

Fault = Callable[[Place], None]

_SIGNALS = {"killed": signal.SIGKILL, "terminated": signal.SIGTERM, "interrupted": signal.SIGINT}
_CODES = {signal.SIGKILL: {-9}, signal.SIGTERM: {143, -15}, signal.SIGINT: {130}}
_ERRORS = {
    "disk full": (errno.ENOSPC, ERROR_FROM_THEN_ON),
    "input/output error": (errno.EIO, ERROR_ONCE),
    "read-only": (errno.EROFS, ERROR_FROM_THEN_ON),
}
_WORKERS = 3


# --- what happens -------------------------------------------------------------------------


def _signalled_at_a_change(place: Place, number: signal.Signals) -> None:
    at = place.change()
    place.about["at"] = at
    place.finish(place.armed(at, SIGNAL, number), _CODES[number] | {0})


def _signalled_at_a_moment(place: Place, number: signal.Signals) -> None:
    after = place.random.uniform(0, place.whole.seconds)
    place.about["after"] = round(after, 3)
    command = place.start()
    if not command.ends_within(after):
        command.kill(number)
    place.finish(command, _CODES[number] | {0})


def _error(place: Place, number: int, kind: int) -> None:
    at = place.change()
    place.about["at"] = at
    # 0: what is there for people only may be left away.
    place.finish(place.armed(at, kind, number), {0, 2})


def _half(place: Place) -> None:
    """Leave a command that was killed somewhere, or, as often, a finished one."""
    if place.random.random() < 0.5:
        shutil.copytree(place.whole.place, place.work, dirs_exist_ok=True)
        return
    at = place.random.randint(place.whole.changes // 10, place.whole.changes)  # there are files by then
    place.about["killed_at"] = at
    place.finish(place.armed(at, SIGNAL, signal.SIGKILL), {-9, 0})


def _flipped(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _damage(place: Place, file: Path, change: Callable[[bytes, random.Random], bytes]) -> None:
    content = file.read_bytes()
    place.about["file"] = [*place.about.get("file", []), str(file.relative_to(place.work))]
    changed = change(content, place.random)
    file.write_bytes(changed)
    same = (a == b for a, b in zip(content, changed, strict=False))
    at = next((at for at, it_is in enumerate(same) if not it_is), len(changed))
    place.about["at"] = [*place.about.get("at", []), at]
    _see_that_a_damaged_model_is_refused(file)


def _see_that_a_damaged_model_is_refused(file: Path) -> None:
    from lstmcore.experiments.errors import InputError
    from lstmcore.experiments.prediction.model import load_model

    if file.parent.name != "model" or file.suffix == ".md":
        return
    try:
        load_model(file.parent)
    except InputError:
        return
    raise Broken(f"a damaged {file.name} is taken for a model")


def _some_file(place: Place, below: Path) -> Path | None:
    files = sorted(file for file in below.rglob("*") if file.is_file() and file.stat().st_size)
    return place.random.choice(files) if files else None


def _damage_some(place: Place, change: Callable[[bytes, random.Random], bytes], below: str = "") -> None:
    if (file := _some_file(place, place.work / below)) is not None:
        _damage(place, file, change)


# --- kinds --------------------------------------------------------------------------------


def then_the_same(happens: Callable[[Place], None]) -> Fault:
    """Something happens, and the same command comes to the same."""

    def fault(place: Place) -> None:
        happens(place)
        place.the_same_command_comes_to_the_same()

    return fault


def signalled(name: str, *, at_a_change: bool | None = None) -> Fault:
    """A signal comes at a change of a file, or at a random moment; None: at either."""

    def happens(place: Place) -> None:
        at = place.random.random() < 0.5 if at_a_change is None else at_a_change
        (_signalled_at_a_change if at else _signalled_at_a_moment)(place, _SIGNALS[name])

    return then_the_same(happens)


def failing(name: str) -> Fault:
    """A change of a file fails."""
    return then_the_same(lambda place: _error(place, *_ERRORS[name]))


def damaged(change: Callable[[bytes, random.Random], bytes], below: str = "") -> Fault:
    """A file of a finished or killed command is damaged."""

    def happens(place: Place) -> None:
        _half(place)
        _damage_some(place, change, below)

    return then_the_same(happens)


def moved(place: Place) -> None:
    """The folder is moved."""
    _half(place)
    other = place.root / "another place" / "work"
    other.parent.mkdir()
    place.work.rename(other)
    place.the_same_command_comes_to_the_same(other)


def copied(place: Place) -> None:
    """The folder is copied, and then both are run."""
    _half(place)
    shutil.copytree(place.work, place.root / "copy")
    place.the_same_command_comes_to_the_same(place.root / "copy")
    place.the_same_command_comes_to_the_same()


def two_at_once(place: Place) -> None:
    """Two commands are started in one folder."""
    commands = [place.start()]
    commands[0].ends_within(place.random.uniform(0, place.whole.seconds))
    commands.append(place.start())
    for command in commands:
        place.finish(command, {0})
    place.compare()


def clock_jumps(place: Place) -> None:
    """The clock jumps."""
    most = place.random.choice([2, 3600, 86400 * 400])
    place.about["seconds"] = most
    place.finish(place.start(lambda: place.injector.clock(most)), {0})
    place.compare()
    place.the_same_command_comes_to_the_same()


def _lose_power(place: Place, at: int) -> bool:
    """Have the power fail before a change of a file; tell whether the command had ended before."""
    links = place.root / f"links{place.started}"

    def prepare() -> None:
        place.injector.arm(place.work, at, SIGNAL, signal.SIGKILL)
        place.injector.diary(links)

    end = place.finish(place.start(prepare), {-9, 0})
    place.about |= {"power_at": at, "lost": cut(links, place.random)}
    return end.code == 0


def power_cut(place: Place) -> None:
    """The power fails; what wasn't synced is lost, or some of it."""
    _lose_power(place, place.change())
    place.the_same_command_comes_to_the_same()


def power_cut_after_the_end(place: Place) -> None:
    """The power fails just when the command has ended: all that it did is there."""
    if not _lose_power(place, place.whole.changes * 100):
        raise Broken("killed after its end")
    place.compare()
    place.the_same_command_comes_to_the_same()


def killed_then(what: str) -> Fault:
    """A command is killed, and the one that does what is left meets another fault."""

    def happens(place: Place) -> None:
        _signalled_at_a_change(place, signal.SIGKILL)
        if what == "killed again":
            _signalled_at_a_change(place, signal.SIGKILL)
        elif what == "terminated":
            _signalled_at_a_moment(place, signal.SIGTERM)
        elif what == "power cut":
            _lose_power(place, place.change())
        else:
            _error(place, *_ERRORS[what])

    return then_the_same(happens)


def damaged_then_killed(place: Place) -> None:
    """A file is damaged, and the command that mends it is killed."""
    _half(place)
    _damage_some(place, place.random.choice([_flipped, _cut]))
    _signalled_at_a_change(place, signal.SIGKILL)
    place.the_same_command_comes_to_the_same()


def two_damaged(place: Place) -> None:
    """Two files are damaged."""
    _half(place)
    for change in (_flipped, _cut):
        _damage_some(place, change)
    place.the_same_command_comes_to_the_same()


def both_witnesses_damaged(place: Place) -> None:
    """``config.toml`` and ``environment.json`` are damaged together."""
    shutil.copytree(place.whole.place, place.work, dirs_exist_ok=True)
    for name in ("config.toml", "environment.json"):
        _damage(place, place.run / name, place.random.choice([_flipped, _cut]))
    place.the_same_command_comes_to_the_same()


def signalled_while(what: str, name: str) -> Fault:
    """From a change on something fails, and at a later one a signal comes."""

    def happens(place: Place) -> None:
        number, kind = _ERRORS[what]
        at = place.change()
        later = at + place.random.randint(1, 5)
        place.about["at"] = [at, later]

        def prepare() -> None:
            place.injector.arm(place.work, at, kind, number)
            place.injector.arm_second(later, SIGNAL, _SIGNALS[name])

        place.finish(place.start(prepare), {0, 2} | _CODES[_SIGNALS[name]])

    return then_the_same(happens)


def _worker(place: Place, at: int | None, number: int) -> Command:
    return place.start() if at is None else place.armed(at, SIGNAL, number)


def one_of_several(name: str) -> Fault:
    """Of several commands that share a folder one gets a signal, and the last one comes late."""

    def fault(place: Place) -> None:
        number = _SIGNALS[name]
        at = place.random.randint(1, place.whole.changes // 2)
        place.about["at"] = at
        commands = [_worker(place, at if k == 0 else None, number) for k in range(_WORKERS - 1)]
        commands[1].ends_within(place.random.uniform(0, place.whole.seconds))
        commands.append(place.start())
        for command, codes in zip(commands, [_CODES[number] | {0}, {0}, {0}], strict=True):
            place.finish(command, codes)
        place.compare_results()
        place.the_same_command_comes_to_the_same()

    return fault


def all_of_several(place: Place) -> None:
    """All commands that share a folder are killed, and the same command does what is left."""
    after = place.random.uniform(0, place.whole.seconds)
    place.about["after"] = round(after, 3)
    commands = [place.start() for _ in range(_WORKERS)]
    commands[0].ends_within(after)
    for command in commands:
        command.kill(signal.SIGKILL)
    for command in commands:
        place.finish(command, {-9, 0})
    place.the_same_command_comes_to_the_same()


_BY_NAME: dict[str, Fault] = {
    **{f"{name} at a change": signalled(name, at_a_change=True) for name in _SIGNALS},
    **{f"{name} at a moment": signalled(name, at_a_change=False) for name in _SIGNALS},
    **{name: failing(name) for name in _ERRORS},
    "file cut off": damaged(_cut),
    "bit flipped": damaged(_flipped),
    "moved": moved,
    "copied": copied,
    "two at once": two_at_once,
    "clock jumps": clock_jumps,
}
_OTHERS: dict[str, Fault] = {
    **{name: signalled(name) for name in _SIGNALS},
    "disk full": failing("disk full"),
    "input/output error": failing("input/output error"),
    "bit flipped": damaged(_flipped),
}
_COMMANDS = ("search", "ablation", "features", "prediction", "run from audio")
_POWER = {
    "power cut": ("run", power_cut),
    "power cut after the end": ("run", power_cut_after_the_end),
    "run from audio: power cut": ("run from audio", power_cut),
    "prediction: power cut": ("prediction", power_cut),
    "search: power cut": ("search", power_cut),
}
_TWO = {
    **{
        f"killed, then {what}": ("run", killed_then(what))
        for what in ("killed again", "terminated", "disk full", "input/output error", "power cut")
    },
    "damaged, then killed": ("run", damaged_then_killed),
    "two files damaged": ("run", two_damaged),
    "config.toml and environment.json damaged": ("run", both_witnesses_damaged),
    "terminated while the disk is full": ("run", signalled_while("disk full", "terminated")),
    "killed while the disk is full": ("run", signalled_while("disk full", "killed")),
}
_STORES = {
    f"{name}: file of the cache {how}": (name, damaged(change, CACHE))
    for name in ("run from audio", "prediction")
    for how, change in (("cut off", _cut), ("with a flipped bit", _flipped))
}
_SHARED = {
    "shared folder: one of three killed": ("run in a shared folder", one_of_several("killed")),
    "shared folder: one of three terminated": ("run in a shared folder", one_of_several("terminated")),
    "shared folder: all killed": ("run in a shared folder", all_of_several),
    "shared folder: disk full": ("run in a shared folder", failing("disk full")),
    "shared folder: clock jumps": ("run in a shared folder", clock_jumps),
}
GROUPS: dict[str, dict[str, tuple[str, Fault]]] = {
    "run": {name: ("run", fault) for name, fault in _BY_NAME.items()},
    "power": _POWER,
    "two": _TWO,
    "commands": {
        f"{command}: {name}": (command, fault) for command in _COMMANDS for name, fault in _OTHERS.items()
    },
    "stores": _STORES,
    "shared": _SHARED,
}
KINDS = {name: kind for group in GROUPS.values() for name, kind in group.items()}
"""Of each kind of fault which command meets it, and what happens."""
