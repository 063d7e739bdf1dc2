"""The tiny experiment, to which faults happen."""

from tests.experiments.conftest import tiny

__all__ = ["tiny"]
