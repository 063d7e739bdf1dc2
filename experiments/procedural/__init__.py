"""Procedural music with synthetic raters, written in DEAM's layout: data that needs no download."""

from experiments.procedural.collection import write_collection
from experiments.procedural.plan import CollectionMismatchError, ProceduralPlan

__all__ = ["CollectionMismatchError", "ProceduralPlan", "write_collection"]
