"""The readers, one module for each kind; each has a tuple TARGETS."""
