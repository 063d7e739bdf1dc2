"""From folds to trained networks: sets, auto-encoder jobs, trial jobs, and their order."""
