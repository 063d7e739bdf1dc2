from .batch import (
    Predicted as Predicted,
    SongResult as SongResult,
    predict_files as predict_files,
    predict_many as predict_many,
)
from .model import (
    Model as Model,
    load_model as load_model,
    save_model as save_model,
    write_model as write_model,
)
from .songs import (
    PredictedSong as PredictedSong,
    Predictor as Predictor,
    open_predictor as open_predictor,
)
