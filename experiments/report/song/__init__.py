"""One song to look at: its sound, the four features of FS2, and its emotion as annotated and as predicted."""

import lazy_loader

# The names are those of the stub beside this file: a run, which looks at the sound alone, imports no plots.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
