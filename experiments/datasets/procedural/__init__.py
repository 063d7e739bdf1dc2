"""Procedural music with synthetic raters, written in DEAM's layout: data that needs no download."""

from lstmcore.experiments.datasets.procedural.collection import write_collection
from lstmcore.experiments.datasets.procedural.plan import CollectionMismatchError, ProceduralPlan

__all__ = ["CollectionMismatchError", "ProceduralPlan", "write_collection"]
