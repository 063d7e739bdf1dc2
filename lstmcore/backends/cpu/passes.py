"""A whole pass through a layer in one call: the interpreter's lock is given up once, not for each product.

Where several networks are trained side by side, a thread that comes back from a kernel waits
for whoever holds the lock; with small networks and single sequences that took longer than the
arithmetic.

Steps of an LSTM layer are computed in portions that stay in the cache from one product to the
next.  Shapes as in `cpu_kernels`; P inputs, and M net inputs a frame: 4E in an LSTM layer.
"""

from __future__ import annotations

from typing import Any

from lstmcore.backends.cpu.gemm import pack, pack_transposed, product, product_over_frames, unpacked
from lstmcore.backends.cpu.kernels import column_sums, lstm_backward, lstm_forward
from lstmcore.backends.cpu.tiles import VECTOR_BYTES
from lstmcore.jit import kernel

Array = Any

_PORTION = 1000  # frames: some megabytes of activations of a layer of 200 units


@kernel
def affine_forward(
    x: Array,  # inputs [N, P]
    w: Array,  # [M, P]
    b: Array,  # bias weights [M]
    bias: Any,
    width: Any,  # of a panel
    memory: Array,  # for packed w
    begin: Array,  # scratch [M]
    y: Array,  # out: W x + b · bias [N, M]
) -> None:
    """Map a layer's inputs to its net inputs."""
    for j in range(b.shape[0]):
        begin[j] = bias * b[j]
    product(x, pack_transposed(w, memory, width), begin, y)


@kernel
def affine_backward(
    e: Array,  # errors of the net inputs [N, M]
    x: Array,  # inputs [N, P]
    w: Array,  # [M, P]
    bias: Any,
    width: Any,  # of a panel
    memory: Array,  # for packed w
    block: Array,  # scratch of a product over frames
    begin: Array,  # scratch [P]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
    dw: Array,  # out [M, P]
    db: Array,  # out [M]
) -> None:
    """Take errors back through the affine map."""
    db[:] = 0
    product_over_frames(e, x, block, width, True, dw)
    column_sums(e, bias, db)
    if e_below.shape[0] > 0:
        begin[:] = 0
        product(e, pack(w, memory, width), begin, e_below)


@kernel
def lstm_layer_forward(
    x: Array,  # inputs [N, P]
    counts: Array,  # sequences alive at each step [T]
    w: Array,  # input weights [4E, P]
    b: Array,  # bias weights [4E]
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    bias: Any,
    width: Any,  # of a panel of w
    recurrent_width: Any,  # of a panel of r
    memory: Array,  # for packed w
    recurrent_memory: Array,  # for packed r
    begin: Array,  # scratch [4E]
    gates: Array,  # out: activations z, i, f, o side by side [N, 4E]
    c: Array,  # out: cell states, initial state first [n+N, E]
    h: Array,  # out: block outputs, initial state first [n+N, E]
) -> None:
    """Compute an LSTM layer from zero states."""
    panels = pack_transposed(w, memory, width)
    recurrent = pack_transposed(r, recurrent_memory, recurrent_width)
    for j in range(b.shape[0]):
        begin[j] = bias * b[j]
    for s in range(counts[0]):
        c[s] = 0
        h[s] = 0
    first, start = 0, 0
    while first < counts.shape[0]:
        last, end = first, start
        while last < counts.shape[0] and end - start < _PORTION:
            end += counts[last]
            last += 1
        product(x[start:end], panels, begin, gates[start:end])
        lstm_forward(counts, first, last, start, recurrent, p, gates, c, h)
        first, start = last, end


@kernel
def lstm_layer_backward(
    e: Array,  # error of the block outputs, overwritten [N, E]
    x: Array,  # inputs [N, P]
    counts: Array,  # sequences alive at each step [T]
    w: Array,  # input weights [4E, P]
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    bias: Any,
    limit: Any,  # limit of the deltas
    width: Any,  # of a panel of w
    recurrent_width: Any,  # of a panel of r
    memory: Array,  # for packed w
    recurrent_memory: Array,  # for packed r
    block: Array,  # scratch of a product over frames
    begin: Array,  # scratch [P]
    gates: Array,  # activations from the forward pass, become the deltas [N, 4E]
    c: Array,  # cell states [n+N, E]
    h: Array,  # block outputs [n+N, E]
    carry: Array,  # scratch [n, E]
    h_before: Array,  # scratch [N, E]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
    dw: Array,  # out [4E, P]
    db: Array,  # out [4E]
    dr: Array,  # out [4E, E]
    dp: Array,  # out [3, E]
) -> None:
    """Back-propagate through an LSTM layer."""
    db[:] = 0
    dp[:] = 0
    carry[:] = 0
    begin[:] = 0
    wanted = e_below.shape[0] > 0
    panels = pack(w, memory, width) if wanted else unpacked(w, memory, width)
    if counts[0] == 1 and r.shape[1] * r.itemsize >= VECTOR_BYTES:
        recurrent = unpacked(r, recurrent_memory, recurrent_width)
    else:
        recurrent = pack(r, recurrent_memory, recurrent_width)
    last, end = counts.shape[0], gates.shape[0]
    while last > 0:
        first, start = last, end
        while first > 0 and end - start < _PORTION:
            first -= 1
            start -= counts[first]
        lstm_backward(e, counts, first, last, end, recurrent, r, p, limit, gates, c, h, carry, h_before, dp)
        deltas, fresh = gates[start:end], end == gates.shape[0]
        product_over_frames(deltas, h_before[start:end], block, width, fresh, dr)
        product_over_frames(deltas, x[start:end], block, width, fresh, dw)
        column_sums(deltas, bias, db)
        if wanted:
            product(deltas, panels, begin, e_below[start:end])
        last, end = first, start
