from .model import (
    Model as Model,
    load_model as load_model,
    save_model as save_model,
    write_model as write_model,
)
from .songs import (
    Predicted as Predicted,
    PredictedSong as PredictedSong,
    Predictor as Predictor,
    open_predictor as open_predictor,
    predict_files as predict_files,
    prediction_table as prediction_table,
)
