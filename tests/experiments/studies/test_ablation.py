"""lstmcore ablate: what is changed and compared, what is reused, and what it says."""

import csv
import json
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.datasets.deam_layout import rater_file
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.studies.ablation import run_ablations
from lstmcore.experiments.studies.ablation.output import sentences
from lstmcore.experiments.studies.ablation.variants import default_ablations
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import split_like
from tests.experiments.conftest import EXPERIMENT, write_tiny_deam

pytestmark = pytest.mark.usefixtures("undrawn")
FAST = ("training.learning_rate=3e-2", "training.max_epochs=8", "training.patience=8")


class Listener(Quiet):
    """Counts epochs, and notes stages."""

    def __init__(self):
        self.epochs, self.stages = 0, {}

    def epoch(self, job, report):
        self.epochs += 1

    def stage(self, name, total, unit=""):
        self.stages[name] = [total, 0]
        self._stage = name

    def advance(self, text="", *, fresh=True):
        self.stages[self._stage][1] += fresh


@pytest.fixture
def larger(tmp_path, monkeypatch):
    """Eighteen development songs, so that there are intervals; the working directory."""
    write_tiny_deam(tmp_path / "data", [*range(1, 10), *range(21, 30)])
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ablate(folder, out="out", *overrides, progress=None):
    experiment = load_experiment(folder / "tiny.toml", [*FAST, *overrides])
    stop = threading.Event()
    return run_ablations(experiment, Session(folder / out, 1, progress or Quiet(), stop))


def ablations(*entries):
    return f"ablation=[{', '.join(entries)}]"


NOTHING = "{name='nothing', set={'predictions.smoothing'=0.0}}"
NOISE = "{name='no noise', set={'training.input_noise'=0.0}}"
LAYER = "{name='one layer', set={'network.hidden'=[3]}}"


