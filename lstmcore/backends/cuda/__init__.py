"""The CUDA backend: kernels of numba.cuda, one launch an epoch for many networks."""
