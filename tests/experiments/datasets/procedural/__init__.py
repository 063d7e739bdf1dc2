"""Tests of the procedural music and its synthetic raters."""
