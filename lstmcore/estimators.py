"""Networks as scikit-learn's estimators: whole sequences are the samples.

    from lstmcore.estimators import LSTMRegressor

    model = LSTMRegressor(hidden_layer_sizes=(50,), random_state=1).fit(X, y, groups=artists)
    curves = model.predict(X_new)

``X`` is a list with a matrix (frames, features) of each sequence, and ``y`` a list with its targets:
(frames,) or (frames, outputs).  So ``len(X)`` is the number of samples, and whatever picks samples, such as
`GridSearchCV` with `GroupKFold`, or `cross_val_predict`, picks whole sequences.  docs/sklearn.md has the
rest.  Needs scikit-learn, the extra ``sklearn``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from lstmcore.checks import whole
from lstmcore.installing import install_extra
from lstmcore.layers import BLSTM, LSTM, Linear
from lstmcore.network import initial_network
from lstmcore.prediction import predict
from lstmcore.problem import EpochReport, Sets, Training, TrainingSettings
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD
from lstmcore.standardise import Standardiser
from lstmcore.training import train

try:
    from joblib import Parallel, delayed
    from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
    from sklearn.metrics import r2_score
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"lstmcore.estimators needs scikit-learn from 1.6 on ({error}); expected: {install_extra('sklearn')}"
    ) from error

__all__ = ["FrameTransformer", "LSTMEnsemble", "LSTMRegressor"]

Array = NDArray[Any]
Layout = Literal["list", "3d", "2d"]


@dataclass(frozen=True)
class _Samples:
    """Sequences as matrices, and how they were given."""

    sequences: list[Array]
    layout: Layout

    def like(self, parts: Sequence[Array]) -> Array:
        """Return something for each sequence in the layout of the input."""
        if self.layout == "2d":
            return np.concatenate(parts)
        if self.layout == "3d":
            return np.stack(parts)
        listed = np.empty(len(parts), object)  # what `cross_val_predict` can put together and reorder
        listed[:] = [None] * len(parts)
        for n, part in enumerate(parts):
            listed[n] = part
        return listed


def _is_listed(values: Any) -> bool:
    """Whether values are a list of sequences, not one array of numbers."""
    if isinstance(values, np.ndarray):
        return values.dtype == object and values.ndim == 1 and len(values) > 0 and np.ndim(values[0]) > 0
    if not isinstance(values, list | tuple) or len(values) == 0:
        return False
    curves = np.ndim(values[0]) == 1 and len({np.size(one) for one in values}) > 1  # told what is wrong there
    return np.ndim(values[0]) == 2 or curves


def _samples(estimator: Any, X: Any, *, reset: bool) -> _Samples:
    """Take X as sequences; a matrix has one frame for each."""
    if _is_listed(X):
        sequences = [_matrix(values, f"X[{n}]") for n, values in enumerate(X)]
        layout: Layout = "list"
    elif not isinstance(X, list | tuple) and not issparse(X) and (cube := np.asarray(X)).ndim == 3:
        sequences = [_matrix(values, f"X[{n}]") for n, values in enumerate(cube)]
        layout = "3d"
    else:
        matrix = validate_data(estimator, X, reset=reset, dtype=np.float64)
        if not reset and estimator.layout_ != "2d":
            raise ValueError(
                f"X is one matrix of shape {matrix.shape}, and fit was given sequences; expected a list of "
                "them: for one sequence predict([X])[0]"
            )
        return _Samples([row[None] for row in matrix], "2d")
    if not sequences:
        raise ValueError("Found array with 0 sample(s): X has no sequence; expected at least one")
    if not reset and estimator.layout_ == "2d":
        raise ValueError(
            "X has sequences, and fit was given a matrix of single frames; expected such a matrix"
        )
    widths = {values.shape[1] for values in sequences}
    if len(widths) > 1:
        raise ValueError(f"X has sequences of {sorted(widths)} features; expected the same number in all")
    width = widths.pop()
    if reset:
        estimator.n_features_in_ = width
    elif width != estimator.n_features_in_:
        raise ValueError(
            f"X has {width} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    return _Samples(sequences, layout)


def _matrix(values: Any, name: str) -> Array:
    """Take the frames of a sequence."""
    try:
        matrix = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: no numbers; expected a matrix (frames, features)") from None
    if matrix.ndim != 2 or len(matrix) == 0:
        raise ValueError(f"{name} has shape {matrix.shape}; expected (frames, features), at least one frame")
    if not np.isfinite(matrix).all():
        frame, column = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(
            f"{name}, frame {frame}, column {column}: {matrix[frame, column]}; NaN and inf can't be used"
        )
    return matrix


def _targets(y: Any, samples: _Samples) -> list[Array]:
    """Take a target, or several, for each frame of each sequence; each (frames,) or (frames, outputs)."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    count = len(samples.sequences)
    if samples.layout == "2d":
        rows = np.asarray(y)
        if rows.ndim not in (1, 2):
            raise ValueError(f"y has shape {rows.shape}; expected ({count},) or ({count}, outputs)")
        parts: list[Any] = [rows[n : n + 1] for n in range(len(rows))]
    else:
        parts = [*y]
    if len(parts) != count:
        raise ValueError(f"X has {count} sequences and y {len(parts)}; expected as many")
    found: list[Array] = []
    for n, (values, frames) in enumerate(zip(parts, map(len, samples.sequences), strict=True)):
        try:
            target = np.asarray(values, np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"Unknown label type: y[{n}] has no numbers; expected one a frame") from None
        if target.ndim not in (1, 2) or len(target) != frames:
            advice = f"; one value for all: np.full({frames}, {target})" if target.ndim == 0 else ""
            raise ValueError(
                f"y[{n}] has shape {target.shape}; expected ({frames},) or ({frames}, outputs), as X[{n}] "
                f"has {frames} frames{advice}"
            )
        if not np.isfinite(target).all():
            raise ValueError(f"y[{n}] has NaN or infinite values; expected finite numbers")
        if found and target.shape[1:] != found[0].shape[1:]:
            raise ValueError(
                f"y[{n}] has shape {target.shape} and y[0] {found[0].shape}; expected as many outputs"
            )
        found.append(target)
    return found


