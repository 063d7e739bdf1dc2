"""The figures that the paper printed.  They are the authors', not ours: never a target of a test or a choice.

Source: E. Coutinho, G. Trigeorgis, S. Zafeiriou, B. Schuller, "Automatically estimating emotion in
music with deep long-short term memory recurrent neural networks", MediaEval 2015 (CEUR-WS Vol. 1436,
paper 64), table 1.  Means ± standard deviations over songs: (a) the 58 songs of the official test set,
(b) the team's own test set.  Run 1 has no row there.  CB is the challenge's baseline; me14 is the
team's best result in the challenge of 2014, on the songs of that year.
"""

from __future__ import annotations

PAPER = "Coutinho et al., MediaEval 2015, table 1"

Figure = tuple[float, float]

# Part, metric and row to mean and standard deviation for arousal and for valence.
TABLE_1: dict[tuple[str, str, str], tuple[Figure, Figure]] = {
    ("official_test", "rmse", "run 2"): ((0.242, 0.116), (0.373, 0.195)),
    ("official_test", "rmse", "run 3"): ((0.234, 0.114), (0.372, 0.190)),
    ("official_test", "rmse", "run 4"): ((0.236, 0.114), (0.375, 0.191)),
    ("official_test", "rmse", "CB"): ((0.270, 0.110), (0.366, 0.180)),
    ("official_test", "r", "run 2"): ((0.611, 0.254), (0.004, 0.505)),
    ("official_test", "r", "run 3"): ((0.599, 0.287), (0.017, 0.492)),
    ("official_test", "r", "run 4"): ((0.613, 0.278), (0.026, 0.500)),
    ("official_test", "r", "CB"): ((0.360, 0.260), (0.010, 0.380)),
    ("team_test", "rmse", "run 2"): ((0.206, 0.128), (0.212, 0.116)),
    ("team_test", "rmse", "run 3"): ((0.221, 0.119), (0.185, 0.119)),
    ("team_test", "rmse", "run 4"): ((0.220, 0.121), (0.183, 0.110)),
    ("team_test", "rmse", "me14"): ((0.102, 0.052), (0.079, 0.048)),
    ("team_test", "r", "run 2"): ((0.532, 0.421), (0.394, 0.509)),
    ("team_test", "r", "run 3"): ((0.596, 0.386), (0.458, 0.551)),
    ("team_test", "r", "run 4"): ((0.591, 0.386), (0.456, 0.543)),
    ("team_test", "r", "me14"): ((0.354, 0.455), (0.198, 0.492)),
}

# Mean Cronbach's α over the official test songs; the paper gives that of valence only.
TEST_ALPHA = {"valence": 0.29}
