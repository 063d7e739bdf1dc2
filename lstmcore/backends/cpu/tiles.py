"""The one piece of the engine below Numba: a tile of a matrix product, held in registers.

A tile is a few rows by a few vectors of the result.  All its sums stay in the processor's
registers while k runs: each step loads the vectors of b once and uses them for every row, so that
the arithmetic, not the memory, sets the pace.  LLVM's vectoriser doesn't find this form in a
plain loop, so it is written in LLVM's own language, by way of ``numba.extending.intrinsic``.

Each sum begins with 0, is added up in the order of k, one fused multiply-add a step, and then added
to the result, whatever the shape of the tile: the same bits however rows are grouped.

Source of the form: Goto and van de Geijn, "Anatomy of high-performance matrix
multiplication", ACM Transactions on Mathematical Software 34(3), 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
import numba.core.cgutils
import numba.core.config
import numba.extending
import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import DTypeLike

cgutils: Any = numba.core.cgutils  # they have no types
config: Any = numba.core.config


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make a function that writes its own instructions; numbers it is called with stay literal."""
    return numba.extending.intrinsic(prefer_literal=True)(function)


def _vector_bytes() -> int:
    """Width of the vectors of the processor that Numba compiles for: this one, or one that it is told."""
    told = config.CPU_FEATURES  # NUMBA_CPU_FEATURES, as "+avx,-avx512f"
    if told is None:
        told = llvmlite.binding.get_host_cpu_features().flatten()
    features = set(told.split(","))
    if "+avx512f" in features:
        return 64
    return 32 if "+avx" in features else 16


VECTOR_BYTES = _vector_bytes()
"""Bytes of a vector register: 64 with AVX-512, 32 with AVX, else 16."""


def lanes(dtype: DTypeLike) -> int:
    """Return how many numbers of a type a vector holds."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


@intrinsic
def add_tile(typing: Any, a: Any, b: Any, out: Any, rows: Any, vectors: Any) -> Any:
    """Add a · b to `out`; `rows` and `vectors` are literal numbers.

    `a` is [≥ rows, K] with any strides.  `b` is [K, ≥ vectors · lanes], each row contiguous.  `out`
    is [≥ rows, M], each row contiguous; of the tile's columns only the first M are written.
    """
    shape = rows.literal_value, vectors.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, out = _arrays(context, builder, signature.args[:3], arguments[:3])
        _Tile(builder, a, b, out, *shape).generate()
        return context.get_dummy_value()

    return types.void(a, b, out, rows, vectors), generate


_INT = ir.IntType(64)
_INT32 = ir.IntType(32)
_BYTES = ir.IntType(8).as_pointer()
_TOGETHER = 3  # rows of a: an instruction adds a stride, or twice a stride, by itself
_FEW = 6  # rows of a: more of them need all registers for their addresses
_AHEAD = 4  # rows of b: how far a single row's product fetches


class _Array:
    """Address, shape and strides (in bytes) of an array, as LLVM values."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        structure = context.make_array(kind)(context, builder, value)
        self.scalar, self.size = context.get_value_type(kind.dtype), kind.dtype.bitwidth // 8
        self.start = builder.bitcast(structure.data, _BYTES)
        self.shape = cgutils.unpack_tuple(builder, structure.shape)
        self.strides = cgutils.unpack_tuple(builder, structure.strides)


def _arrays(context: Any, builder: Any, kinds: Any, values: Any) -> list[_Array]:
    return [_Array(context, builder, kind, value) for kind, value in zip(kinds, values, strict=True)]


