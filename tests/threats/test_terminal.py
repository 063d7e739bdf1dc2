"""What a terminal would obey reaches it as an escape, in whatever way a command prints."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.markdown import Markdown
from typer import Exit

from lstmcore.experiments.terminal.progress import PlainLines
from lstmcore.experiments.terminal.sheet import Sheet, disarmed
from lstmcore.experiments.terminal.telling import say, tell_of_songs

EVIL = "song\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp"


def on_console(show: Callable[[Console], None]) -> str:
    out = io.StringIO()
    show(disarmed(Console(file=out, width=60, force_terminal=True, markup=False)))
    return out.getvalue()


@pytest.mark.parametrize(
    "show",
    [
        lambda console: console.print(EVIL, soft_wrap=True),
        lambda console: console.print(Markdown(f"# {EVIL}\n\n`{EVIL}`")),
        lambda console: Sheet(EVIL, ["name", EVIL], [(True, [EVIL, EVIL])]).print(console),
    ],
)
def test_tables_and_cards_show_controls_as_escapes(show: Callable[[Console], None]) -> None:
    shown = on_console(show)
    assert "\\x1b" in shown.replace("\n", "")
    for evil in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e"):
        assert evil not in shown


def test_styles_are_the_consoles_own() -> None:
    assert "\x1b[1m" in on_console(lambda console: console.print("bold", style="bold"))


def test_messages_show_controls_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"note: {EVIL}")
    say(f"warning: {EVIL}", error=True)
    PlainLines().note(EVIL)
    with pytest.raises(Exit):
        tell_of_songs([ValueError(EVIL)], 2)
    captured = capsys.readouterr()
    assert captured.out.count("\\x1b]0;title") == 1
    assert captured.err.count("\\x1b]0;title") == 3
    assert "\x1b" not in captured.out + captured.err
