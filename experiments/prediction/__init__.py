"""Trained ensembles on disk, and what they say of other songs."""
