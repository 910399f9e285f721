"""A small arithmetic expression over one whole number: ``max(current * 0.5, 1000)``. Exact: nothing is rounded before the end.

::

    flags   = sum { "|" sum }
    sum     = product { ("+" | "-") product }
    product = factor { ("*" | "/") factor }
    factor  = "-" factor | NUMBER | "current" | ("min" | "max") "(" flags "," flags { "," flags } ")" | "(" flags ")"

A number is a plain decimal without exponent. ``a | b`` has every bit that one of them has: both are whole numbers, not below 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from keeper.domain.errors import UnitError

CURRENT = "current"
MAX_LENGTH = 200
MAX_NESTING = 16

_TOKEN = re.compile(r"[0-9]{1,78}(?:\.[0-9]{1,18})?(?![0-9.A-Za-z_])|[A-Za-z_]+|[-+*/|(),]")
_BLANK = re.compile(r"[ \t]*")
_FUNCTIONS = ("min", "max")
_REMEDY = 'numbers, current, + - * / |, min(a, b), max(a, b) and parentheses: "max(current * 0.5, 1000)"'

Step = tuple[str, Fraction | int]
"""One step of a stack machine: (``number``, it), (``current``, 0), (``-1``, 0) for a sign, (an operator, 0), (a function, how many arguments)."""


@dataclass(frozen=True, slots=True)
class Expression:
    """``steps`` in the order in which a stack machine takes them."""

    text: str
    steps: tuple[Step, ...]

    def value(self, current: int) -> Fraction:
        """What it comes to. Raises UnitError where something is divided by zero, or bits are asked of what has none."""
        stack: list[Fraction] = []
        for word, operand in self.steps:
            if word == "number":
                stack.append(Fraction(operand))
            elif word == CURRENT:
                stack.append(Fraction(current))
            elif word == "-1":
                stack.append(-stack.pop())
            elif word in _FUNCTIONS:
                among = [stack.pop() for _ in range(int(operand))]
                stack.append(min(among) if word == "min" else max(among))
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(_combined(word, left, right))
        return stack.pop()


@lru_cache(maxsize=256)
def parse_expression(text: str) -> Expression:
    """Raises UnitError that says at which character, counted from 1, it stops being one."""
    return _Parser(text).expression()


def _combined(operator: str, left: Fraction, right: Fraction) -> Fraction:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "|":
            if left < 0 or right < 0 or left.denominator != 1 or right.denominator != 1:
                raise UnitError(
                    "bits of what is no whole number", remedy="both sides of | are whole numbers, not below 0"
                )
            return Fraction(left.numerator | right.numerator)
    if right == 0:
        raise UnitError("something is divided by zero", remedy="guard the divisor: max(1, ...)")
    return left / right


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._steps: list[Step] = []
        self._depth = 0
        self._at = 0
        self._word = ""
        self._next = 0
        if len(text) > MAX_LENGTH:
            raise UnitError(f"longer than {MAX_LENGTH} characters", remedy=_REMEDY)

    def expression(self) -> Expression:
        self._advance()
        self._flags()
        if self._word:
            raise self._unexpected("an operator, or the end")
        return Expression(self._text, tuple(self._steps))

    def _advance(self) -> None:
        """To the next token; the empty one is the end."""
        blank = _BLANK.match(self._text, self._next)
        self._at = blank.end() if blank else self._next
        if self._at == len(self._text):
            self._word = ""
            return
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise self._error("neither a number, a word nor an operator")
        self._word, self._next = match.group(), match.end()

    def _flags(self) -> None:
        self._sum()
        while self._word == "|":
            self._advance()
            self._sum()
            self._steps.append(("|", 0))

    def _sum(self) -> None:
        self._product()
        while (operator := self._word) and operator in "+-":
            self._advance()
            self._product()
            self._steps.append((operator, 0))

    def _product(self) -> None:
        self._factor()
        while (operator := self._word) and operator in "*/":
            self._advance()
            self._factor()
            self._steps.append((operator, 0))

    def _factor(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error(f"nested deeper than {MAX_NESTING} levels")
        word = self._word
        if word == "-":
            self._advance()
            self._factor()
            self._steps.append(("-1", 0))
        elif word == "(":
            self._advance()
            self._flags()
            self._expect(")", "a closing parenthesis")
        elif word in _FUNCTIONS:
            self._advance()
            self._arguments(word)
        elif word == CURRENT:
            self._advance()
            self._steps.append((CURRENT, 0))
        elif word[:1].isdigit():
            self._advance()
            self._steps.append(("number", Fraction(word)))
        else:
            raise self._unexpected("a number, current, min, max or an opening parenthesis")
        self._depth -= 1

    def _arguments(self, function: str) -> None:
        self._expect("(", "an opening parenthesis")
        self._flags()
        count = 1
        while self._word == ",":
            self._advance()
            self._flags()
            count += 1
        if count == 1:
            raise self._unexpected(f"a comma: {function} takes two or more")
        self._expect(")", "a closing parenthesis")
        self._steps.append((function, count))

    def _expect(self, word: str, words: str) -> None:
        if self._word != word:
            raise self._unexpected(words)
        self._advance()

    def _unexpected(self, wanted: str) -> UnitError:
        return self._error(f"{wanted} is needed" + ("" if self._word else ", and the text ends"))

    def _error(self, message: str) -> UnitError:
        return UnitError(f"character {self._at + 1}: {message}", remedy=_REMEDY)
