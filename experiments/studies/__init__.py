"""Many experiments: searches for settings, and ablations."""
