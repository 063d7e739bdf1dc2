"""What a command does to its own process: signals, threads that go on, and the words of libraries in C."""

import os
import signal
import subprocess
import sys

import pytest

from lstmcore.experiments.terminal.process import Terminated, exit_code


def run(body, **options):
    imports = "import os, signal, sys, threading, time"
    code = f"{imports}\nfrom lstmcore.experiments.terminal.process import run_command\n{body}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False, **options
    )


def test_what_libraries_in_c_say_is_not_among_our_words():
    done = run(
        "def command():\n"
        "    os.write(2, b'a note on a header')\n"
        "    print('error: ours', file=sys.stderr)\n"
        "    print('caf\\udce9 \\u00d7')\n"
        "    sys.exit(1)\n"
        "run_command(command)",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (1, b"error: ours\n")
    assert done.stdout == b"caf\\udce9 \\xd7\n"


@pytest.mark.parametrize(
    ("stores", "said"),
    [(True, b"Run the same command again to go on."), (False, b"With --no-store it begins anew.")],
)
def test_who_interrupts_is_told_whether_it_can_go_on(stores, said):
    done = run(
        "from lstmcore.experiments.terminal.telling import errors_told\n"
        f"with errors_told(None, stores={stores}):\n"
        "    raise KeyboardInterrupt"
    )
    assert (done.returncode, done.stderr) == (130, b"interrupted; nothing was written. " + said + b"\n")


@pytest.mark.parametrize(
    ("before", "during"), [("", 10_000), ("gc.set_threshold(1)", 1), ("gc.disable()", 10_000)]
)
def test_the_collector_looks_less_often_unless_somebody_wants_more(before, during):
    done = run(f"import gc\n{before}\nrun_command(lambda: print(gc.get_threshold()[0], gc.isenabled()))")
    assert done.stdout.split() == [b"%d" % during, b"%r" % ("disable" not in before)]


def test_without_a_terminal_to_write_to_a_command_runs():
    done = run("sys.stderr = None\nrun_command(lambda: sys.exit(3))")
    assert done.returncode == 3
    done = run("sys.stderr.close()\nrun_command(lambda: sys.exit(3))")
    assert done.returncode == 3


def test_a_crash_still_shows_the_stacks():
    done = run("run_command(lambda: os.abort())")
    assert done.returncode == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in done.stderr
    assert b"run_command" in done.stderr


def test_a_command_ends_when_its_error_is_told_whatever_its_threads_do():
    done = run(
        "def command():\n"
        "    threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "    print('error: told', file=sys.stderr)\n"
        "    sys.exit(2)\n"
        "run_command(command)"
    )
    assert (done.returncode, done.stderr) == (2, b"error: told\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_a_process_let_it_clean_up(number):
    body = (
        "def command():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt as interrupt:\n"
        "        from lstmcore.experiments.terminal.process import exit_code\n"
        "        sys.exit(exit_code(interrupt))\n"
        "run_command(command)"
    )
    assert run(body).returncode == 128 + number
    ignored = f"signal.signal({int(number)}, signal.SIG_IGN)\n"  # by nohup, say
    assert run(ignored + body.replace("time.sleep(60)", "sys.exit(7)")).returncode == 7


def test_a_signal_before_the_work_begins_is_told_by_its_own_number():
    body = (
        "import typer\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def command():\n"
        "    os.kill(os.getpid(), signal.NAME)\n"
        "    time.sleep(60)\n"
        "sys.argv = ['command']\n"
        "run_command(app)"
    )
    assert run(body.replace("NAME", "SIGTERM")).returncode == 143
    assert run(body.replace("NAME", "SIGINT")).returncode == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_finalizer_runs_is_not_lost(number):
    body = (
        "class Owner:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(0)\n"
        "def command():\n"
        "    try:\n"
        "        Owner()\n"
        "        until = time.monotonic() + 30\n"
        "        while time.monotonic() < until:\n"
        "            time.sleep(0.01)\n"
        "    except KeyboardInterrupt as interrupt:\n"
        "        from lstmcore.experiments.terminal.process import exit_code\n"
        "        sys.exit(exit_code(interrupt))\n"
        "run_command(command)"
    )
    done = run(body)
    assert (done.returncode, done.stderr) == (128 + number, b"")


def test_shells_are_told_of_the_signal():
    assert exit_code(KeyboardInterrupt()) == 130
    assert exit_code(Terminated(signal.SIGTERM)) == 143
