"""The errors of the engine.  All are ValueErrors, so a caller needs to know only that."""


class EngineError(ValueError):
    """Something given to the engine is wrong: what was found and what was expected."""


class DivergedError(EngineError):
    """Training produced an error that is not a finite number."""
