"""From predictions to scores: ensembles, baselines, metrics, intervals, agreement of raters."""
