"""Gradient descent with momentum: the equations, once, for one parameter.

Source: Rumelhart, Hinton and Williams, "Learning internal representations by error
propagation", in Parallel Distributed Processing 1, 1986.
"""

from lstmcore.activations import Real


def momentum_step(
    weight: Real, velocity: Real, gradient: Real, learning_rate: Real, momentum: Real
) -> tuple[Real, Real]:
    """Return weight and velocity after a step: v ← μ v − η g, w ← w + v."""
    velocity = momentum * velocity - learning_rate * gradient
    return weight + velocity, velocity
