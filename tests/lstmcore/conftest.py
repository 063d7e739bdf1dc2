"""Numba's simulator of a GPU: its threads change places often, and unsigned numbers wrap as they do in C."""

import sys

from tests.lstmcore.cuda_here import SIMULATED

if SIMULATED:
    sys.setswitchinterval(1e-5)