class _OfSequences(RegressorMixin, BaseEstimator):
    """What the regressors have in common: their score, and what scikit-learn should know of them."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination R² of the predictions, over all frames of all sequences together.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight
            A weight for each sequence, which all of its frames have.

        Returns
        -------
        float
            1 at best, 0 for the mean of `y`; of several outputs, the mean of theirs.
        """
        samples = _samples(self, X, reset=False)
        targets = _targets(y, samples)
        predicted = self.predict(X)
        parts = [row[None] for row in predicted] if samples.layout == "2d" else list(predicted)
        weights = None
        if sample_weight is not None:
            weights = np.repeat(np.asarray(sample_weight), [len(t) for t in targets])
        return float(r2_score(np.concatenate(targets), np.concatenate(parts), sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.single_output = tags.target_tags.multi_output = True
        return tags


@dataclass(kw_only=True, repr=False, eq=False)
class LSTMRegressor(_OfSequences):
    """A network of LSTM layers with a linear output, trained by stochastic gradient descent.

    Parameters
    ----------
    hidden_layer_sizes
        Units of each LSTM layer, from the input on.
    bidirectional
        Whether half of each layer's units run backwards in time; sizes must be even then.
    learning_rate
        Step along the gradient of an update's error *a frame*.  (`lstmcore.SGD`, whose error is a sum, gets
        this divided by the mean number of frames of an update, so that a rate suits any length.)
    momentum
        Of the steps, from 0 to below 1.
    batch_size
        Sequences an update; they are computed side by side.
    input_noise
        Standard deviation of the noise on the inputs, drawn anew at each epoch, in units of the features'
        own standard deviation if they are standardised.
    forget_bias
        Added to the forget gates' random biases at the start: cells begin by remembering.
    max_iter
        Epochs at most.
    early_stopping
        Whether some sequences are put aside and watched: training ends when their error has not fallen for
        `n_iter_no_change` epochs, and the weights are those of the best epoch.  Else there are `max_iter`
        epochs.
    validation_fraction
        Share of the sequences that is put aside; of the groups, where `fit` is given any.
    n_iter_no_change
        Epochs without a lower error after which training ends.
    standardise
        Whether features and targets are brought to mean 0 and standard deviation 1 over the frames that are
        learnt from.  Predictions are in the targets' own scale.
    dtype
        ``"float32"`` or ``"float64"``.
    backend
        ``"cpu"``, ``"cuda"`` or ``"reference"``.
    random_state
        Seed of weights, order, noise and of what is put aside; with a number `fit` gives the same bits again.

    Attributes
    ----------
    network_
        The trained `lstmcore.Network`, on standardised frames if `standardise`.
    n_features_in_, n_outputs_
        Numbers of features and outputs.
    n_iter_, best_iter_
        Epochs, and which of them the weights are of.
    loss_curve_
        For each epoch half the mean squared error of the training frames, of standardised targets, added up
        over outputs and met while training.
    validation_loss_curve_
        The same of what was put aside, after each epoch; None without `early_stopping`.
    input_scaler_, target_scaler_
        The `lstmcore.Standardiser` of features and targets; None unless `standardise`.
    layout_
        How `fit` was given its sequences: ``"list"``, ``"3d"`` or ``"2d"``.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore.estimators import LSTMRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((frames, 3)) for frames in (40, 60, 50, 45, 55, 50)]
    >>> y = [np.tanh(np.cumsum(x[:, 0]) / 3) for x in X]
    >>> model = LSTMRegressor(hidden_layer_sizes=(8,), max_iter=100, random_state=1).fit(X, y)
    >>> [len(curve) for curve in model.predict(X[:2])]
    [40, 60]
    >>> model.score(X, y) > 0.5
    True
    """

    hidden_layer_sizes: Sequence[int] = (32,)
    bidirectional: bool = False
    learning_rate: float = 0.02
    momentum: float = 0.9
    batch_size: int = 2
    input_noise: float = 0.0
    forget_bias: float = 1.0
    max_iter: int = 200
    early_stopping: bool = True
    validation_fraction: float = 0.2
    n_iter_no_change: int = 20
    standardise: bool = True
    dtype: str = "float32"
    backend: str = "cpu"
    random_state: Any = None

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train a network.

        Parameters
        ----------
        X
            A list, or an array of objects, with a matrix (frames, features) of each sequence; an array
            (sequences, frames, features) of sequences of one length; or a matrix (samples, features), of
            which each row is a sequence of a single frame, without anything before it.
        y
            For each sequence (frames,) or (frames, outputs); of a matrix (samples,) or (samples, outputs).
        groups
            A label for each sequence, such as its artist: early stopping puts whole groups aside.

        Returns
        -------
        LSTMRegressor
            Itself.

        Raises
        ------
        ValueError
            If something doesn't fit, or training diverged.
        """
        samples = _samples(self, X, reset=True)
        self.layout_ = samples.layout
        targets = _targets(y, samples)
        self._flat = targets[0].ndim == 1
        columns = [t[:, None] if self._flat else t for t in targets]
        random = check_random_state(self.random_state)
        watched = self._put_aside(len(targets), groups, random)
        learnt = [n for n in range(len(targets)) if n not in watched]
        self.input_scaler_ = self.target_scaler_ = None
        if self.standardise:
            self.input_scaler_ = Standardiser.fit(np.concatenate([samples.sequences[n] for n in learnt]))
            self.target_scaler_ = Standardiser.fit(np.concatenate([columns[n] for n in learnt]))
        self.n_outputs_ = columns[0].shape[1]
        sets = Sets(
            *(self._set(samples.sequences, columns, part) for part in (learnt, sorted(watched)) if part)
        )
        kind = BLSTM if self.bidirectional else LSTM
        layers = [*(kind(size) for size in self.hidden_layer_sizes), Linear(self.n_outputs_)]
        seed = int(random.randint(2**31 - 1))
        network = initial_network(
            self.n_features_in_, layers, seed, dtype=self.dtype, forget_bias=self.forget_bias
        )
        training = Training(network, sets, self._settings(sets.training), seed)
        reports: list[EpochReport] = []
        [self.network_] = train([training], backend=self.backend, on_epoch=lambda _, r, __: reports.append(r))
        self.n_iter_, self.best_iter_ = len(reports), reports[-1].best_epoch
        self.loss_curve_ = [report.training_error_per_frame for report in reports]
        self.validation_loss_curve_ = None
        if watched:
            self.validation_loss_curve_ = [report.validation_error_per_frame for report in reports]
        return self

    def predict(self, X: Any) -> Array:
        """Predict each frame.

        Parameters
        ----------
        X
            Sequences as in `fit`; how long they are doesn't matter.

        Returns
        -------
        ndarray
            Of a list, an array of objects that has a curve (frames,) or (frames, outputs) for each sequence;
            of an array (sequences, frames, features) one array, and of a matrix a row for each sample.
        """
        check_is_fitted(self, "network_")
        samples = _samples(self, X, reset=False)
        inputs = [self._standardised(values, f"X[{n}]") for n, values in enumerate(samples.sequences)]
        curves = predict(self.network_, inputs, backend=self.backend)
        if self.target_scaler_ is not None:
            curves = [self.target_scaler_.invert(curve) for curve in curves]
        return samples.like([curve[:, 0] if self._flat else curve for curve in curves])

    def _standardised(self, values: Array, name: str) -> Array:
        return values if self.input_scaler_ is None else self.input_scaler_.apply(values)

    def _set(self, inputs: list[Array], targets: list[Array], part: list[int]) -> SequenceSet:
        y = [targets[n] for n in part]
        if self.target_scaler_ is not None:
            y = [self.target_scaler_.apply(values) for values in y]
        x = [self._standardised(inputs[n], f"X[{n}]") for n in part]
        return SequenceSet.from_lists(x, y, dtype=self.dtype)

    def _settings(self, training: SequenceSet) -> TrainingSettings:
        batch = min(whole("batch_size", self.batch_size), len(training))
        max_iter, patience = (
            whole("max_iter", self.max_iter),
            whole("n_iter_no_change", self.n_iter_no_change),
        )
        rate = self.learning_rate / max(1.0, batch * training.frames / len(training))
        return TrainingSettings(
            SGD(rate, self.momentum),
            parallel_sequences=batch,
            input_noise=self.input_noise,
            max_epochs=max_iter,
            patience=patience if self.early_stopping else max_iter,
        )

    def _put_aside(self, count: int, groups: Any, random: np.random.RandomState) -> set[int]:
        """Choose the sequences that early stopping watches: of groups, whole ones."""
        labels = np.arange(count) if groups is None else np.asarray(groups)
        if labels.shape != (count,):
            raise ValueError(
                f"groups has shape {labels.shape}; expected a label for each of {count} sequences"
            )
        if not self.early_stopping:
            return set()
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction is {self.validation_fraction}; expected between 0 and 1")
        names, of_sequence = np.unique(labels, return_inverse=True)
        if len(names) < 2:
            what = f"n_samples = {count}" if groups is None else f"all {count} sequences are of one group"
            raise ValueError(
                f"{what}, and early stopping puts some aside; expected two, or early_stopping=False"
            )
        aside = min(len(names) - 1, max(1, round(self.validation_fraction * len(names))))
        chosen = random.permutation(len(names))[:aside]
        return set(np.flatnonzero(np.isin(of_sequence, chosen)).tolist())


@dataclass(kw_only=True, repr=False, eq=False)
class LSTMEnsemble(_OfSequences):
    """The average of several networks, which differ in their random numbers and in what is put aside.

    Parameters
    ----------
    estimator
        What each of them is like; None: an `LSTMRegressor` with its defaults.
    n_estimators
        How many.
    n_jobs
        How many are trained side by side, on threads; None: one, -1: as many as processors.
    random_state
        Seed that those of the networks are drawn from.

    Attributes
    ----------
    estimators_
        The trained regressors.
    n_features_in_, n_outputs_
        Numbers of features and outputs.

    Examples
    --------
    >>> from lstmcore.estimators import LSTMEnsemble, LSTMRegressor
    >>> LSTMEnsemble(estimator=LSTMRegressor(max_iter=50), n_estimators=3)
    LSTMEnsemble(estimator=LSTMRegressor(max_iter=50), n_estimators=3)
    """

    estimator: LSTMRegressor | None = None
    n_estimators: int = 5
    n_jobs: int | None = None
    random_state: Any = None

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Train all networks; parameters and errors are those of `LSTMRegressor.fit`."""
        count = whole("n_estimators", self.n_estimators)
        _samples(self, X, reset=True)
        random = check_random_state(self.random_state)
        base = LSTMRegressor() if self.estimator is None else self.estimator
        members = [clone(base).set_params(random_state=int(random.randint(2**31 - 1))) for _ in range(count)]
        self.estimators_ = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(member.fit)(X, y, groups) for member in members
        )
        self.layout_, self.n_outputs_ = self.estimators_[0].layout_, self.estimators_[0].n_outputs_
        return self

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> Array: ...

    @overload
    def predict(self, X: Any, return_std: Literal[True]) -> tuple[Array, Array]: ...

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:
        """Average what the networks predict.

        Parameters
        ----------
        X
            Sequences as in `fit`.
        return_std
            Whether to return the standard deviation over the networks, too.

        Returns
        -------
        ndarray, or two of them
            As of `LSTMRegressor.predict`; the standard deviation has the same shape.
        """
        check_is_fitted(self, "estimators_")
        samples = _samples(self, X, reset=False)
        found = [member.predict(X) for member in self.estimators_]
        if samples.layout == "2d":
            mean, std = np.mean(found, 0), np.std(found, 0)
        else:
            curves = [np.array(of_one) for of_one in zip(*found, strict=True)]
            mean, std = (samples.like([f(c, axis=0) for c in curves]) for f in (np.mean, np.std))
        return (mean, std) if return_std else mean


@dataclass(kw_only=True, repr=False, eq=False)
class FrameTransformer(TransformerMixin, BaseEstimator):
    """Any of scikit-learn's transformers, applied to the frames of sequences.

    Parameters
    ----------
    transformer
        Fitted to all frames of all sequences together, one row each; None: a `StandardScaler`.

    Attributes
    ----------
    transformer_
        The fitted one.
    n_features_in_
        Number of features.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from lstmcore.estimators import FrameTransformer, LSTMRegressor
    >>> model = make_pipeline(FrameTransformer(transformer=PCA(20)), LSTMRegressor())
    """

    transformer: Any = None

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the transformer to all frames; `y` is not looked at."""
        samples = _samples(self, X, reset=True)
        self.layout_ = samples.layout
        base = StandardScaler() if self.transformer is None else clone(self.transformer)
        self.transformer_ = base.fit(np.concatenate(samples.sequences))
        return self

    def transform(self, X: Any) -> Array:
        """Transform each frame; sequences are returned as they were given, lists as an array of objects."""
        check_is_fitted(self, "transformer_")
        samples = _samples(self, X, reset=False)
        rows = self.transformer_.transform(np.concatenate(samples.sequences))
        ends = np.cumsum([len(values) for values in samples.sequences])[:-1]
        return samples.like(np.split(np.asarray(rows), ends))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
