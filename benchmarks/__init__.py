"""Benchmarks: what this project costs beside what one would use instead.

Each module is a command, ``python -m benchmarks.NAME``: it checks results first, then times the
candidates in turn in one run, prints a table and writes ``benchmarks/results/NAME.json`` with
the machine and the versions.  Speeds are told as ratios within one run; they are never part
of the tests.  What they compare with is
installed for them alone: ``pip install torch onnx onnxruntime librosa``.
"""
