"""Models compared on songs of another experiment: scores of `score_model`, and differences to the first."""

import pytest

from benchmarks.borrowing import table
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.run.transfer import apply_model, score_model
from tests.experiments.conftest import fs1_run as fs1_run


def test_scores_are_those_of_a_transfer_and_a_model_doesnt_differ_from_itself(fs1_run):
    experiment = load_experiment(fs1_run.parent / "tiny.toml", ["data.features=FS1"])
    one, other = (apply_model(fs1_run, experiment, system) for system in ("lstm_rmse", "lstm_ccc"))
    rows = table([one, one, other], seed=1)
    scores = score_model(fs1_run, experiment, "lstm_rmse")
    for target in ("arousal", "valence"):
        for what, metric, scope in (("r pooled", "r", "pooled"), ("RMSE by song", "rmse", "per_song")):
            found = rows[rows["what"] == f"{target}: {what}"]
            [expected] = [
                s.mean
                for s in scores.scores
                if (s.system, s.target, s.metric, s.scope) == ("lstm_rmse", target, metric, scope)
            ]
            assert found["value"].iloc[0] == pytest.approx(expected, abs=1e-9)
            assert found["difference"].isna().tolist() == [True, False, False]
            assert found[["difference", "difference_low", "difference_high"]].iloc[1].tolist() == [0, 0, 0]
            last = found.iloc[2]
            assert last["difference"] == pytest.approx(last["value"] - found["value"].iloc[0])
            assert last["difference_low"] <= last["difference_high"]
    [row] = scores.carried[-1:]
    assert rows[rows["what"] == "curves of arousal and valence"]["value"].iloc[0] == pytest.approx(
        row.predicted
    )
