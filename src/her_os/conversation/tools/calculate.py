"""Sums of two numbers, exact as far as a person would say them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any, Literal

from her_os.contracts.errors import ToolError
from her_os.contracts.language_model import ToolSpec
from her_os.conversation.tools.registry import Arguments, ToolResult, checked
from her_os.conversation.tools.spoken_numbers import LARGEST, capitalised, parse_number, say_number

Operator = Literal["plus", "minus", "times", "divided by"]
_PLACES = Decimal("0.001")


class Sum(Arguments, frozen=True):
    """`left operator right`; numbers may come in words."""

    left: int | float | str
    operator: Operator
    right: int | float | str


class Calculate:
    """`calculate {left, operator, right}`: "Twelve times four is forty eight."."""

    spec = ToolSpec(
        "calculate",
        "A sum of two numbers.",
        {
            "type": "object",
            "properties": {
                "left": {"type": "number"},
                "operator": {"type": "string", "enum": ["plus", "minus", "times", "divided by"]},
                "right": {"type": "number"},
            },
            "required": ["left", "operator", "right"],
        },
    )

    async def run(self, arguments: Mapping[str, Any]) -> ToolResult:
        wanted = checked(arguments, Sum)
        left, right = parse_number(wanted.left), parse_number(wanted.right)
        result, exact = _result(left, wanted.operator, right)
        verb = "is" if exact else "is about"
        say = f"{say_number(_plain(left))} {wanted.operator} {say_number(_plain(right))} {verb} {say_number(result)}."
        return ToolResult(capitalised(say), {"result": float(result)})


def _result(left: Decimal, operator: Operator, right: Decimal) -> tuple[Decimal, bool]:
    """The result, rounded to three places, and whether that is exact."""
    with localcontext() as context:
        context.prec = 60
        match operator:
            case "plus":
                result = left + right
            case "minus":
                result = left - right
            case "times":
                result = left * right
            case "divided by":
                if right == 0:
                    raise ToolError("division by zero", say="You cannot divide by zero.")
                result = left / right
        if abs(result) > LARGEST:
            raise ToolError("result too large", say="That is too big a number for me to say.")
        rounded = result.quantize(_PLACES)
        return _plain(rounded), rounded == result


def _plain(number: Decimal) -> Decimal:
    """Without trailing zeros, and without the exponent that `normalize` leaves."""
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
