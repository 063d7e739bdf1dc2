# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A song, from file to curve
#
# What `lstmcore predict` does, step by step: sound, features, networks, a curve. The two songs are made up by a program, a calm one for
# a chamber ensemble and a livelier electronic one; put paths of your own in `SONGS` and run it again.

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from lstmcore.experiments.prediction import open_predictor, predict_files
from lstmcore.features import extract_features, read_audio

style = {"figure.figsize": (7, 3.4), "figure.dpi": 80, "figure.constrained_layout.use": True}
plt.rcParams.update({**style, "axes.spines.right": False, "axes.spines.top": False})
os.chdir(tempfile.mkdtemp())

# %%
maker = [sys.executable, "-m", "lstmcore.experiments.datasets.procedural", "made", "--songs", "2"]
print(subprocess.run(maker, capture_output=True, text=True, check=True).stdout)
SONGS = [Path("made/MEMD_audio/1.flac"), Path("made/MEMD_audio/2.flac")]

# %% [markdown]
# ## Sound
#
# A file is read from its first sample to its last, or not at all.

# %%
figure, panels = plt.subplots(2, 1, sharex=True, sharey=True)
for panel, song in zip(panels, SONGS, strict=True):
    audio = read_audio(song)
    samples = audio.samples.reshape(len(audio.samples), -1)[::40, 0] / 32768
    panel.plot(np.arange(len(samples)) * 40 / audio.rate, samples, linewidth=0.4)
    panel.set_ylabel(song.name)
panels[-1].set_xlabel("s")
plt.show()

# %% [markdown]
# ## Features
#
# Twice a second, of the second that follows. These are what FS2 adds to openSMILE's 260; here are [all of them](../features.md).

# %%
features = {song: extract_features(song, "music") for song in SONGS}
features[SONGS[1]].iloc[::20].round(2)

# %%
figure, panels = plt.subplots(2, 1, sharex=True)
for panel, name in zip(panels, ("tempo", "roughness_vassilakis"), strict=True):
    for song, table in features.items():
        panel.plot(table["frameTime"], table[name], label=song.name)
    panel.set_ylabel(name.replace("_", "\n"))
panels[0].legend(frameon=False, ncols=2)
panels[-1].set_xlabel("s")
plt.show()

# %% [markdown]
# ## The model
#
# The ready-made one. Its [card](../../experiments/models/deam-means/README.md) says what it learnt from and what it is worth: which of two songs has more arousal it tells
# fairly, the course within a song hardly, and **its valence isn't to be trusted**.

# %%
predictor = open_predictor()
predictor.name, predictor.model.about.targets

# %% [markdown]
# ## The curves
#
# A row for each half second: the targets in the scale of the ratings, their spread over the networks that were averaged, and how new the song is to the model.

# %%
predicted = predict_files(predictor, SONGS, workers=1)
print(*predicted.warnings, sep="\n")
curves = dict(list(predicted.table.groupby("file")))
predicted.table.iloc[::30].round(3)

# %%
figure, panels = plt.subplots(1, 2, sharey=True)
for panel, target in zip(panels, ("arousal", "valence"), strict=True):
    for song, curve in curves.items():
        middle, spread = curve[target], curve[f"{target}_spread"]
        [line] = panel.plot(curve["time"], middle, label=Path(song).name)
        panel.fill_between(
            curve["time"], middle - spread, middle + spread, color=line.get_color(), alpha=0.2, linewidth=0
        )
    panel.set_title(target)
    panel.set_xlabel("s")
    panel.set_ylim(-1, 1)
panels[0].legend(frameon=False)
plt.show()
calm, lively = (curve["arousal"].mean() for curve in curves.values())
assert calm < lively

# %% [markdown]
# In one line, with a picture: `lstmcore predict made/MEMD_audio --out curves.csv`, and `lstmcore plot made/MEMD_audio/2.flac --view emotion`.
