"""The kernels step by step: from plain loops to the form the engine runs.

    python -m benchmarks.ladder

For each kernel a ladder of versions that compute the same.  All are held against a reference in
float64 first and then timed in turn in one run; the table says how fast each is, how much it gained
over the one before, and why.  The last rung is the engine's own kernel, imported.

========== ================================================================================
products   the product of a time step: `benchmarks.ladder.products`
gates      the cell's equations for a time step: `benchmarks.ladder.gates`
update     the weights' update: `benchmarks.ladder.update`
frames     the weights' gradient, a product over all frames: `benchmarks.ladder.frames`
step       a whole training step of the paper's network: `benchmarks.ladder.step`
========== ================================================================================

`plain` and `fast` compile with Numba's own flags and with the engine's (`benchmarks.ladder.rungs`): what
the flags gain is a rung of its own.
"""
