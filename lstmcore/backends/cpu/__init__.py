"""The CPU backend: Numba kernels in single or double precision."""
