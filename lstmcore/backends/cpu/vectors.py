"""Vectors as numbers: a type of compiled code for which the equations compile as they do for a scalar.

LLVM's vectoriser computes vectors of units too, but only in a loop that it can prove to be safe: for every
row it first compares where its eleven arrays lie, and what is left of a row it computes one by one.  With
25 units that takes longer than the equations.  Here a vector of units is loaded, computed and stored as it
stands, and what is left of a row is one more vector, with a mask.

Each lane is computed as a scalar is, by the same operations in the same order: the same bits.
"""

from __future__ import annotations

import operator
from typing import Any

import numba.core.cgutils
import numba.core.datamodel
import numba.core.typing.templates
import numba.extending
from llvmlite import ir
from numba import types
from numba.extending import register_model

from lstmcore.backends.cpu.tiles import VECTOR_BYTES, intrinsic
from lstmcore.jit import inlined

cgutils: Any = numba.core.cgutils  # they have no types
templates: Any = numba.core.typing.templates
PrimitiveModel: Any = numba.core.datamodel.models.PrimitiveModel
Type: Any = types.Type
lower_builtin: Any = numba.extending.lower_builtin
_INT, _INT32, _BYTES = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
_SIZE = 4
LANES = VECTOR_BYTES // _SIZE


class Vector(Type):  # type: ignore[misc]
    """As many float32 as a register holds."""

    def __init__(self) -> None:
        super().__init__(f"Vector(float32 x {LANES})")


VECTOR = Vector()
_MANY = ir.VectorType(ir.FloatType(), LANES)
_WHOLE = ir.VectorType(_INT32, LANES)


@register_model(Vector)
class _Model(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _MANY)


# --- memory -------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, a: Any, j: Any, count: Any) -> Any:
    """Return a vector of a row from place j on: its first `count` lanes and zeros, or if that is None all."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, a, arguments)
        if count is types.none:
            value = builder.load(place)
            value.align = _SIZE
            return value
        mask = _first(builder, arguments[2])
        masked = _function(builder, "masked.load", _MANY, [place.type, _INT32, mask.type, _MANY], ".p0")
        return builder.call(masked, [place, _INT32(_SIZE), mask, ir.Constant(_MANY, [0.0] * LANES)])

    return VECTOR(a, types.intp, count), generate


@intrinsic
def store(typing: Any, value: Any, a: Any, j: Any, count: Any) -> Any:
    """Write the first `count` lanes of a vector, or if that is None all, to a row from place j on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, a, arguments[1:])
        if count is types.none:
            builder.store(arguments[0], place).align = _SIZE
        else:
            mask = _first(builder, arguments[3])
            kinds = [_MANY, place.type, _INT32, mask.type]
            masked = _function(builder, "masked.store", ir.VoidType(), kinds, ".p0")
            builder.call(masked, [arguments[0], place, _INT32(_SIZE), mask])
        return context.get_dummy_value()

    return types.void(value, a, types.intp, count), generate


@inlined
def add_to(a: Any, j: Any, value: Any, count: Any) -> None:
    """Add lanes of a vector to a row from place j on."""
    store(load(a, j, count) + value, a, j, count)


def _place(context: Any, builder: Any, array: Any, arguments: Any) -> Any:
    """Return a pointer to the vector that begins at an array's place."""
    start = builder.bitcast(context.make_array(array)(context, builder, arguments[0]).data, _BYTES)
    return builder.bitcast(builder.gep(start, [builder.mul(arguments[1], _INT(_SIZE))]), _MANY.as_pointer())


def _first(builder: Any, count: Any) -> Any:
    """Return which lanes are the first `count`."""
    kind = ir.VectorType(_INT, LANES)
    return builder.icmp_signed("<", ir.Constant(kind, list(range(LANES))), _splat(builder, count, kind))


def _function(builder: Any, name: str, result: Any, kinds: list[Any], suffix: str = "") -> Any:
    """Return one of LLVM's own functions."""
    full = f"llvm.{name}.v{LANES}f32{suffix}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, kinds), full)


def _splat(builder: Any, value: Any, kind: Any) -> Any:
    """Return a vector of which each lane is a number."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, value, _INT32(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WHOLE, [0] * LANES))


# --- arithmetic ---------------------------------------------------------------------------


class _Arithmetic(templates.AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        some = VECTOR in args and all(kind in (VECTOR, types.float32) for kind in args)
        return templates.signature(VECTOR, *args) if some else None


def _arithmetic(function: Any, instruction: str) -> None:
    """Teach an operator vectors, and vectors with numbers."""

    def compute(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operands = [
            value if kind == VECTOR else _splat(builder, value, _MANY)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        return getattr(builder, instruction)(*operands)

    templates.infer_global(function)(type("_Operator", (_Arithmetic,), {"key": function}))
    if instruction == "fneg":
        lower_builtin(function, VECTOR)(compute)
        return
    for kinds in ((VECTOR, VECTOR), (VECTOR, types.float32), (types.float32, VECTOR)):
        lower_builtin(function, *kinds)(compute)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")
_arithmetic(operator.neg, "fneg")


@intrinsic
def limit_lanes(typing: Any, x: Any, bound: Any) -> Any:
    """Cut each lane to [-bound, bound]; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, high = arguments[0], _splat(builder, arguments[1], _MANY)
        low = builder.fneg(high)
        value = builder.select(builder.fcmp_ordered(">", low, value), low, value)
        return builder.select(builder.fcmp_ordered("<", high, value), high, value)

    return VECTOR(x, bound), generate


@intrinsic
def floor_lanes(typing: Any, x: Any) -> Any:
    """Round each lane down."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.call(_function(builder, "floor", _MANY, [_MANY]), arguments)

    return VECTOR(x), generate


@intrinsic
def power_of_two_lanes(typing: Any, n: Any) -> Any:
    """Return 2 to the power of each lane, a whole number of an exponent's size."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.add(builder.fptosi(arguments[0], _WHOLE), ir.Constant(_WHOLE, [127] * LANES))
        return builder.bitcast(builder.shl(biased, ir.Constant(_WHOLE, [23] * LANES)), _MANY)

    return VECTOR(n), generate
