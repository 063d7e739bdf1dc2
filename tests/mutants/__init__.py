"""Small changes of the code that tests should notice: ``python -m tests.mutants``."""
