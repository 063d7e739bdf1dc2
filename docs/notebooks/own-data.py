# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Own data: from CSV to a table with tests
#
# A table of features and ratings of one's own, an experiment of a dozen lines, its scores beside baselines, and the question whether a change
# makes a difference. The data here are made up: *tension* follows the energy of the last seconds, so that memory helps.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lstmcore.experiments import load_experiment, run_ablations, run_experiment

plt.rcParams.update({"figure.figsize": (7, 2.6), "figure.dpi": 80})
plt.rcParams.update({"axes.spines.right": False, "axes.spines.top": False})
os.chdir(tempfile.mkdtemp())

# %% [markdown]
# ## The table
#
# A row for each song and half second. Columns may have any names, there may be any number of them, and any number of targets.

# %%
rng = np.random.default_rng(1)
songs = []
for song in range(24):
    energy = np.clip(0.15 * rng.standard_normal(60).cumsum(), -2, 2) + 0.2 * rng.standard_normal(60)
    late = pd.Series(energy).ewm(halflife=6).mean() + 0.1 * rng.standard_normal(60)
    tension = np.clip(5 + 2 * late, 1, 9)
    rows = {"song": f"song{song:02}", "time": np.arange(60) / 2, "energy": energy}
    songs.append(pd.DataFrame(rows | {"noise": rng.standard_normal(60), "tension": tension.round(2)}))
table = pd.concat(songs)
table.to_csv("frames.csv", index=False)
table.head(3)

# %% [markdown]
# ## The experiment
#
# `lstmcore init` writes such a file for what is in a folder. Few epochs and two trials, for this is to be quick.

# %%
Path("tension.toml").write_text("""
name = "tension"

[data]
source = "table"
root = "."
scale = [1, 9]

[data.table]
file = "frames.csv"
features = ["energy", "noise"]
targets = ["tension"]

[folds]
count = 6
team_test = "none"

[network]
hidden = [8]

[training]
learning_rate = 1e-3
parallel_sequences = 4
max_epochs = 100
patience = 20

[pretraining]
strategy = "none"

[ensemble]
trials = 2

[[ablation]]
name = "no memory"
set = {"network.cell" = "feedforward"}
""")
experiment = load_experiment("tension.toml")
run = run_experiment(experiment)
print(*sorted(file.name for file in run.folder.iterdir() if file.name[0] != "."))

# %% [markdown]
# ## The scores
#
# `metrics.json` has a row for each score: cross-validated, so that each song is predicted by networks that never met it. `ridge_memory`, a regression that sees the mean of the last
# ten seconds, is what networks with memory must beat; the song's own mean is an oracle.

# %%
scores = pd.read_json(run.folder / "metrics.json")
wide = scores[scores["set"] == "cross_validation"].pivot_table(
    index="system", columns=["scope", "metric"], values="mean"
)
wide.sort_values(("per_song", "rmse")).round(3)

# %% [markdown]
# One song, as it was rated and as it was predicted:

# %%
predictions = pd.read_csv(run.folder / "predictions.csv")
system = next(name for name in wide.index if name.startswith("lstm"))
one = predictions[(predictions["system"] == system) & (predictions["song_id"] == "song03")]
rated = table[table["song"] == "song03"]
plt.plot(rated["time"], rated["tension"], color="0.5", label="rated")
plt.plot(one["time"], one["tension"], label=system)
plt.xlabel("s")
plt.ylabel("tension")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Does memory make a difference?
#
# The section `[[ablation]]` of the file changes one thing: layers without memory, of as many parameters. All is trained again that the change touches, and compared song by song: difference, an interval
# (bootstrap over songs), a test over folds, corrected for the number of tests.

# %%
ablated = run_ablations(experiment)
compared = pd.read_csv(ablated.folder / "ablation.csv")
columns = ["ablation", "metric", "scope", "base", "changed", "difference", "low", "high", "p_holm"]
compared[columns].round(4)
