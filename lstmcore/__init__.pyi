from .autoencoder import (
    as_autoencoder_set as as_autoencoder_set,
    as_next_frames_set as as_next_frames_set,
    as_reversal_set as as_reversal_set,
    new_autoencoder as new_autoencoder,
    start_from_autoencoder as start_from_autoencoder,
)
from .backends import (
    BACKENDS as BACKENDS,
    Backend as Backend,
    Workspace as Workspace,
    get_backend as get_backend,
)
from .batches import (
    Batch as Batch,
    pack as pack,
)
from .checks import (
    PRECISIONS as PRECISIONS,
)
from .decorrelation import (
    DecorrelatedSquaredErrors as DecorrelatedSquaredErrors,
)
from .errors import (
    DivergedError as DivergedError,
    EngineError as EngineError,
)
from .evaluation import (
    Evaluation as Evaluation,
)
from .gate_activations import (
    GateActivations as GateActivations,
    gates as gates,
)
from .gradients import (
    GradientCheck as GradientCheck,
    gradient_check as gradient_check,
)
from .layers import (
    BLOCK_LAYERS as BLOCK_LAYERS,
    BLSTM as BLSTM,
    LAYERS as LAYERS,
    LSTM as LSTM,
    Convolution as Convolution,
    Layer as Layer,
    Linear as Linear,
    Logistic as Logistic,
    MaxPool as MaxPool,
    MeanPool as MeanPool,
    Softmax as Softmax,
    Tanh as Tanh,
)
from .network import (
    Architecture as Architecture,
    Network as Network,
    initial_network as initial_network,
)
from .noise import (
    InputNoise as InputNoise,
)
from .objective import (
    OBJECTIVES as OBJECTIVES,
    SSE as SSE,
    Objective as Objective,
)
from .prediction import (
    PackedNetwork as PackedNetwork,
    evaluate as evaluate,
    predict as predict,
)
from .problem import (
    EpochReport as EpochReport,
    Progress as Progress,
    Sets as Sets,
    Training as Training,
    TrainingSettings as TrainingSettings,
    TrainingState as TrainingState,
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
from .tracking import (
    MLflowTracker as MLflowTracker,
    TensorBoardTracker as TensorBoardTracker,
)
from .training import (
    Trainer as Trainer,
    train as train,
)

__version__: str
