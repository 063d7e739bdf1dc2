"""The commands ``lstmcore-run`` (an experiment, from TOML to table) and ``lstmcore``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from lstmcore.experiments.exchange.cli import commands as exchange_commands
from lstmcore.experiments.prediction.cli import (
    MODEL_HELP,
    MODEL_METAVAR,
    commands as prediction_commands,
    warn_of_model,
)
from lstmcore.experiments.report.cli import commands as report_commands
from lstmcore.experiments.run.cli import commands as run_commands
from lstmcore.experiments.scoring.cli import commands as scoring_commands
from lstmcore.experiments.serving.annotation.cli import commands as annotation_commands
from lstmcore.experiments.serving.cli import commands as serving_commands
from lstmcore.experiments.starting.cli import commands as starting_commands
from lstmcore.experiments.terminal.command_line import (
    BackendName,
    Command,
    Engine,
    Scheduler,
    Tables,
    TablesShown,
    Threads,
    Version,
    Workers,
    execution_settings,
)
from lstmcore.experiments.terminal.process import run_command
from lstmcore.experiments.terminal.telling import errors_told, say, tell_of_songs

if TYPE_CHECKING:
    from lstmcore.experiments.config import Experiment
    from lstmcore.experiments.run import Run, Session

T = TypeVar("T")

_TYPER: Any = {"pretty_exceptions_enable": False, "rich_markup_mode": None}
app = typer.Typer(help="Trace the emotion of music through time.", no_args_is_help=True, **_TYPER)
run_app = typer.Typer(**_TYPER)

# As in lstmcore.features.settings, which brings NumPy with it: too much for --help.
SetharesWeight = Literal["product", "min"]
VassilakisWeight = Literal["2015", "published"]
Spectra = Literal["mean", "window"]


def _shipped() -> list[str]:
    """Complete the names of experiments; where there are none, the shell completes files."""
    from lstmcore.experiments.config.shipped import shipped_names

    return shipped_names()


ExperimentFile = Annotated[
    Path,
    typer.Argument(
        help="The experiment: a TOML file, or the name of one that comes with lstmcore (lstmcore example).",
        metavar="EXPERIMENT",
        autocompletion=_shipped,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a value, such as training.learning_rate=1e-5.", metavar="KEY=VALUE"),
]
ResultsFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the results; by default one in runs/ that is named after the experiment and what it "
        "does, another one for each configuration."
    ),
]
TableOnly = Annotated[bool, typer.Option("--quiet", help="Print the table and nothing else.")]


@app.callback()
def _lstmcore(version: Version = False) -> None:
    pass


@app.command(cls=Command)
@run_app.command(cls=Command)
def run(
    experiment: ExperimentFile,
    out: ResultsFolder = None,
    set_: Settings = None,
    workers: Workers = None,
    threads: Threads = None,
    backend: BackendName = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
    quiet: TableOnly = False,
    tables: TablesShown = Tables.ONE,
    version: Version = False,
) -> None:
    """Run an experiment, from its file to scores and a report.

    Features, auto-encoders, folds × trials, ensemble, scores.  Running the same command again does what is
    left and recomputes nothing.

    Example: lstmcore-run quickstart --set ensemble.trials=3

    FS1 features are computed by openSMILE, whose Python package is licensed for
    non-commercial use only.
    """
    config = _experiment(experiment, set_, backend, execution_settings(engine, scheduler, threads))
    with _kernels_ahead(config):
        from lstmcore.experiments.run import default_folder, run_experiment
        from lstmcore.experiments.run.folder import tell_of_machine

        folder = out or default_folder(config)

        def carry_out(config: Experiment, session: Session) -> Run:
            tell_of_machine(experiment, folder, session.progress)
            return run_experiment(config, session)

        result = _in_session(carry_out, config, folder, workers, quiet)
    from lstmcore.experiments.run.printing import print_run

    print_run(result, every=tables is Tables.ALL)


@app.command(cls=Command)
def search(
    experiment: ExperimentFile,
    out: ResultsFolder = None,
    set_: Settings = None,
    workers: Workers = None,
    threads: Threads = None,
    backend: BackendName = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
    quiet: TableOnly = False,
) -> None:
    """Choose settings by cross-validation, as [search] says.

    One setting after the other as in the paper, or all at once by Optuna, if it is installed.  No test set is
    looked at.  The result is chosen.toml; networks trained before are found again, here and by lstmcore-run
    chosen.toml.

    Example: lstmcore search mine.toml --workers 2
    """
    config = _experiment(experiment, set_, backend, execution_settings(engine, scheduler, threads))
    with _kernels_ahead(config):
        from lstmcore.experiments.studies.search import run_search, search_folder

        with errors_told(None):  # there may be no section [search]
            folder = out or search_folder(config)
        searched = _in_session(run_search, config, folder, workers, quiet)
    from lstmcore.experiments.studies.search.output import print_search
    from lstmcore.experiments.terminal.sheet import new_console

    print_search(searched, new_console())


@app.command(cls=Command)
def ablate(
    experiment: ExperimentFile,
    out: ResultsFolder = None,
    set_: Settings = None,
    workers: Workers = None,
    threads: Threads = None,
    backend: BackendName = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
    quiet: TableOnly = False,
    tables: TablesShown = Tables.ONE,
) -> None:
    """Change one thing at a time and compare the scores.

    The changes are the file's [[ablation]] sections; without any, each part of the experiment in turn.
    Each is trained whole; what a change doesn't touch is not trained again.  No test set is looked at.
    Differences come with intervals and a test.

    Example: lstmcore ablate quickstart --out ablations
    """
    config = _experiment(experiment, set_, backend, execution_settings(engine, scheduler, threads))
    with _kernels_ahead(config):
        from lstmcore.experiments.studies.ablation import ablation_folder, run_ablations

        ablated = _in_session(run_ablations, config, out or ablation_folder(config), workers, quiet)
    from lstmcore.experiments.studies.ablation.output import print_ablations
    from lstmcore.experiments.terminal.sheet import new_console

    print_ablations(ablated, new_console(), every=tables is Tables.ALL)


def _experiment(
    file: Path, settings: list[str] | None, backend: str | None, options: list[str]
) -> Experiment:
    """Read the experiment that a command was given; options come after the settings."""
    from lstmcore.experiments.config import load_experiment

    with errors_told(None):
        return load_experiment(file, [*(settings or []), *options], backend)


def _kernels_ahead(experiment: Experiment) -> AbstractContextManager[None]:
    """Have kernels compiled by another process, where networks are trained by this one."""
    if experiment.engine.backend != "cpu" or experiment.execution.engine != "threads":
        return nullcontext()
    from lstmcore.ahead import compiling_ahead

    return compiling_ahead(experiment.engine.dtype)


def _in_session(
    carry_out: Callable[[Experiment, Session], T],
    experiment: Experiment,
    folder: Path,
    workers: int | None,
    quiet: bool,
) -> T:
    """Carry out what a command is for, with progress and errors told."""
    from lstmcore.experiments.run import Session
    from lstmcore.experiments.terminal.progress import new_progress

    session = Session(folder, workers, new_progress(quiet))
    with errors_told(folder, session.progress, session.stop):
        return carry_out(experiment, session)


@app.command(cls=Command)
def example(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Which one to write; none: they are listed.", show_default=False, autocompletion=_shipped
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; by default NAME.toml in the current folder.", metavar="FILE.toml"),
    ] = None,
) -> None:
    """List the experiments that come along, or write one.

    lstmcore-run NAME runs one as it is; one that was written can be changed first.

    Example: lstmcore example quickstart --out mine.toml
    """
    from lstmcore.experiments.config.shipped import print_shipped, write_shipped

    with errors_told(None):
        if name is None:
            print_shipped()
            return
        written = write_shipped(name, out)
        print(f"written: {written}; to run it: lstmcore-run {written}")


app.registered_commands += starting_commands.registered_commands
app.registered_commands += prediction_commands.registered_commands
app.registered_commands += run_commands.registered_commands
app.registered_commands += exchange_commands.registered_commands
app.registered_commands += serving_commands.registered_commands
app.registered_commands += annotation_commands.registered_commands
app.registered_commands += scoring_commands.registered_commands
app.registered_commands += report_commands.registered_commands


@app.command(cls=Command)
def features(
    audio: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Songs, and folders that are searched with all below them: MP3, OGG, FLAC, WAV, AIFF, … "
            "Names that begin with a dash come after --.",
            metavar="AUDIO...",
            readable=False,
        ),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for one table per song, as in the DEAM data set; or a name that ends in .csv or "
            ".parquet: one table for all songs with a first column file.",
            metavar="FOLDER|FILE",
        ),
    ],
    set_: Annotated[
        str,
        typer.Option(
            "--set",
            help="Which features: FS1, 260; FS2, these and the four of music; FS3, these and tonality; music "
            "or tonality alone, which need no openSMILE; or several, with + or commas between them.",
            metavar="SET",
        ),
    ] = "FS1",
    files_from: Annotated[
        Path | None,
        typer.Option(
            help="File with more songs and folders, one path per line; - is standard input.", metavar="LIST"
        ),
    ] = None,
    format_: Annotated[
        Literal["csv", "parquet"] | None,
        typer.Option("--format", help="Of the tables; by default what --out says, else csv."),
    ] = None,
    window: Annotated[float, typer.Option(help="Seconds that a row describes.")] = 1.0,
    hop: Annotated[float, typer.Option(help="Seconds from row to row.")] = 0.5,
    sethares: Annotated[
        SetharesWeight, typer.Option(help="Weight of two tones in the sensory dissonance.")
    ] = "product",
    vassilakis: Annotated[
        VassilakisWeight, typer.Option(help="Formula of the roughness; 2015: as MIRtoolbox had it then.")
    ] = "2015",
    spectra: Annotated[
        Spectra, typer.Option(help="For both: means over frames of .05 s, or one spectrum per window.")
    ] = "mean",
    density_seconds: Annotated[float, typer.Option(help="Frames in which events are counted.")] = 1.0,
    tempo_seconds: Annotated[float, typer.Option(help="Frames in which the tempo is sought.")] = 3.0,
    workers: Workers = None,
    engine: Engine = None,
    scheduler: Scheduler = None,
    no_store: Annotated[
        bool, typer.Option("--no-store", help="Compute all anew, and keep nothing in the cache.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Extract the features of songs into tables, twice a second.

    Songs that were computed before are found by their content and not computed again.  Those
    that can't be used are named in the end (exit code 1); the others are written.

    Example: lstmcore features music/ --set FS2 --out features.csv

    FS1 features, a part of FS2 and FS3, are computed by openSMILE, whose Python package is
    licensed for non-commercial use only.
    """
    from lstmcore.experiments.config import execution_of
    from lstmcore.experiments.extraction import (
        extract_songs,
        feature_set,
        feature_settings,
        find_songs,
        is_one_table,
        open_tables,
    )
    from lstmcore.experiments.run.engines import check_engine, open_engine
    from lstmcore.experiments.terminal.environment import processors
    from lstmcore.experiments.terminal.progress import new_progress
    from lstmcore.features import FeatureStore, columns
    from lstmcore.features.errors import printable

    with errors_told(None):
        settings = feature_settings(
            window_seconds=window,
            hop_seconds=hop,
            sethares=sethares,
            vassilakis=vassilakis,
            spectra=spectra,
            density_seconds=density_seconds,
            tempo_seconds=tempo_seconds,
        )
        wanted = feature_set(set_)
        execution = execution_of(engine, scheduler)
        check_engine(execution)
        songs = find_songs(audio or [], files_from)
    store = None if no_store else FeatureStore()
    kept = (store.folder if store else None) if is_one_table(out) else out
    progress = new_progress(quiet)
    telling = errors_told(kept, progress, stores=not no_store)
    side_by_side = workers or processors()
    with (
        telling,
        open_tables(out, songs, columns(wanted), format_) as tables,
        open_engine(execution, side_by_side, None, progress) as executor,
    ):
        summary = extract_songs(
            songs,
            wanted,
            tables,
            store=store,
            settings=settings,
            workers=side_by_side,
            progress=progress,
            extract=executor.extract,
        )
    if not quiet and summary.songs:
        print(f"{summary.line()}; {'table' if is_one_table(out) else 'tables'}: {printable(out)}")
    tell_of_songs(summary.errors, len(songs))