@pytest.mark.usefixtures("drawn")
def test_without_a_list_each_part_is_changed(larger):
    listener = Listener()
    ablated = ablate(larger, progress=listener)
    assert ablated.names() == [
        "no auto-encoder",
        "auto-encoder without noise",
        "no noise in training",
        "1 hidden layer",
        "a network for each target",
        "frame-wise network of equal size",
        "15 s of music before the first annotation",
        "1 network a fold",
        "ridge in place of networks",
        "ridge_memory in place of networks",
    ]
    out = larger / "out"
    with (out / "ablation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 * 2 * 3
    for row in rows:
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
        assert float(row["difference"]) == pytest.approx(float(row["changed"]) - float(row["base"]), abs=2e-6)
        assert float(row["p"]) <= float(row["p_holm"]) + 1e-6
    for name in ("ablation.png", "ablation.html", "ensemble_size.csv", "ensemble_size.png"):
        assert (out / name).stat().st_size > 0, name
    said = sentences(ablated)
    assert len(said) == 10
    assert all("arousal" in one and "valence" in one for one in said)
    # What a change doesn't touch isn't trained again.
    assert listener.stages["auto-encoders, no noise in training"] == [2, 0]
    assert listener.stages["auto-encoders, auto-encoder without noise"] == [2, 2]
    assert listener.stages["networks (folds × trials), no auto-encoder"] == [6, 6]
    again = Listener()
    assert ablate(larger, progress=again).rows == ablated.rows
    assert again.epochs == 0


def test_what_there_is_can_be_changed():
    def names(dataset=None, **data):
        experiment = Experiment(name="x", data={"source": "procedural", **data})
        return [a.name for a in default_ablations(experiment, dataset or Dataset([], [], [], [], "", []))]

    assert "FS2, not FS3" in names(features="FS3")
    assert "FS1, not FS2" in names(features="FS2")
    assert "FS2, not FS1" in names(features="FS1")
    assert "features as they are, not their ranks" in names(normal_scores=True)
    assert "nothing before the first annotation" in names(lead_in=15.0)
    assert "15 s of music before the first annotation" in names()
    assert "all songs, whatever their α" in names(quality={})
    assert not [name for name in names(features="FS1") if "auto-encoder" in name]  # no songs for one


def test_scores_are_those_of_the_runs(larger):
    ablated = ablate(larger, "out", ablations(NOISE))
    for column, overrides in {"base": [], "changed": ["training.input_noise=0"]}.items():
        experiment = load_experiment(larger / "tiny.toml", [*FAST, *overrides])
        listener = Listener()
        reuse = experiment.model_copy(update={"reuse": [str(larger / "out" / "jobs")]})
        run_experiment(reuse, Session(larger / column, workers=1, progress=listener))
        assert listener.epochs == 0
        metrics = json.loads((larger / column / "metrics.json").read_text())
        found = {
            (m["metric"], m["scope"], m["target"]): m["mean"]
            for m in metrics
            if (m["system"], m["set"]) == ("lstm_all", "cross_validation")
        }
        for row in (r for r in ablated.rows if r.ablation == "no noise"):
            expected = found[row.metric, row.scope, row.target]
            assert getattr(row, column) == pytest.approx(expected, abs=1e-9), row


def test_a_change_that_changes_nothing_is_said_to(larger):
    listener = Listener()
    ablated = ablate(larger, "out", ablations(NOTHING), progress=listener)
    assert listener.stages["networks (folds × trials), nothing"] == [6, 0]
    assert sentences(ablated)[0] == "nothing: changes nothing; the predictions are the same."
    assert {r.difference for r in ablated.rows if r.ablation == "nothing"} == {0.0}


def test_fewer_networks_are_means_over_the_trials(larger):
    ablated = ablate(larger, "out", ablations(NOTHING), "ensemble.trials=3")
    assert list(ablated.sizes) == [1, 2]
    singles = []
    for trial in range(3):
        jobs = sorted((larger / "out" / "jobs").glob(f"network-fold*-trial{trial}-*"))
        assert len(jobs) == 3
        singles.append(_rmse_of(larger, jobs))
    for k, target in enumerate(("arousal", "valence")):
        (row,) = [r for r in ablated.sizes[1] if (r.metric, r.target) == ("rmse", target)]
        assert row.changed == pytest.approx(np.mean(singles, 0)[k])
    assert all(r.ablation == "1 network a fold" for r in ablated.rows[-18:-12])


def test_regressions_are_compared_with_the_networks_on_the_same_songs(larger):
    ablated = ablate(larger, "out", ablations(NOTHING))
    result = run_experiment(load_experiment(larger / "tiny.toml", FAST), Session(larger / "run", 1))
    scores = {
        (s.system, s.target, s.metric, s.scope): s.mean for s in result.scores if s.set == "cross_validation"
    }
    for system in ("ridge", "ridge_memory"):
        rows = [r for r in ablated.rows if r.ablation == f"{system} in place of networks"]
        assert len(rows) == 6
        for row in rows:
            key = (row.target, row.metric, row.scope)
            assert (row.base, row.changed) == pytest.approx((scores["lstm_all", *key], scores[system, *key]))


def _rmse_of(folder, jobs):
    """Mean RMSE by song of one trial's networks, from their files and the annotations."""
    from lstmcore.experiments.datasets import load_dataset
    from lstmcore.experiments.jobs.job import load_result
    from lstmcore.experiments.training.folds import split

    experiment = load_experiment(folder / "tiny.toml", [])
    data = load_dataset(experiment.data, workers=1, progress=Quiet(), stop=threading.Event())
    folds = split(data.development, experiment.folds)
    values = []
    for job in jobs:
        result = load_result(job)
        songs = folds.validation(result.facts["fold"])
        ends = np.cumsum([s.frames for s in songs])[:-1]
        for song, curve in zip(songs, np.split(result.tensors["validation"], ends), strict=True):
            values.append(np.sqrt(np.mean((curve - song.annotation) ** 2, 0)))
    return np.mean(values, 0)


def write_raters(folder, good):
    """Five raters a song; those of a good one agree, the others answer at random."""
    rng = np.random.default_rng(1)
    for song in [*range(1, 10), *range(21, 30)]:
        for target in ("arousal", "valence"):
            course = np.linspace(-0.5, 0.5, 8)
            rows = [course + rng.normal(0, 0.01 if song in good else 3, 8) for _ in range(5)]
            lines = ["worker," + ",".join(f"sample_{15000 + 500 * k}ms" for k in range(8))]
            lines += [f"w{n}," + ",".join(map(str, row)) for n, row in enumerate(rows)]
            file = folder / "data" / rater_file(target, song)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines) + "\n")


def test_the_selection_rule_keeps_the_folds_and_compares_the_songs_both_have(larger):
    good = {*range(1, 10), *range(21, 25)}
    write_raters(larger, good)
    listener = Listener()
    ablated = ablate(larger, progress=listener)
    rows = [r for r in ablated.rows if r.ablation == "songs with 5 raters and α ≥ 0.6"]
    # The fourth fold, songs 4, 8, 23 and 27, is the team's.
    assert {r.songs for r in rows} == {len(good - {4, 8, 23, 27})}
    ruled = ["data.quality.min_raters=5", "data.quality.min_alpha=0.6"]
    back = ablate(larger, "back", *ruled)
    (row,) = [
        r
        for r in back.rows
        if (r.ablation, r.metric, r.target) == ("all songs, whatever their α", "rmse", "arousal")
    ]
    assert row.songs == 13 - 3  # folds of the thirteen songs left


