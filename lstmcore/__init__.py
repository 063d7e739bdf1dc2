"""lstmcore: LSTM networks computed from scratch.

Follow one batch: `SequenceSet` → `pack` → ``backend.forward`` → `Objective` →
``backend.backward`` → ``backend.update``; `Trainer` goes round that loop.  The engine
knows nothing of music, files or command lines.
"""

from importlib.metadata import PackageNotFoundError, version

from lstmcore.autoencoder import as_autoencoder_set, new_autoencoder, start_from_autoencoder
from lstmcore.backends import BACKENDS, Backend, get_backend
from lstmcore.batches import Batch, pack
from lstmcore.errors import DivergedError, EngineError
from lstmcore.gradient_check import GradientCheck, gradient_check
from lstmcore.layers import BLSTM, LSTM, Linear, Logistic, Softmax, Tanh
from lstmcore.network import Architecture, Network, initial_network
from lstmcore.objective import OBJECTIVES, SSE, Objective
from lstmcore.predict import Evaluation, evaluate, predict
from lstmcore.seeds import stream
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD
from lstmcore.standardise import Standardiser
from lstmcore.streaming import StreamingNetwork
from lstmcore.together import train_together
from lstmcore.train import EpochReport, Trainer, TrainingSettings, TrainingState, train

try:
    __version__ = version("lstmcore")
except PackageNotFoundError:  # imported from a folder that was never installed
    __version__ = "unknown"

__all__ = [
    "BACKENDS",
    "BLSTM",
    "LSTM",
    "OBJECTIVES",
    "SGD",
    "SSE",
    "Architecture",
    "Backend",
    "Batch",
    "DivergedError",
    "EngineError",
    "EpochReport",
    "Evaluation",
    "GradientCheck",
    "Linear",
    "Logistic",
    "Network",
    "Objective",
    "SequenceSet",
    "Softmax",
    "Standardiser",
    "StreamingNetwork",
    "Tanh",
    "Trainer",
    "TrainingSettings",
    "TrainingState",
    "__version__",
    "as_autoencoder_set",
    "evaluate",
    "get_backend",
    "gradient_check",
    "initial_network",
    "new_autoencoder",
    "pack",
    "predict",
    "start_from_autoencoder",
    "stream",
    "train",
    "train_together",
]
