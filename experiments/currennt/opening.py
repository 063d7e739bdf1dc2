"""What CURRENNT 0.2 prints first: what the options come to.

Wording that the original doesn't have is marked "our own".
"""

from __future__ import annotations

from pathlib import Path

from lstmcore.experiments.currennt.options.parsing import Options


def start_lines(options: Options) -> list[str]:
    """Return the lines at the start, which tell the options.

    Parameters
    ----------
    options
        With the seed that is used, even where the user asked for one from the system.

    Returns
    -------
    list of str
        An empty line at their end.
    """
    lines = _training_lines(options) if options.train else _forward_lines(options)
    if options.cuda:  # our own: we have no CUDA to set
        lines.append("WARNING: CUDA is not available. Computations will be performed on the CPU!")
    else:
        lines.append("WARNING: CUDA option not set. Computations will be performed on the CPU!")
    return [*lines, *_initial_weights_lines(options), ""]


def _training_lines(o: Options) -> list[str]:
    mode = "hybrid online/batch" if o.stochastic_effective else "batch"
    lines = [
        f"Started in {mode} training mode.",
        *_order_lines(o),
        f"The trained network will be written to '{o.save_network}'.",
        *_overwriting(o.save_network),
    ]
    if o.val_file:
        lines.append(f"Validation error will be calculated every {o.validate_every} epochs.")
    if o.test_file:
        lines.append(f"Test error will be calculated every {o.test_every} epochs.")
    lines += [f"Training will be stopped {_when_to_stop(o)}.", *_change_lines(o)]
    if o.autosave:
        lines.append("Autosave after EVERY EPOCH enabled.")
    if o.autosave_best:
        lines.append("Autosave on BEST VALIDATION ERROR enabled.")
    return lines


def _overwriting(path: str) -> list[str]:
    if not Path(path).exists():
        return []
    return [f"WARNING: The output file '{path}' already exists. It will be overwritten!"]


def _when_to_stop(o: Options) -> str:
    limit = "" if o.max_epochs is None else f"after {o.max_epochs} epochs"
    patience = f"if there is no new lowest validation error within {o.max_epochs_no_best} epochs"
    if o.val_file:
        return f"{limit} or {patience}" if limit else patience
    # Our own: the original names validation here too, though there is no such set.
    return limit or "by the user only: there is neither a validation set nor max_epochs"


def _order_lines(o: Options) -> list[str]:
    """Return what is said of order and noise on the inputs."""
    size = o.parallel_sequences
    said = [
        (o.shuffle_fractions, f"Mini-batches ({size} sequences each) will be shuffled during training."),
        (o.shuffle_sequences, "Sequences will be shuffled within and across mini-batches during training."),
        (o.input_noise_sigma, f"Using input noise with a standard deviation of {o.input_noise_sigma:g}."),
    ]
    return [line for asked, line in said if asked]


def _change_lines(o: Options) -> list[str]:
    """Return what is said of pieces, noise on the weights and lag; our own, the original is silent."""
    said = [
        (o.truncate_seq, f"Training sequences will be cut into pieces of {o.truncate_seq} time steps."),
        (o.weight_noise_sigma, f"Noise on the weights: standard deviation {o.weight_noise_sigma:g}."),
        (o.output_time_lag, f"Targets come {o.output_time_lag} time steps later."),
    ]
    return [line for asked, line in said if asked]


def _forward_lines(o: Options) -> list[str]:
    return [
        "Started in forward pass mode.",
        f"The forward pass output will be written to '{o.ff_output_file}'.",
        *_overwriting(o.ff_output_file),
    ]


def _initial_weights_lines(o: Options) -> list[str]:
    if not o.train:
        return []
    if o.weights_dist == "uniform":
        text = f"Uniform distribution with range [{o.weights_uniform_min:g}, {o.weights_uniform_max:g}]"
    else:
        mean, sigma = o.weights_normal_mean, o.weights_normal_sigma
        text = f"Normal distribution with mean={mean:g} and sigma={sigma:g}"
    return [f"{text}. Random seed: {o.random_seed}"]


def hybrid_notice(options: Options) -> str | None:
    """Return what to say of ``hybrid_online_batch``, which the original ignores, or None."""
    if not (options.train and options.hybrid_was_ignored_by_original):
        return None
    if options.strict_currennt:
        return "NOTE: hybrid_online_batch has no effect, as in CURRENNT 0.2; stochastic = true has."
    return (
        "NOTE: hybrid_online_batch = true is taken for stochastic = true; CURRENNT 0.2 ignores it and "
        "trains in batch mode, as we do with strict_currennt = true."
    )