class _Writer:
    """Writes instructions on vectors."""

    def __init__(self, builder: Any, scalar: Any, size: int) -> None:
        self.builder, self.scalar, self.size = builder, scalar, size
        self.lanes = VECTOR_BYTES // size
        self.vector = ir.VectorType(scalar, self.lanes)

    def row(self, array: _Array, r: int) -> Any:
        """Return the address of row r."""
        return self.builder.gep(array.start, [self.builder.mul(array.strides[0], _INT(r))])

    def address(self, row: Any, v: int) -> Any:
        """Return a pointer to vector v of a row."""
        place = self.builder.gep(row, [_INT(v * VECTOR_BYTES)])
        return self.builder.bitcast(place, self.vector.as_pointer())

    def load(self, row: Any, v: int) -> Any:
        """Load vector v of a row."""
        value = self.builder.load(self.address(row, v))
        value.align = self.size
        return value

    def store(self, value: Any, row: Any, v: int) -> None:
        """Store vector v of a row."""
        self.builder.store(value, self.address(row, v)).align = self.size

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """Choose lanes of a, or counted from `self.lanes`, of b."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes))

    def splat(self, value: Any, kind: Any) -> Any:
        """Put a number into all lanes of a vector."""
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(nothing, value, _INT32(0))
        return self.shuffle(first, nothing, [0] * self.lanes)

    def compare(self, relation: str, bound: Any) -> Any:
        """Return of which lanes the number has this relation to a bound."""
        batch_sizes = ir.VectorType(_INT, self.lanes)
        lane = ir.Constant(batch_sizes, list(range(self.lanes)))
        return self.builder.icmp_signed(relation, lane, self.splat(bound, batch_sizes))

    def add_where(self, mask: Any, value: Any, pointer: Any) -> None:
        """Add some lanes of a vector to memory; the others' isn't touched."""
        builder, align, zero = self.builder, _INT32(self.size), ir.Constant(self.vector, [0.0] * self.lanes)
        kinds = [pointer.type, _INT32, mask.type, self.vector]
        load = self.intrinsic("masked.load", self.vector, kinds, ".p0")
        before = builder.call(load, [pointer, align, mask, zero])
        store = self.intrinsic("masked.store", ir.VoidType(), [self.vector, *kinds[:3]], ".p0")
        builder.call(store, [builder.fadd(before, value), pointer, align, mask])

    @contextmanager
    def steps(self, count: Any, unrolled: bool) -> Iterator[Any]:
        """Run over k; LLVM unrolls it or takes it as it is written.

        Of a load instruction that goes through b a row at a time the processor sees what comes, and fetches
        it.  Four times unrolled, as LLVM has it, it goes four rows at a time: one row of a, times 640 KB of
        b, then took 1.7 times as long on a Zen 5, and several rows up to 6 % longer.
        """
        with cgutils.for_range(self.builder, count) as loop:
            yield loop.index
            body = self.builder.block
        if unrolled:
            return
        module = self.builder.module
        rule = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        # What names a loop is a node of its own, which begins with itself.
        name = module.add_metadata([ir.MetaDataString(module, f"loop {len(module.metadata)}"), rule])
        name.operands = name, rule
        body.terminator.set_metadata("llvm.loop", name)

    def intrinsic(self, name: str, result: Any, kinds: list[Any], suffix: str = "") -> Any:
        """Return one of LLVM's own functions."""
        full = f"llvm.{name}.v{self.lanes}{'f32' if self.size == 4 else 'f64'}{suffix}"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, kinds), full)


