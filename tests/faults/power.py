"""What a disk may hold after a power cut, put together from the diary that ``faults.c`` writes.

What was synced is there.  What isn't may be as it was before, as it was made to be, or anything between: a
name in a folder that wasn't synced stands for any of the files it has stood for since then, or for none; a
file that wasn't synced ends anywhere or is full of zeros; a folder whose parent wasn't synced may be gone.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class _Version:
    """A file that a name stood for; no content: the name stood for none."""

    content: Path | None
    synced: bool = True


_NONE = _Version(None)


@dataclass
class _Disk:
    """What the diary says."""

    links: Path
    names: dict[Path, list[_Version]] = field(default_factory=dict)
    unsynced: set[Path] = field(default_factory=set)
    folders: set[Path] = field(default_factory=set)

    def heard(self, what: str, path: Path, to: Path, first: str, second: str) -> None:
        """Go on by a line."""
        if what == "N":
            self.names.setdefault(path, [_NONE]).append(_Version(path))
            self.unsynced.add(path)
        elif what == "W":
            self.unsynced.add(path)
        elif what == "S" and path.is_dir():
            self.folders -= {one for one in self.folders if one.parent == path}
            for name in [name for name in self.names if name.parent == path]:
                self.names[name] = self.names[name][-1:]
        elif what == "S":
            self.unsynced.discard(path)
            if versions := self.names.get(path):
                versions[-1] = _Version(versions[-1].content)
        elif what == "R":
            moved = _Version(self.links / first, path not in self.unsynced)
            before = self.names.get(path, [])
            self.names[path] = [moved if one.content == path else one for one in before] + [_NONE]
            was = _NONE if second == "-" else _Version(self.links / second)
            self.names.setdefault(to, [was]).append(moved)
            self.unsynced.discard(path)
            self.unsynced.discard(to)
        elif what == "U":
            was = _NONE if first == "-" else _Version(self.links / first, path not in self.unsynced)
            before = [was if one.content == path else one for one in self.names.get(path, [was])]
            self.names[path] = [*before, _NONE]
            self.unsynced.discard(path)
        elif what == "M":
            self.folders.add(path)


def cut(links: Path, draw: random.Random) -> dict[str, int]:
    """Change the files that a process which was killed has left to what a power cut might have left.

    Parameters
    ----------
    links
        Folder of the diary.
    draw
        Says what of what is possible.

    Returns
    -------
    dict
        How many names, contents and folders might be lost.
    """
    disk = _Disk(links)
    for line in (links / "diary").read_text().splitlines():
        what, path, to, first, second = line.split("\t")
        disk.heard(what, Path(path), Path(to), first, second)
    all_at_once = draw.random() < 0.5  # nothing that wasn't synced is there: what is most likely
    doubtful = {
        name: versions
        for name, versions in sorted(disk.names.items())
        if len(versions) > 1 or not versions[-1].synced
    }
    chosen = {
        name: draw.choice(versions[:1] if all_at_once else versions) for name, versions in doubtful.items()
    }
    contents = {
        name: None if version.content is None else version.content.read_bytes()
        for name, version in chosen.items()
        if version.content is None or version.content.exists()
    }
    for name, content in contents.items():
        name.unlink(missing_ok=True)
        if content is not None:
            synced = chosen[name].synced and chosen[name].content not in disk.unsynced
            name.write_bytes(content if synced else _torn(content, draw))
    for name in sorted(disk.unsynced - contents.keys()):
        if name.is_file():
            name.write_bytes(_torn(name.read_bytes(), draw))
    lost = sorted(
        folder for folder in disk.folders if folder.is_dir() and (all_at_once or draw.random() < 0.5)
    )
    for folder in lost:
        shutil.rmtree(folder, ignore_errors=True)
    return {"names": len(doubtful), "contents": len(disk.unsynced), "folders": len(disk.folders)}


def _torn(content: bytes, draw: random.Random) -> bytes:
    end = draw.randint(0, len(content))
    return content[:end] + bytes(len(content) - end) * draw.randrange(2)
