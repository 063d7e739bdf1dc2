# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A student reads an LSTM
#
# One unit by hand, then a network that has to remember, its gates, and the check that its gradient is right. The formulas stand in
# [the mathematics](../mathematics.md), the code in [cell.py](../../lstmcore/cell.py).

# %%
import matplotlib.pyplot as plt
import numpy as np

import lstmcore as lc
from lstmcore.cell import Gates, Peepholes, cell_forward

plt.rcParams.update({"figure.figsize": (7, 2.6), "figure.dpi": 80})
plt.rcParams.update({"axes.spines.right": False, "axes.spines.top": False})

# %% [markdown]
# ## One unit, one step at a time
#
# `cell_forward` is one step of one unit: net inputs in, gates, state and output out. Let an input of 1 come at step 5 and
# nothing else. The input gate opens for it, and the forget gate says how long it stays: the state is multiplied by it at each step.


# %%
def lives_of(forget):
    """The state of a unit whose forget gate stays at one value."""
    c, states = 0.0, []
    for t in range(40):
        x = 1.0 if t == 5 else 0.0
        net = Gates(z=2 * x, i=8 * x - 4, f=np.log(forget / (1 - forget)), o=2.0)
        _, c, _ = cell_forward(net, c, Peepholes(0.0, 0.0, 0.0))
        states.append(c)
    return states


for forget in (0.5, 0.9, 0.99):
    plt.plot(lives_of(forget), label=f"f = {forget}")
plt.xlabel("step")
plt.ylabel("state c")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## A task that needs memory
#
# Two inputs: a value that changes at each step, and a mark that is mostly 0. Wanted is the value at the last mark. Nothing at the step
# itself tells it.

# %%
rng = np.random.default_rng(1)


def sequence(frames=60):
    value, mark = rng.uniform(-1, 1, frames), rng.random(frames) < 0.1
    mark[0] = True
    last = np.maximum.accumulate(np.where(mark, np.arange(frames), 0))
    return np.stack([value, mark], axis=1), value[last][:, None]


def sequences(count):
    return lc.SequenceSet.from_lists(*zip(*(sequence() for _ in range(count)), strict=True))


sets = lc.Sets(sequences(100), sequences(20))
network = lc.initial_network(2, [lc.LSTM(8), lc.Linear(1)], 1, low=-0.5, high=0.5, forget_bias=2.0)
settings = lc.TrainingSettings(
    lc.SGD(1e-3, momentum=0.9), parallel_sequences=10, max_epochs=150, patience=150
)
errors = []
[best] = lc.train(
    [lc.Training(network, sets, settings, seed=1)],
    on_epoch=lambda place, report, trainer: errors.append(report.validation_error_per_frame),
)
best

# %%
x, wanted = sequence()
curve = lc.predict(best, x)
plt.step(range(60), wanted, where="mid", label="wanted", color="0.6")
plt.plot(curve, label="the network")
plt.plot(np.flatnonzero(x[:, 1]), x[x[:, 1] > 0, 0], "ko", markersize=4, label="mark")
plt.xlabel("step")
plt.legend(frameon=False, ncols=3)
plt.show()
assert errors[-1] < errors[0] / 4

# %% [markdown]
# ## The whole forward pass, by hand
#
# `parameters` are views of the weights: of the LSTM `W` (gates, units, inputs), `R` (gates, units, units), the biases `b` and the
# peepholes `p`. With `cell_forward` the network is a loop of four lines, and it gives what `predict` gave.

# %%
lstm, linear = best.parameters
h, c = np.zeros(8), np.zeros(8)
gates, outputs = [], []
for frame in x:
    net = lstm["W"] @ frame + lstm["R"] @ h + lstm["b"]
    activations, c, h = cell_forward(Gates(*net), c, Peepholes(*lstm["p"]))
    gates.append([*activations, c])
    outputs.append(linear["W"] @ h + linear["b"])
gates = np.array(gates)  # step, one of z i f o c, unit
assert np.allclose(outputs, curve, atol=1e-5)

# %% [markdown]
# At a mark the forget gate of the unit that remembers falls to 0, for the old value has to go, and its input gate opens; between marks it is the other way round. Each unit's
# state is shown in units of its own largest value.

# %%
figure, panels = plt.subplots(3, 1, sharex=True, figsize=(7, 4.6), layout="constrained")
for panel, k, name in zip(panels, (1, 2, 4), ("input gate", "forget gate", "state"), strict=True):
    shown = gates[:, k] / (np.abs(gates[:, k]).max(0) if k == 4 else 1)
    low, colours = (-1, "PuOr") if k == 4 else (0, "viridis")
    panel.imshow(shown.T, aspect="auto", cmap=colours, vmin=low, vmax=1, interpolation="nearest")
    panel.set_ylabel(f"{name}\nunit")
    for t in np.flatnonzero(x[:, 1]):
        panel.axvline(t, color="white" if k < 4 else "black", linewidth=0.6)
panels[-1].set_xlabel("step (lines: marks)")
plt.show()

# %% [markdown]
# ## Is the gradient right?
#
# Back-propagation through time is easy to get nearly right. `gradient_check` changes each parameter a little and compares; it needs double precision.

# %%
double = lc.initial_network(2, [lc.LSTM(8), lc.Linear(1)], 1, dtype=np.float64)
some = lc.SequenceSet.from_lists([x], [wanted], dtype=np.float64)
check = lc.gradient_check(double, some)
assert check.largest < 1e-6
check.errors
