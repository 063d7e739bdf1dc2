"""The table of options: those of CURRENNT 0.2, and two of our own at its end."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any

from lstmcore.experiments.currennt.options.kinds import (
    BELOW_ONE,
    BOOLEAN,
    FILE,
    FILES,
    FRACTION,
    LARGEST_SIGNED,
    LIMIT,
    NOT_NEGATIVE,
    NUMBER,
    OPTIMIZER,
    PIECES,
    POSITIVE,
    SEED,
    SWITCH,
    TEXT,
    Kind,
    whole,
    word,
)


def _option(kind: Kind, default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


@dataclass(frozen=True)
class Options:
    """All options by their names; ``continue``, a word of Python, is ``continue_``."""

    help: bool = _option(SWITCH, False, "show this list")
    options_file: str | None = _option(FILE, None, "file with lines name = value; its name may stand alone")
    network: str = _option(FILE, "network.jsn", "network file: the layers and possibly their weights")
    cuda: bool = _option(BOOLEAN, True, "accepted; everything is computed on the CPU")
    list_devices: bool = _option(BOOLEAN, False, "list the devices")
    parallel_sequences: int = _option(whole(1), 1, "sequences computed side by side: a fraction")
    random_seed: int = _option(SEED, 0, "seed of the random numbers; 0 takes one from the system")

    ff_input_file: tuple[str, ...] = _option(FILES, (), "data files of the forward pass")
    ff_output_file: str = _option(FILE, "ff_output.csv", "file or folder for the outputs")
    ff_output_format: str = _option(
        word("single_csv", "csv", "htk"), "single_csv", "single_csv: one file; csv, htk: a file a sequence"
    )
    ff_output_kind: int = _option(whole(0, 32767), 9, "parameter kind in the header of HTK files")
    feature_period: float = _option(POSITIVE, 10.0, "milliseconds from frame to frame, for HTK files")
    revert_std: bool = _option(
        BOOLEAN, True, "scale outputs by outputMeans and outputStdevs of the data file"
    )

    train: bool = _option(BOOLEAN, False, "train; otherwise compute the outputs of a data file")
    stochastic: bool = _option(BOOLEAN, False, "update the weights after each fraction, not each epoch")
    hybrid_online_batch: bool = _option(
        BOOLEAN, False, "the old name of stochastic; CURRENNT 0.2 ignores it (see strict_currennt)"
    )
    shuffle_fractions: bool = _option(BOOLEAN, False, "shuffle the fractions before every epoch")
    shuffle_sequences: bool = _option(BOOLEAN, False, "shuffle the sequences before every epoch")
    max_epochs: int | None = _option(LIMIT, None, "stop after so many epochs at the latest")
    max_epochs_no_best: int = _option(
        whole(1), 20, "stop after so many epochs without a new lowest validation error"
    )
    validate_every: int = _option(whole(1), 1, "epochs from one validation to the next")
    test_every: int = _option(whole(1), 1, "epochs from one computation of the test error to the next")
    optimizer: str = _option(OPTIMIZER, "steepest_descent", "there is only this one")
    learning_rate: float = _option(NOT_NEGATIVE, 1e-5, "learning rate, for a gradient summed over frames")
    momentum: float = _option(BELOW_ONE, 0.9, "momentum")
    weight_noise_sigma: float = _option(NOT_NEGATIVE, 0.0, "standard deviation of noise on the weights")
    save_network: str = _option(FILE, "trained_network.jsn", "where the trained network is written to")
    autosave: bool = _option(BOOLEAN, False, "write an autosave file after every epoch")
    autosave_best: bool = _option(BOOLEAN, False, "write the network at each new lowest validation error")
    autosave_prefix: str | None = _option(TEXT, None, "what names of autosave files begin with")
    continue_: str | None = _option(FILE, None, "go on from an autosave file, with the options in it")

    train_file: tuple[str, ...] = _option(FILES, (), "data files of the training set")
    val_file: tuple[str, ...] = _option(FILES, (), "data files of the validation set")
    test_file: tuple[str, ...] = _option(FILES, (), "data files of the test set")
    train_fraction: float = _option(FRACTION, 1.0, "part of each training file to use")
    val_fraction: float = _option(FRACTION, 1.0, "part of each validation file to use")
    test_fraction: float = _option(FRACTION, 1.0, "part of each test file to use")
    truncate_seq: int = _option(PIECES, 0, "cut training sequences into pieces of so many steps; 0: don't")
    input_noise_sigma: float = _option(NOT_NEGATIVE, 0.0, "standard deviation of noise on the inputs")
    input_left_context: int = _option(whole(0, LARGEST_SIGNED), 0, "frames before the current one to add")
    input_right_context: int = _option(whole(0, LARGEST_SIGNED), 0, "frames after the current one to add")
    output_time_lag: int = _option(whole(0, LARGEST_SIGNED), 0, "steps that the targets come later")
    cache_path: str = _option(TEXT, "", "folder for data that don't fit into memory")

    weights_dist: str = _option(word("uniform", "normal"), "uniform", "distribution of initial weights")
    weights_uniform_min: float = _option(NUMBER, -0.1, "lowest initial weight")
    weights_uniform_max: float = _option(NUMBER, 0.1, "limit of the initial weights")
    weights_normal_sigma: float = _option(NOT_NEGATIVE, 0.1, "standard deviation of initial weights")
    weights_normal_mean: float = _option(NUMBER, 0.0, "mean of initial weights")

    float64: bool = _option(BOOLEAN, False, "compute in double precision (not in CURRENNT)")
    strict_currennt: bool = _option(
        BOOLEAN, False, "no effect of hybrid_online_batch, as in CURRENNT 0.2 (not in CURRENNT)"
    )

    @property
    def stochastic_effective(self) -> bool:
        """Whether weights are updated after each fraction: as meant or, if strict, as the original does."""
        return self.stochastic or (self.hybrid_online_batch and not self.strict_currennt)

    @property
    def hybrid_was_ignored_by_original(self) -> bool:
        """Whether the original would train in batch mode though told otherwise by the old name."""
        return self.hybrid_online_batch and not self.stochastic


# By the names that a user gives.
TABLE: dict[str, Field[Any]] = {option.name.removesuffix("_"): option for option in fields(Options)}
OURS = ("float64", "strict_currennt")
