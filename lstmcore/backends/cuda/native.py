"""How compiled kernels reach memory: in as few instructions as the GPU has for it.

Numba counts a negative index of an array from its end and asks for the size of shared memory to do so.  In
the inner loops that was more instructions than the products.  The functions here have the names and the
meaning of those in `memory.py`, which simulated kernels call.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.cuda import types
from numba.cuda.datamodel import models
from numba.cuda.extending import intrinsic, lower_builtin, register_model
from numba.cuda.typing.templates import AbstractTemplate, infer_global, signature

_GLOBAL, _SHARED = 1, 3  # NVVM's numbers of the address spaces
_POOL = "lstmcore_pool"
_TOGETHER = 4  # numbers


class SharedType(types.Type):
    """A block's shared memory as numbers of one kind, from its beginning."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Shared({dtype})")


class FlatType(types.Type):
    """Numbers in global memory."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Flat({dtype})")


register_model(SharedType)(models.OpaqueModel)


@register_model(FlatType)
class _FlatModel(models.PrimitiveModel):
    """A pointer."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, manager.lookup(kind.dtype).get_data_type().as_pointer(_GLOBAL))


@infer_global(operator.getitem)
class _Getitem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        place, index = args
        if isinstance(place, SharedType | FlatType) and isinstance(index, types.Integer):
            return signature(place.dtype, place, types.int64)
        return None


@infer_global(operator.setitem)
class _Setitem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        place, index, _ = args
        if isinstance(place, SharedType | FlatType) and isinstance(index, types.Integer):
            return signature(types.none, place, types.int64, place.dtype)
        return None


def _pointer(context: Any, builder: Any, kind: Any, place: Any, index: Any) -> Any:
    """Return where a number lies."""
    if isinstance(kind, FlatType):
        return builder.gep(place, [index])
    number = context.get_data_type(kind.dtype)
    try:
        pool = builder.module.get_global(_POOL)
    except KeyError:
        pool = ir.GlobalVariable(builder.module, ir.ArrayType(ir.IntType(8), 0), _POOL, _SHARED)
        pool.align, pool.linkage = 16, "external"
    start = builder.bitcast(pool, number.as_pointer(_SHARED))
    return builder.gep(start, [index])


@lower_builtin(operator.getitem, SharedType, types.int64)
@lower_builtin(operator.getitem, FlatType, types.int64)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.load(_pointer(context, builder, sig.args[0], *args))


@lower_builtin(operator.setitem, SharedType, types.int64, types.Any)
@lower_builtin(operator.setitem, FlatType, types.int64, types.Any)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    place, index, value = args
    builder.store(value, _pointer(context, builder, sig.args[0], place, index))
    return context.get_dummy_value()


@intrinsic
def shared(typing: Any, kind: Any) -> Any:
    """Return a block's shared memory as numbers of one kind."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_dummy_value()

    return SharedType(kind.dtype)(kind), code


@intrinsic
def flat(typing: Any, array: Any) -> Any:
    """Return the numbers of an array [count] or, as they are, of what this returned."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(sig.args[0], FlatType):
            return args[0]
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.addrspacecast(data, context.get_value_type(sig.return_type))

    return FlatType(array.dtype)(array), code


@intrinsic
def four(typing: Any, pool: Any, index: Any) -> Any:
    """Return four numbers that follow each other, of which the first has a number that four divides."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.get_data_type(sig.args[0].dtype)
        where = _pointer(context, builder, sig.args[0], *args)
        vector = ir.VectorType(number, _TOGETHER)
        loaded = builder.load(builder.bitcast(where, vector.as_pointer(where.type.addrspace)))
        loaded.align = 16
        values = [builder.extract_element(loaded, ir.IntType(32)(k)) for k in range(_TOGETHER)]
        return context.make_tuple(builder, sig.return_type, values)

    return types.UniTuple(pool.dtype, _TOGETHER)(pool, types.int64), code


def _on_counter(counter: Any, instruction: str) -> Any:
    """Return what an intrinsic is that puts in an instruction on the first of some int64 in global memory."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        array = context.make_array(sig.args[0])(context, builder, args[0])
        number = ir.IntType(64)
        kind = ir.FunctionType(number, [number])
        assembler = ir.InlineAsm(kind, instruction, "=l,l,~{memory}", side_effect=True)
        return builder.call(assembler, [builder.ptrtoint(array.data, number)])

    return types.int64(counter), code


@intrinsic
def arrive(typing: Any, counter: Any) -> Any:
    """Count one more; return what the counter was.  What was written before is seen by who sees the count."""
    return _on_counter(counter, "atom.add.acq_rel.gpu.global.u64 $0, [$1], 1;")


@intrinsic
def arrived(typing: Any, counter: Any) -> Any:
    """Return the counter; what those it counts wrote before is seen from now on."""
    return _on_counter(counter, "ld.acquire.gpu.global.u64 $0, [$1];")


@intrinsic
def own_function(typing: Any) -> Any:
    """Compile the calling function for itself, not into its caller: it has all registers."""

    def code(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), code
