from .autoencoder import (
    as_autoencoder_set as as_autoencoder_set,
    new_autoencoder as new_autoencoder,
    start_from_autoencoder as start_from_autoencoder,
)
from .backends import (
    BACKENDS as BACKENDS,
    Backend as Backend,
    get_backend as get_backend,
)
from .batches import (
    Batch as Batch,
    pack as pack,
)
from .errors import (
    DivergedError as DivergedError,
    EngineError as EngineError,
)
from .gradients import (
    GradientCheck as GradientCheck,
    gradient_check as gradient_check,
)
from .layers import (
    BLSTM as BLSTM,
    LSTM as LSTM,
    Linear as Linear,
    Logistic as Logistic,
    Softmax as Softmax,
    Tanh as Tanh,
)
from .network import (
    Architecture as Architecture,
    Network as Network,
    initial_network as initial_network,
)
from .objective import (
    OBJECTIVES as OBJECTIVES,
    SSE as SSE,
    Objective as Objective,
)
from .prediction import (
    Evaluation as Evaluation,
    evaluate as evaluate,
    predict as predict,
)
from .seeds import (
    stream as stream,
)
from .sequences import (
    SequenceSet as SequenceSet,
)
from .sgd import (
    SGD as SGD,
)
from .standardise import (
    Standardiser as Standardiser,
)
from .streaming import (
    StreamingNetwork as StreamingNetwork,
)
from .together import (
    train_together as train_together,
)
from .training import (
    EpochReport as EpochReport,
    Trainer as Trainer,
    TrainingSettings as TrainingSettings,
    TrainingState as TrainingState,
    train as train,
)

__version__: str
