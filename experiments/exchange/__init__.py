"""Models that travel: to ONNX, PyTorch, RTNeural and CURRENNT, and back from all but RTNeural."""

import lazy_loader

# The names are those of the stub beside this file, each imported when it is asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