class _Tile(_Writer):
    """Writes the instructions of one tile."""

    def __init__(self, builder: Any, a: _Array, b: _Array, out: _Array, rows: int, vectors: int) -> None:
        super().__init__(builder, a.scalar, a.size)
        self.a, self.b, self.columns = a, b, out.shape[1]
        self.rows, self.vectors = range(rows), range(vectors)
        self.out_rows = [self.row(out, r) for r in self.rows]
        self.a_rows = self._rows_of_a()
        # Allocated on the stack by name only: LLVM turns them into registers.
        self.sums = [[cgutils.alloca_once(builder, self.vector) for _ in self.vectors] for _ in self.rows]

    def generate(self) -> None:
        """Run over k, then add the sums to the result: it isn't waited for until then."""
        builder, zero = self.builder, ir.Constant(self.vector, [0.0] * self.lanes)
        for place in (place for row in self.sums for place in row):
            builder.store(zero, place)
        with self.steps(self.a.shape[1], unrolled=False) as k:
            self._step(k)
        # Masked access is slow on some processors: only the last tile of a row pays for it.
        whole = builder.icmp_signed(">=", self.columns, _INT(len(self.vectors) * self.lanes))
        with builder.if_else(whole) as (then, otherwise):
            for branch, add in ((then, self._add), (otherwise, self._add_masked)):
                with branch:
                    for r in self.rows:
                        for v in self.vectors:
                            add(self.out_rows[r], v, builder.load(self.sums[r][v]))

    def _rows_of_a(self) -> list[Any]:
        """Return the addresses of the rows of a, of few rows each third so that LLVM knows nothing of it.

        It goes from row to row by adding the stride again and again, in each step of k: a chain of as many
        additions as there are rows takes as long as the arithmetic, and nothing runs ahead.  Five rows are
        5 % faster without, more are not.
        """
        builder, rows = self.builder, []
        kind = ir.FunctionType(_BYTES, [_BYTES])
        for r in self.rows:
            if r % _TOGETHER == 0:
                first = self.row(self.a, r)
                if 1 < len(self.rows) <= _FEW:
                    first = builder.asm(kind, "", "=r,0", [first], side_effect=False)
            rows.append(builder.gep(first, [builder.mul(self.a.strides[0], _INT(r % _TOGETHER))]))
        return rows

    def _step(self, k: Any) -> None:
        builder = self.builder
        b_row = builder.gep(self.b.start, [builder.mul(k, self.b.strides[0])])
        if len(self.rows) == 1:
            self._fetch(builder.gep(b_row, [builder.mul(self.b.strides[0], _INT(_AHEAD))]))
        b = [self.load(b_row, v) for v in self.vectors]
        offset = builder.mul(k, self.a.strides[1])
        multiply_add = self.intrinsic("fmuladd", self.vector, [self.vector] * 3)
        for r in self.rows:
            address = builder.bitcast(builder.gep(self.a_rows[r], [offset]), self.scalar.as_pointer())
            factor = self.splat(builder.load(address), self.vector)
            for v in self.vectors:
                total = builder.call(multiply_add, [factor, b[v], builder.load(self.sums[r][v])])
                builder.store(total, self.sums[r][v])

    def _fetch(self, row: Any) -> None:
        """Have a row of b come into the first-level cache; behind the last there may be anything.

        A single row has so little to compute with each number that it waits for weights that are only in the
        third-level cache, as those of a whole network are frame after frame; there the processor's own
        fetching is too late.
        """
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _INT32, _INT32, _INT32])
        prefetch = self.builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], kind)
        for v in self.vectors:
            place = self.builder.gep(row, [_INT(v * VECTOR_BYTES)])
            self.builder.call(prefetch, [place, _INT32(0), _INT32(3), _INT32(1)])  # read, keep, data

    def _add(self, row: Any, v: int, total: Any) -> None:
        self.store(self.builder.fadd(self.load(row, v), total), row, v)

    def _add_masked(self, row: Any, v: int, total: Any) -> None:
        left = self.builder.sub(self.columns, _INT(v * self.lanes))
        self.add_where(self.compare("<", left), total, self.address(row, v))


@intrinsic
def add_row(typing: Any, a: Any, b: Any, out: Any, left: Any, vectors: Any) -> Any:
    """Add a · b to `out` from column `left` on, up to so many vectors; `vectors` is a literal number.

    `a` is [K], `b` [K, M] as it lies in memory, `out` [M], rows contiguous, M at least one vector.  The
    last three vectors (of four, all) end at column M at the latest: their lanes that lie in others
    are computed twice and added once.
    """
    count = vectors.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, out = _arrays(context, builder, signature.args[:3], arguments[:3])
        _Row(builder, a, b, out, arguments[3], count).generate()
        return context.get_dummy_value()

    return types.void(a, b, out, left, vectors), generate


