"""The CUDA backend: kernels of numba.cuda, one launch per epoch for many networks."""