class View(StrEnum):
    """What ``lstmcore plot`` shows: sound above features and curves, or curves and a plane."""

    WAVEFORM = "waveform"
    SPECTROGRAM = "spectrogram"
    EMOTION = "emotion"


@app.command(cls=Command)
def plot(
    audio: Annotated[Path, typer.Argument(help="A song: MP3, WAV, FLAC, M4A, …", metavar="AUDIO")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Picture to write; its suffix says the format: .html, .png, .svg or .pdf. "
            "By default AUDIO's stem and .png in the current folder."
        ),
    ] = None,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            help="A data set in DEAM's layout (with the raters' spread, if it is there), a folder with "
            "arousal.csv and valence.csv, or such a file; several are put together.",
            metavar="FOLDER|CSV",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="A finished run, its predictions.csv, or what lstmcore predict wrote.", metavar="RUN|CSV"
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help=f"{MODEL_HELP}, to predict AUDIO now.", metavar=MODEL_METAVAR)
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="Which system or ensemble; by default the first.")
    ] = None,
    song_id: Annotated[
        str | None, typer.Option(help="The song in annotations and predictions; by default AUDIO's stem.")
    ] = None,
    view: Annotated[
        View,
        typer.Option(
            help="The top panel; or emotion: only the curves, over the waveform, and the path through the "
            "plane of two targets."
        ),
    ] = View.WAVEFORM,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Draw a song: sound, features, arousal and valence.

    On one axis of time: waveform or spectrogram, the four features that FS2 adds, annotations and
    predictions with their spread.  Or, with --view emotion, what one shows to others; without any curves
    given, by the ready-made model.

    Example: lstmcore plot song.mp3 --view emotion --model runs/quickstart-1a2b3c4d

    A model's FS1 features are computed by openSMILE, whose Python package is licensed for
    non-commercial use only; the four need nothing of it.
    """
    from lstmcore.experiments.terminal.progress import new_progress
    from lstmcore.features.errors import printable

    if model is not None:
        warn_of_model(model)
    progress = new_progress(quiet)
    with errors_told(None, progress):
        from lstmcore.experiments.report.song import Sources, plot_song

        sources = Sources(tuple(annotations or ()), predictions, model, system, song_id)
        written = plot_song(audio, out, sources, view.value, progress)
        progress.close()
        print(f"picture: {printable(written)}")


@app.command(cls=Command)
def convert(
    source: Annotated[Path, typer.Argument(help="What to convert.", metavar="IN")],
    target: Annotated[Path, typer.Argument(help="What to write.", metavar="OUT")],
    network: Annotated[
        int | None, typer.Option(help="Which network of a model, from 0.", hidden=True)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Standardised data, whose means the model gets.", metavar="FILE.nc", hidden=True),
    ] = None,
    labels: Annotated[
        int | None,
        typer.Option(min=1, help="Classes of a table; by default the largest + 1.", show_default=False),
    ] = None,
    float64: Annotated[
        bool, typer.Option("--float64", help="Keep a network's weights in double precision.", hidden=True)
    ] = False,
) -> None:
    """Convert CURRENNT's data to tables and back.

    Data (.nc, .nc1, .netcdf …) become a table (.csv), a table data.  Networks: lstmcore import and export.

    Example: lstmcore convert train.csv train.nc
    """
    with errors_told(None):
        from lstmcore.experiments.currennt.convert import Wishes, convert as convert_file, successor

        notes = convert_file(source, target, Wishes(network, data, labels, float64))
        if (now := successor(source, target)) is not None:
            print(f"warning: lstmcore convert of networks goes with 0.4; expected {now}", file=sys.stderr)
    for note in notes:
        say(note)


@app.command("nc-standardize", cls=Command)
def nc_standardize(
    file: Annotated[Path, typer.Argument(help="Data to change in place.", metavar="FILE.nc")],
    reference: Annotated[
        Path | None,
        typer.Argument(
            help="Standardised data to take means and deviations from; without, or with -, from FILE.nc.",
            metavar="REFERENCE.nc",
        ),
    ] = None,
    inputs_only: Annotated[
        bool, typer.Option("--inputs-only", help="Leave targets alone, as classes always are.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Even if they are standardised; the first means are lost.")
    ] = False,
) -> None:
    """Standardise CURRENNT's data to mean 0 and deviation 1.

    Standard deviations have the divisor N - 1.  What undoes it is written beside the data: inputMeans,
    inputStdevs, outputMeans, outputStdevs.

    Example: lstmcore nc-standardize val.nc train.nc
    """
    with errors_told(None):
        from lstmcore.experiments.currennt.standardise import standardise

        if reference == Path("-"):  # as the original has it: none
            reference = None
        notes = standardise(file, reference, inputs_only=inputs_only, again=again)
    for note in notes:
        say(note)


@app.command(cls=Command)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check this machine: what works, how to mend the rest.

    Exit code 1 if something that is needed is broken.  The first time, kernels are
    compiled, which takes a minute.

    Example: lstmcore doctor --json
    """
    import json

    from lstmcore.experiments.machine.doctor import (
        as_json as report_as_json,
        examine,
        is_healthy,
        print_report,
    )
    from lstmcore.experiments.terminal.environment import processors

    findings = list(examine(processors()))
    if as_json:
        print(json.dumps(report_as_json(findings), indent=1))
    else:
        print_report(findings)
    if not is_healthy(findings):
        raise typer.Exit(1)


@app.command(cls=Command)
def warmup(quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False) -> None:
    """Compile all kernels now, so that the first run need not.

    They are kept on disk; NUMBA_CACHE_DIR names another folder for them.

    Example: lstmcore warmup
    """
    with errors_told("Numba's cache"):
        from lstmcore.experiments.machine.warmup import Display, warm_up

        with Display(quiet) as display:
            warmth = warm_up(display)
        if not quiet:
            print("\n".join(warmth.as_lines()))


def main() -> None:
    """Entry point of ``lstmcore``."""
    run_command(app)


def main_run() -> None:
    """Entry point of ``lstmcore-run``."""
    run_command(run_app)