class _Row(_Writer):
    """Writes the instructions of a part of one row's product with a matrix that isn't packed."""

    def __init__(self, builder: Any, a: _Array, b: _Array, out: _Array, left: Any, vectors: int) -> None:
        super().__init__(builder, a.scalar, a.size)
        self.a, self.b, self.out = a, b, out
        self.clamped = 4 if vectors == 4 else 3
        last = builder.sub(out.shape[0], _INT(self.lanes))
        self.columns, self.starts = [], []
        for v in range(vectors):
            column = builder.add(left, _INT(v * self.lanes))
            clamped = builder.select(builder.icmp_signed("<", column, last), column, last)
            self.columns.append(column)
            self.starts.append(clamped if v >= vectors - self.clamped else column)
        self.sums = [cgutils.alloca_once(builder, self.vector) for _ in range(vectors)]

    def generate(self) -> None:
        """Run over k, then add the sums to the result."""
        builder, zero = self.builder, ir.Constant(self.vector, [0.0] * self.lanes)
        for place in self.sums:
            builder.store(zero, place)
        multiply_add = self.intrinsic("fmuladd", self.vector, [self.vector] * 3)
        with self.steps(self.a.shape[0], unrolled=True) as k:
            offset = builder.mul(k, self.a.strides[0])
            address = builder.bitcast(builder.gep(self.a.start, [offset]), self.scalar.as_pointer())
            factor = self.splat(builder.load(address), self.vector)
            row = builder.gep(self.b.start, [builder.mul(k, self.b.strides[0])])
            for start, place in zip(self.starts, self.sums, strict=True):
                b = self.load(self._at(row, start), 0)
                builder.store(builder.call(multiply_add, [factor, b, builder.load(place)]), place)
        for v, (column, start) in enumerate(zip(self.columns, self.starts, strict=True)):
            place, total = self._at(self.out.start, start), builder.load(self.sums[v])
            if v < len(self.sums) - self.clamped:
                self.store(builder.fadd(self.load(place, 0), total), place, 0)
            else:
                done = builder.sub(column, start)  # lanes that the vectors before have added
                self.add_where(self.compare(">=", done), total, self.address(place, 0))

    def _at(self, row: Any, column: Any) -> Any:
        return self.builder.gep(row, [self.builder.mul(column, _INT(self.size))])


@intrinsic
def copy_vectors(typing: Any, source: Any, target: Any, vectors: Any) -> Any:
    """Copy so many vectors from the beginning of the first row of `source` to that of `target`."""
    count = vectors.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        here, there = _arrays(context, builder, signature.args[:2], arguments[:2])
        write = _Writer(builder, here.scalar, here.size)
        for v, value in enumerate([write.load(here.start, v) for v in range(count)]):
            write.store(value, there.start, v)
        return context.get_dummy_value()

    return types.void(source, target, vectors), generate


@intrinsic
def fetch(typing: Any, source: Any, row: Any, column: Any) -> Any:
    """Have ``source[row, column]`` come into the second-level cache; rows are contiguous."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (array,) = _arrays(context, builder, signature.args[:1], arguments[:1])
        offset = builder.mul(array.strides[0], arguments[1])
        offset = builder.add(offset, builder.mul(arguments[2], _INT(array.size)))
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _INT32, _INT32, _INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        reading, second_level, data = _INT32(0), _INT32(2), _INT32(1)
        builder.call(prefetch, [builder.gep(array.start, [offset]), reading, second_level, data])
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp), generate


@intrinsic
def transpose_square(typing: Any, source: Any, target: Any) -> Any:
    """Write the transpose of the first [lanes, lanes] of `source` into `target`; rows are contiguous.

    Source: Eklundh, "A fast computer method for matrix transposing", IEEE Transactions on
    Computers C-21(7), 1972.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        here, there = _arrays(context, builder, signature.args, arguments)
        write = _Writer(builder, here.scalar, here.size)
        count = write.lanes
        rows = [write.load(write.row(here, r), 0) for r in range(count)]
        half = count // 2
        while half:
            # Squares of `half` change places across the diagonal of those twice as large.
            for r in (r for r in range(count) if not r & half):
                a, b = rows[r], rows[r + half]
                low = [j if not j & half else count + j - half for j in range(count)]
                high = [j + half if not j & half else count + j for j in range(count)]
                rows[r], rows[r + half] = write.shuffle(a, b, low), write.shuffle(a, b, high)
            half //= 2
        for r in range(count):
            write.store(rows[r], write.row(there, r), 0)
        return context.get_dummy_value()

    return types.void(source, target), generate
