"""Two numbers side by side in one register: what is done to both models of a track is one instruction, not two.

What enters: two floats. What leaves: a `Pair` that kernels add, subtract, multiply, divide and compare as they do a
float, each half on its own and rounded as a float is: no result depends on it. A float beside a pair stands for both
halves. It lives in kernels only.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model


class Pair(types.Type):
    """Type of two floats that are worked on together."""

    def __init__(self) -> None:
        super().__init__(name="Pair")


PAIR = Pair()
_VECTOR = ir.VectorType(ir.DoubleType(), 2)
_SIDES = ((PAIR, PAIR), (PAIR, types.float64), (types.float64, PAIR))


@register_model(Pair)
class _PairModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _side(k: int) -> ir.Constant:
    return ir.Constant(ir.IntType(32), k)


def _both(builder: Any, first: Any, second: Any) -> Any:
    half = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), first, _side(0))
    return builder.insert_element(half, second, _side(1))


def _wide(builder: Any, values: Any, kinds: Any) -> list[Any]:
    """Values as vectors, a float twice beside itself."""
    return [v if k == PAIR else _both(builder, v, v) for v, k in zip(values, kinds, strict=True)]


def _say(function: Any, instruction: Any, sides: Any = _SIDES) -> None:
    """Let kernels call a function of Python with pairs."""

    def code(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        return instruction(builder, *_wide(builder, values, sig.args))

    cases = [PAIR(*kinds) for kinds in sides]
    known, lowered = infer_global(function), [lower_builtin(function, *kinds) for kinds in sides]  # type: ignore[no-untyped-call]
    known(type(f"_Pair_{function.__name__}", (ConcreteTemplate,), {"cases": cases}))
    for lower in lowered:
        lower(code)


def _choice(relation: str) -> Any:
    """The second of two where it stands in a relation to the first, else the first: as `max` and `min` of floats do."""
    return lambda builder, a, b: builder.select(builder.fcmp_ordered(relation, b, a), b, a)


_say(operator.add, lambda builder, a, b: builder.fadd(a, b))
_say(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_say(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_say(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))
_say(operator.neg, lambda builder, a: builder.fneg(a), ((PAIR,),))
_say(max, _choice(">"))
_say(min, _choice("<"))


def _pair(typing: Any, first: Any, second: Any) -> Any:
    """Two floats as one pair."""
    return PAIR(types.float64, types.float64), lambda context, builder, sig, values: _both(builder, *values)


def _first_of(typing: Any, both: Any) -> Any:
    """The first half of a pair."""
    return types.float64(PAIR), lambda context, builder, sig, values: builder.extract_element(values[0], _side(0))


def _second_of(typing: Any, both: Any) -> Any:
    """The second half of a pair."""
    return types.float64(PAIR), lambda context, builder, sig, values: builder.extract_element(values[0], _side(1))


pair: Any = intrinsic(_pair)
first_of: Any = intrinsic(_first_of)
second_of: Any = intrinsic(_second_of)
