"""From the words of the command line to the picture of a song in a file."""

from __future__ import annotations

import html
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import write_text, write_whole
from lstmcore.experiments.prediction.batch import predict_files
from lstmcore.experiments.prediction.outputs.tables import scale_of_csv
from lstmcore.experiments.prediction.shipped import find_model
from lstmcore.experiments.prediction.songs import Predictor, open_predictor
from lstmcore.experiments.report.plots import STYLE, svg_element
from lstmcore.experiments.report.song.curves import Curves, curves_of, read_annotations, read_predictions
from lstmcore.experiments.report.song.emotion import draw_emotion
from lstmcore.experiments.report.song.figure import SongPicture, draw_song
from lstmcore.experiments.report.song.sound import spectrogram, waveform
from lstmcore.experiments.terminal.progress import Progress
from lstmcore.features import FeatureStore, extract_features, extract_music, has_smile
from lstmcore.features.audio import check_file
from lstmcore.features.errors import printable

FORMATS = ("html", "png", "svg", "pdf")


@dataclass(frozen=True)
class Sources:
    """Where the emotion of a song comes from.

    Parameters
    ----------
    annotations
        Data set in DEAM's layout, folder with ``arousal.csv`` and ``valence.csv``, or such files.
    predictions
        ``predictions.csv``, a run, or what ``lstmcore predict`` wrote.
    model
        A run or model, or the name of a shipped model, which predicts the song now.
    system
        Which ensemble of `predictions` or `model`; the first if None.
    song
        What the song is called there; the audio file's stem if None.
    """

    annotations: tuple[Path, ...] = ()
    predictions: Path | None = None
    model: Path | None = None
    system: str | None = None
    song: str | None = None


def plot_song(audio: Path, out: Path | None, sources: Sources, view: str, progress: Progress) -> Path:
    """Draw a song and write the picture.

    Parameters
    ----------
    audio
        Any file that `lstmcore.features.read_audio` reads.
    out
        The picture; its suffix is the format (`FORMATS`). The stem and .png, in the
        current folder, if None.
    sources
        Annotations and predictions.
    view
        "waveform" or "spectrogram", above features and curves; or "emotion": curves over the waveform, and
        the path through the plane of two targets.
    progress
        Shows the steps.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    InputError
        If something asked for is missing or doesn't belong together.
    AudioError
        If the audio can't be used.
    OSError
        If the picture can't be written.
    """
    target = out if out is not None else Path(f"{audio.stem}.png")
    _check_target(target)
    check_file(audio)
    if sources.predictions is not None and sources.model is not None:
        raise InputError("--predictions and --model: expected one of them, or none")
    if sources.system is not None and sources.predictions is None and sources.model is None:
        raise InputError(f"--system {sources.system}: expected --predictions or --model with it")
    annotations = _annotations(sources, audio)
    system, predictions = "", Curves()
    if sources.predictions is not None:
        system, predictions = read_predictions(sources.predictions, audio, sources.song, sources.system)
    emotion = view == "emotion"
    drawn = annotations or sources.predictions is not None
    predictor = None
    if sources.model is not None or (emotion and not drawn):
        predictor = open_predictor(sources.model, sources.system)
    progress.stage("features, prediction and picture", 2 - emotion + (predictor is not None))
    features = None
    if not emotion:
        features = extract_features(audio, "FS2", FeatureStore()) if has_smile() else extract_music(audio)
        progress.advance()
    if predictor is not None:
        system, predictions = predictor.system, _predict(predictor, audio, progress)
    sound = spectrogram(audio) if view == "spectrogram" else waveform(audio)
    for what, curves in (("annotations", annotations), ("predictions", predictions)):
        _check_length(audio, float(sound.edges[-1]), what, curves)
    title = printable(audio.name)
    if sources.song not in (None, audio.stem):
        title += f" (song {sources.song})"
    named = system or "prediction"
    picture = SongPicture(
        title, sound, features, annotations, predictions, named, _scale(sources, predictor is not None)
    )
    save_figure(draw_emotion(picture) if emotion else draw_song(picture), target, title)
    progress.advance()
    return target


def _check_target(target: Path) -> None:
    """Refuse a file that can't be written before anything is computed."""
    if target.suffix[1:].lower() not in FORMATS:
        found = f"unknown suffix {target.suffix!r}" if target.suffix else "no suffix"
        known = ", ".join(f".{name}" for name in FORMATS)
        raise InputError(f"{target}: {found}; expected one of {known}")
    if target.is_dir():
        raise InputError(f"{target}: is a folder; expected a file to write")
    if not target.parent.is_dir():
        found = "is not a folder" if target.parent.exists() else "no such folder"
        raise InputError(f"{target.parent}: {found}; expected the folder to write {target.name} to")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise InputError(f"{target.parent}: can't be written to: {error.strerror}") from None


def _annotations(sources: Sources, audio: Path) -> Curves:
    found: Curves = {}
    for path in sources.annotations:
        for target, curve in read_annotations(path, sources.song or audio.stem).items():
            if target in found:
                raise InputError(f"{path}: {target} is annotated twice; expected one source of it")
            found[target] = curve
    return found


def _predict(predictor: Predictor, audio: Path, progress: Progress) -> Curves:
    predicted = predict_files(predictor, [audio], workers=1, on_done=lambda _: progress.advance())
    for error in predicted.errors:
        raise error
    return curves_of(predicted.table)


def _scale(sources: Sources, predicted: bool) -> tuple[float, float] | None:
    """Lowest and highest value of an annotation, where a model or metadata of the curves tell."""
    run = sources.predictions
    if run is not None and run.name == "predictions.csv":
        run = run.parent
    if not predicted and (run is None or not (run / "model").is_dir()):
        return None if sources.predictions is None else scale_of_csv(sources.predictions)
    try:
        ends = find_model(sources.model if predicted else run).describe().target_range
    except InputError:  # predictions can be drawn all the same
        return None
    return None if ends is None else (ends[0], ends[1])


def _check_length(audio: Path, seconds: float, what: str, curves: Curves) -> None:
    """Refuse curves of another song: the last window must begin before the audio ends."""
    last = max((float(curve.times[-1]) for curve in curves.values()), default=0.0)
    if last > seconds:
        raise InputError(
            f"{audio}: lasts {seconds:.1f} s, but its {what} go on to {last:.1f} s: is it the same song? "
            "--song-id says what it is called there"
        )


def save_figure(figure: Figure, target: Path, title: str) -> None:
    """Write a figure, whole or not at all, in the format of the file's suffix.

    Parameters
    ----------
    figure
        The figure.
    target
        File whose suffix is one of `FORMATS`.
    title
        Title of a page.

    Raises
    ------
    OSError
        If the file can't be written; ``filename`` names it.
    """
    kind = target.suffix[1:].lower()
    with matplotlib.rc_context(STYLE):
        if kind == "html":
            write_text(target, _page(title, svg_element(figure)))
            return
        content = io.BytesIO()
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        figure.savefig(content, format=kind, metadata=undated)
    write_whole(target, content.getvalue())


def _page(title: str, svg: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>\n"
        "<style>body { margin: 1rem; background: #fff } svg { width: 100%; height: auto; max-width: 1200px }"
        f"</style></head>\n<body>\n{svg}\n</body></html>\n"
    )
