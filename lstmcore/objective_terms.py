"""What the objectives are made of: the terms of one output, once, without a loop, an array or a decorator.

`lstmcore.objective` and `lstmcore.ccc` call these functions on NumPy arrays and sum; the CUDA kernels compile
them as scalar functions and sum in an order of their own.  `y` is an output, `t` its target.
"""

from lstmcore.activations import Real, at_least, constant, limit, log, one, select

# The smallest normal float32: probabilities are not taken to be smaller.
TINY = 2.0**-126
CE_LIMIT = 100.0


def residual(y: Real, t: Real) -> Real:
    """Return y − t: the signal of ½ Σ (y − t)²."""
    return y - t


def weighted_residual(y: Real, t: Real, w: Real) -> Real:
    """Return w (y − t); the signal of ½ Σ (w (y − t))² as CURRENNT has it."""
    return w * (y - t)


def masked_residual(y: Real, t: Real, mask: Real) -> Real:
    """Return y m − t, with the output as the factor of an input m."""
    return y * mask - t


def masked_signal(y: Real, t: Real, mask: Real) -> Real:
    """Return the derivative (y m − t) m of ½ (y m − t)²."""
    return masked_residual(y, t, mask) * mask


def rmse_signal(y: Real, t: Real, rmse: Real) -> Real:
    """Return rmse · (y − t), given the root of the mean squared error of the frame."""
    return rmse * (y - t)


def cross_entropy(y: Real, t: Real) -> Real:
    """Return t log(t / y)."""
    return t * log(at_least(t, constant(t, TINY)) / at_least(y, constant(y, TINY)))


def cross_entropy_signal(y: Real, t: Real) -> Real:
    """Return the derivative −t / y, limited."""
    return limit(-t / at_least(y, constant(y, TINY)), constant(y, CE_LIMIT))


def log_loss(p: Real) -> Real:
    """Return −log p of the probability that a network gives to the right class."""
    return -log(at_least(p, constant(p, TINY)))


def log_loss_signal(p: Real) -> Real:
    """Return the derivative −1 / p."""
    return -one(p) / at_least(p, constant(p, TINY))


def counts_as_one(y: Real) -> Real:
    """Return whether an output or a target of two classes counts as class 1."""
    return y > constant(y, 0.5)


def is_class_one(t: Real) -> Real:
    """Return whether a target of two classes has the error of class 1."""
    return t > constant(t, 0)


def binary_probability(y: Real, t: Real) -> Real:
    """Return the probability of the target's class: y of class 1, 1 − y of class 0."""
    return select(is_class_one(t), y, one(y) - y)


def binary_signal(y: Real, t: Real) -> Real:
    """Return the derivative of −log p: −1 / y for class 1, 1 / (1 − y) for class 0."""
    signal = log_loss_signal(binary_probability(y, t))
    return select(is_class_one(t), signal, -signal)


def concordance_numerator(y: Real, t: Real) -> Real:
    """Return what an output adds to A of 1 − CCC = A / B: (y − t)² (`lstmcore.ccc`)."""
    return (y - t) ** 2


def concordance_denominator(y: Real, t: Real, mean: Real) -> Real:
    """Return what an output adds to B: (y − t̄)² + (t − t̄)²."""
    return (y - mean) ** 2 + (t - mean) ** 2


def concordance_signal(y: Real, t: Real, mean: Real, error: Real, denominator: Real, weight: Real) -> Real:
    """Return the derivative 2 w ((y − t) − E (y − t̄)) / B of w E, with E = A / B."""
    return 2 * weight * ((y - t) - error * (y - mean)) / denominator


def weighted_square(y: Real, t: Real, w: Real) -> Real:
    """Return w (y − t)², with the weight outside the square (`lstmcore.decorrelation`)."""
    return w * (y - t) ** 2


def weighted_square_signal(y: Real, t: Real, w: Real) -> Real:
    """Return the derivative w (y − t) of ½ w (y − t)²."""
    return w * (y - t)


def comovement(u: Real, v: Real, w: Real) -> Real:
    """Return what a frame adds to the weighted sum of products of two deviations: w u v."""
    return w * u * v


def comovement_signal(u: Real, v: Real, w: Real, slope: Real, variance: Real) -> Real:
    """Return the derivative of ½ (Σ w u v)² / (Σ w u² Σ w v²) with respect to u.

    With the slope s = Σ w u v / (Σ w u² Σ w v²) it is s w (v − u Σ w u v / Σ w u²), and Σ w u v / Σ w u² is
    s Σ w v²: `variance` is that sum.
    """
    return slope * w * (v - slope * variance * u)