def test_a_rule_that_leaves_a_fold_empty_is_left_out_of_our_own_list_with_a_note(larger):
    write_raters(larger, {1, 5})
    ablated = ablate(larger, "out", "training.max_epochs=1")
    assert not any("raters" in name for name in ablated.names())
    assert any("songs with 5 raters" in note and "fold 1 is left without" in note for note in ablated.notes)
    rule = ablations("{name='rule', set={'data.quality.min_alpha'=0.6}}")
    with pytest.raises(InputError, match=r"ablation 'rule': fold 1 is left without songs"):
        ablate(larger, "o", rule)


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
@pytest.mark.usefixtures("drawn")
def test_an_ablation_that_diverges_is_told(larger):
    steep = "{name='steep', set={'training.learning_rate'=1e30}}"
    ablated = ablate(larger, "out", ablations(steep, NOISE), "training.max_epochs=30", "training.patience=30")
    first, second, *_ = sentences(ablated)
    assert first.startswith("steep: training diverged (fold ")
    assert second.startswith("no noise: ")


def test_a_networks_jobs_of_a_run_before_are_found(larger):

    experiment = load_experiment(larger / "tiny.toml", list(FAST))
    run_experiment(experiment, Session(workers=1))
    listener = Listener()
    ablate(larger, "out", ablations(LAYER), progress=listener)
    assert listener.stages["networks (folds × trials), as it is"] == [6, 0]
    assert listener.stages["networks (folds × trials), one layer"] == [6, 6]


def song(number):
    return Song(number, np.zeros(2), np.zeros((2, 1)), np.zeros((2, 2)))


def test_songs_keep_their_folds_and_new_ones_are_dealt_out():
    from lstmcore.experiments.config import Folds
    from lstmcore.experiments.training.folds import split

    base = split([song(n) for n in (1, 3, 5, 7, 9, 11)], Folds(count=3, team_test=2))
    cut = split_like([song(n) for n in (2, 3, 4, 5, 6, 7, 9)], base)
    assert [[s.song_id for s in fold] for fold in cut.folds] == [[2, 7], [3, 4, 9], [5, 6]]
    assert cut.team_test == 2


def test_songs_that_an_ablation_adds_go_where_their_group_is():
    from lstmcore.experiments.config import Folds
    from lstmcore.experiments.training.folds import split

    groups = dict(enumerate("aabbccaadde"))
    base = split([song(n) for n in range(6)], Folds(count=3, team_test=2, group="artist"), groups)
    assert [[s.song_id for s in fold] for fold in base.folds] == [[0, 1], [2, 3], [4, 5]]
    cut = split_like([song(n) for n in range(11)], base, groups)
    assert [[s.song_id for s in fold] for fold in cut.folds] == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10]]
    assert cut.fold_groups == [{"a": 4}, {"b": 2, "d": 2}, {"c": 2, "e": 1}]


def invoke(*arguments):
    return CliRunner().invoke(app, ["ablate", *map(str, arguments)])


def test_the_command_prints_a_table_and_a_sentence_each(larger):
    with (larger / "tiny.toml").open("a") as file:
        file.write('\n[[ablation]]\nname = "one layer"\nset = { "network.hidden" = [3] }\n')
    result = invoke(larger / "tiny.toml", "--quiet")
    assert result.exit_code == 0, result.output
    (folder,) = (larger / "runs").glob("tiny-ablate-*")
    assert "RMSE by song, cross-validation" in result.stdout
    assert "one layer: " in result.stdout
    assert f"page: {folder.relative_to(larger)}/ablation.html" in result.stdout
    assert "[[ablation]]" in (folder / "config.toml").read_text()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            ["{name='x', set={'data.root'='y'}}"],
            "ablation.0: 'data.root' can't be changed by an ablation; exp",
        ),
        (["{name='x', set={'folds.count'=4}}"], "'folds.count' can't be changed by an ablation"),
        (["{name='x', set={'network.hiden'=[4]}}"], "unknown key 'network.hiden'; did you mean 'hidden'"),
        (
            ["{name='x', set={'network.hidden'=[0]}}"],
            "tiny.toml: ablation.0 (x): network.hidden.0 is 0; expec",
        ),
        (["{name='x'}"], "ablation 'x' changes nothing; expected set or unset"),
        (["{name='x: y', unset=['data.quality']}"], "ablation.0.name is 'x: y'"),
        ([NOISE, NOISE], "two ablations have the name 'no noise'"),
    ],
)
def test_mistakes_are_named(larger, entries, message):
    result = invoke(larger / "tiny.toml", "--set", ablations(*entries))
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (larger / "runs").exists()
