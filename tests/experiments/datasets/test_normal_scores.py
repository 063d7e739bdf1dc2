"""Normal scores of features: their values, what they are learnt from, and a run and its model with them."""

import threading

import numpy as np
import pytest
from scipy import stats

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.currennt.convert import Wishes, convert
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.datasets.normal_scores import MOST, NormalScores
from lstmcore.experiments.prediction.description import QUANTILES
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.terminal.progress import Quiet
from tests.experiments.config.test_options import check_model, run

SCORES = "data.normal_scores=true"


def test_any_distribution_becomes_normal():
    rng = np.random.default_rng(1)
    normal = rng.standard_normal((4000, 1))
    rows = np.column_stack([normal, np.exp(3 * normal), -(normal**3)])
    scores = NormalScores.fit([rows]).apply(rows)
    ranks = stats.norm.ppf((stats.rankdata(normal) - 0.5) / len(normal))
    inner = np.abs(ranks) < 2.5
    np.testing.assert_allclose(scores[inner, 0], ranks[inner], atol=0.03)
    np.testing.assert_allclose(scores[:, 1], scores[:, 0], atol=0.03)  # only the order counts
    np.testing.assert_allclose(scores[:, 2], -scores[:, 0], atol=0.03)


def test_equal_values_share_their_ranks_and_what_lies_beyond_has_the_most():
    rows = np.array([[0.0, 7.0]] * 50 + [[1.0, 7.0]] * 25 + [[2.0, 7.0]] * 25)
    scores = NormalScores.fit([rows])
    x = np.array([[0.0, 7.0], [1.0, 8.0], [2.0, 6.0], [1e9, 7.0], [-1e9, 7.0]])
    found = scores.apply(x)
    # The places of the first and the last of equals, from 0 to 99, and the middle between them.
    expected = stats.norm.ppf(np.array([(0 + 49) / 2, (50 + 74) / 2, (75 + 99) / 2]) / 99)
    np.testing.assert_allclose(found[:3, 0], expected, atol=2e-3)
    np.testing.assert_array_equal(found[3:, 0], [MOST, -MOST])
    np.testing.assert_array_equal(found[:, 1], [0, MOST, -MOST, 0, 0])  # a constant in training is 0


def load(folder, *overrides):
    config = load_experiment(folder / "tiny.toml", [SCORES, *overrides])
    return load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())


@pytest.mark.parametrize("unlabelled", ["others", "none"])
def test_neither_targets_nor_official_test_songs_have_a_say(tiny, unlabelled):
    before = load(tiny, f"data.unlabelled={unlabelled}")
    means = tiny / "data" / "song_mean_features.csv"
    lines = means.read_text().splitlines()
    means.write_text("\n".join(row if row[:4] != "2001" else "2001,9,9,9,9,9" for row in lines) + "\n")
    for path in (tiny / "data" / "annotations").rglob("*.csv"):
        path.write_text(path.read_text().replace("0.", "0.1"))
    after = load(tiny, f"data.unlabelled={unlabelled}")
    np.testing.assert_array_equal(before.normal_scores.quantiles, after.normal_scores.quantiles)
    assert not np.array_equal(before.development[0].annotation, after.development[0].annotation)


def test_the_model_ranks_by_itself_and_tells_what_a_network_alone_lacks(tiny):
    out = run(tiny, "scored", SCORES)
    assert load_model(out / "model").tensors[QUANTILES].shape == (1001, 5)
    check_model(tiny, out)
    (note,) = convert(out, tiny / "net.jsn", Wishes(network=0))
    assert "take normal scores by its quantiles, then standardise" in note
