"""Has songs analysed in processes that are ended when they take too long, or when nobody wants them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from lstmcore.experiments.files import from_json
from lstmcore.experiments.serving.child import RESULT, Request

_CHILD = "lstmcore.experiments.serving.child"
_MOST_TOLD = 10_000  # characters of a message
_MOST_RESULT = 64 << 20
_OF_LIMITS = ("SIGXCPU", "SIGKILL")


class Refused(Exception):
    """A song can't be analysed; the message says why, without the name of a file."""


class Analysis:
    """The analysis of one song.

    Parameters
    ----------
    request
        What is asked.
    environment
        What the process finds in its environment, beside ours.
    tell
        Called with what is being done, and the share that is done, or None where that isn't known.
    """

    def __init__(
        self, request: Request, environment: Mapping[str, str], tell: Callable[[str, float | None], None]
    ) -> None:
        self._request, self._tell = request, tell
        self._environment = {**os.environ, **environment}
        self._ended = ""
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def run(self) -> dict[str, Any]:
        """Run the process to its end, and return what it has found.

        Raises
        ------
        Refused
            If the song can't be used, or the process was ended.
        """
        limits = self._request.limits
        said = f"took more than the {limits.seconds} s that a song may take here (--max-seconds)"
        with self._begun() as process:
            watch = threading.Timer(limits.seconds, self.end, [said])
            watch.daemon = True
            watch.start()
            try:
                return self._listened(process)
            finally:
                watch.cancel()

    @contextlib.contextmanager
    def _begun(self) -> Iterator[subprocess.Popen[str]]:
        """Start the process, unless `end` was asked for already; behind the block it is gone."""
        with contextlib.ExitStack() as stack:
            with self._lock:
                if self._ended:
                    raise Refused(self._ended)
                self._process = process = stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-m", _CHILD],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        text=True,
                        encoding="utf-8",
                        env=self._environment,
                        cwd=self._request.folder,
                        start_new_session=True,  # Ctrl-C is ours, and all that it starts ends with it
                    )
                )
            try:
                yield process
            finally:
                self.end("")
                assert process.stdin is not None
                with contextlib.suppress(OSError):  # of what it didn't read any more
                    process.stdin.close()

    def end(self, why: str) -> None:
        """End the process and all that it has started; why, for `run` to say."""
        with self._lock:
            self._ended = self._ended or why
            if self._process is None:
                return
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _listened(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.write(self._request.as_line())
            process.stdin.flush()
        done = False
        for message in _messages(process.stdout):
            if "error" in message:
                raise Refused(str(message["error"]))
            done = done or "done" in message
            if "stage" in message:
                self._tell(str(message["stage"]), message.get("share"))
        code = process.wait()
        if self._ended:
            raise Refused(self._ended)
        if code != 0 or not done:
            raise Refused(_why(code))
        return _result(Path(self._request.folder) / RESULT)


def _messages(stream: IO[str]) -> Any:
    while line := stream.readline(_MOST_TOLD):
        try:
            message = from_json(line)
        except ValueError:  # a library printed something
            continue
        if isinstance(message, dict):
            yield message


def _why(code: int) -> str:
    """Say what ended a process that had nothing to say."""
    names = {int(one): one.name for one in signal.Signals}
    name = names.get(-code, "")
    if name in _OF_LIMITS:
        return "took more time or memory than a song may here"
    how = f"signal {name}" if name else f"exit code {code}"
    return f"broke the process that analysed it ({how}), or needs more memory than a song may have here"


def _result(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MOST_RESULT:
        raise Refused("is too long for a page: its curves are more than 64 MB")
    content = from_json(file.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content
