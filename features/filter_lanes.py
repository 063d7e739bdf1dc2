"""The gammatone filterbank four channels at a time, one in each lane of a vector.

A section waits for its own last output, so a channel by itself keeps the processor waiting; LLVM's
vectoriser doesn't turn a loop over channels inside one over samples into vectors whose
state stays in registers.  So the loop is written in LLVM's own language, by way of
``numba.extending.intrinsic``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.core.cgutils
import numba.extending
import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from lstmcore.features.kernels import kernel

cgutils: Any = numba.core.cgutils  # it has no types

LANES = 4
_SECTIONS = 4
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_INT, _INT32 = ir.IntType(64), ir.IntType(32)
_FUSED = ("contract",)  # a*b+c in one rounding, as in the other kernels


def in_lanes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Arrange numbers of each channel for `rectified_sum`.

    Shape (channels, n) becomes (groups, n, `LANES`); lanes without a channel are 0.
    """
    channels, numbers = values.shape
    groups = -(-channels // LANES)
    padded = np.zeros((groups * LANES, numbers))
    padded[:channels] = values
    return np.ascontiguousarray(padded.reshape(groups, LANES, numbers).swapaxes(1, 2))


def _intrinsic(function: Callable[..., Any]) -> Any:
    """Make a function that writes its own instructions."""
    return numba.extending.intrinsic(function)


@_intrinsic
def _add_rectified(typing: Any, signal: Any, coefficients: Any, state: Any, sums: Any) -> Any:
    """Filter a signal by four channels and add the absolute values to `sums`, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        (length,) = cgutils.unpack_tuple(builder, arrays[0].shape)
        vectors = [builder.bitcast(array.data, _VECTOR.as_pointer()) for array in arrays[1:]]
        _generate_loop(builder, length, arrays[0].data, *vectors)
        return context.get_dummy_value()

    return types.void(signal, coefficients, state, sums), generate


def _generate_loop(builder: Any, length: Any, signal: Any, coefficients: Any, state: Any, sums: Any) -> None:
    places = [_place(builder, state, number) for number in range(2 * _SECTIONS)]
    begun = [_load(builder, place) for place in places]
    held = [_load(builder, _place(builder, coefficients, k)) for k in range(2 * _SECTIONS + 2)]
    before = builder.block
    loop, after = builder.append_basic_block("samples"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", length, _INT(0)), loop, after)

    builder.position_at_end(loop)
    at = _joined(builder, _INT, _INT(0), before)
    running = [_joined(builder, _VECTOR, value, before) for value in begun]
    sample = builder.load(builder.gep(signal, [at]))
    out, ended = _sections(builder, _spread(builder, sample), held, running)
    kind = ir.FunctionType(_VECTOR, [_VECTOR])
    magnitude = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fabs.v{LANES}f64")
    place = _place(builder, sums, at)
    total = builder.fadd(_load(builder, place), builder.call(magnitude, [out]))
    builder.store(total, place, align=8)
    following = builder.add(at, _INT(1))
    for joined, value in zip([at, *running], [following, *ended], strict=True):
        joined.add_incoming(value, loop)
    builder.cbranch(builder.icmp_signed("<", following, length), loop, after)

    builder.position_at_end(after)
    last = [_joined(builder, _VECTOR, value, before) for value in begun]
    for joined, value in zip(last, ended, strict=True):
        joined.add_incoming(value, loop)
    for place, joined in zip(places, last, strict=True):
        builder.store(joined, place, align=8)


def _sections(builder: Any, x: Any, held: list[Any], running: list[Any]) -> tuple[Any, list[Any]]:
    """One sample through four sections: its output, and the state after it; as `kernels.gammatone`."""

    def times(a: Any, b: Any) -> Any:
        return builder.fmul(a, b, flags=_FUSED)

    gains, taps, (a1, a2) = held[:_SECTIONS], held[_SECTIONS:-2], held[-2:]
    ones, twos = [], []
    for gain, tap, one, two in zip(gains, taps, running[:_SECTIONS], running[_SECTIONS:], strict=True):
        y = builder.fadd(times(gain, x), one, flags=_FUSED)
        forward = builder.fadd(times(tap, x), two, flags=_FUSED)
        ones.append(builder.fsub(forward, times(a1, y), flags=_FUSED))
        twos.append(builder.fneg(times(a2, y)))
        x = y
    return x, ones + twos


def _place(builder: Any, vectors: Any, number: Any) -> Any:
    return builder.gep(vectors, [_INT(number) if isinstance(number, int) else number])


def _load(builder: Any, place: Any) -> Any:
    return builder.load(place, align=8)  # arrays of doubles needn't lie where vectors would


def _joined(builder: Any, kind: Any, value: Any, before: Any) -> Any:
    joined = builder.phi(kind)
    joined.add_incoming(value, before)
    return joined


def _spread(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, _INT32(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


@kernel
def rectified_sum(
    signal: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    states: NDArray[np.float64],
    sums: NDArray[np.float64],
    total: NDArray[np.float64],
) -> None:
    """Sum the absolute values of all channels of a signal.

    signal, total (samples,); coefficients (groups, 10, LANES): the numerators' b0 and b1 of the four
    sections and their common a1 and a2, by `in_lanes`; states (groups, 8, LANES): kept from block
    to block; sums (>= samples, LANES): scratch.
    """
    for i in range(signal.shape[0]):
        for lane in range(LANES):
            sums[i, lane] = 0.0
    for group in range(coefficients.shape[0]):
        _add_rectified(signal, coefficients[group], states[group], sums)
    for i in range(signal.shape[0]):
        total[i] = (sums[i, 0] + sums[i, 1]) + (sums[i, 2] + sums[i, 3])
