# SPDX-License-Identifier: Apache-2.0
"""What `set /a` calculates: 32-bit integers and variables, with C's operators (documented: set).

Exit codes of what it cannot calculate are those of Stack Overflow's "What are the ERRORLEVEL values set by
internal cmd.exe commands?" (recorded).
"""

import re
from collections.abc import Callable, MutableMapping

_TOKEN = re.compile(r"\s*(<<=|>>=|[*/%+\-&^|]=|<<|>>|[()!~*/%+\-&^|=,]|[^\s()!~*/%+\-&^|=,<>]+)")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*")

# Binary operators by how loosely they bind.
_LEVELS = (("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/", "%"))
_UNARY: dict[str, Callable[[int], int]] = {
    "!": lambda value: int(not value),
    "~": lambda value: ~value,
    "-": lambda value: -value,
    "+": lambda value: value,
}


class ArithmeticProblem(Exception):
    """An expression that cannot be calculated: what cmd.exe says, and its exit code."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


def calculate(text: str, variables: MutableMapping[str, str]) -> int:
    """Return the value of the last expression, and set the variables that the text assigns to.

    :param variables: names in any case; what is no number there, or not there, is 0
    """
    reader = _Reader(_tokens(text), variables)
    value = reader.assignment()
    while reader.take(","):
        value = reader.assignment()
    if reader.tokens:
        problem = "Unbalanced parenthesis." if reader.tokens[0] == ")" else "Missing operator."
        raise ArithmeticProblem(problem, 1073750988)
    return value


def _tokens(text: str) -> list[str]:
    text = text.replace('"', "").strip()
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise ArithmeticProblem("Syntax error.", 1073750990)
        tokens.append(match[1])
        at = match.end()
    return tokens


def _wrapped(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _apply(operator: str, left: int, right: int) -> int:
    if operator in ("/", "%") and not right:
        raise ArithmeticProblem("Divide by zero error.", 1073750993)
    quotient = abs(left) // abs(right or 1) * (1 if (left < 0) == (right < 0) else -1)
    return _wrapped(
        {
            "*": lambda: left * right,
            "/": lambda: quotient,
            "%": lambda: left - quotient * right,
            "+": lambda: left + right,
            "-": lambda: left - right,
            "<<": lambda: left << right if 0 <= right < 32 else 0,
            ">>": lambda: left >> min(right, 31) if right >= 0 else 0,
            "&": lambda: left & right,
            "^": lambda: left ^ right,
            "|": lambda: left | right,
        }[operator]()
    )


class _Reader:
    def __init__(self, tokens: list[str], variables: MutableMapping[str, str]):
        self.tokens, self._variables = tokens, variables

    def take(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else None

    def assignment(self) -> int:
        if len(self.tokens) > 1 and self.tokens[1].endswith("="):
            name, operator = self.tokens.pop(0), self.tokens.pop(0)[:-1]
            value = self.assignment()
            if operator:
                value = _apply(operator, self._value(name), value)
            spelled = next((each for each in self._variables if each.lower() == name.lower()), name)
            self._variables[spelled] = str(value)
            return value
        return self._binary(0)

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        value = self._binary(level + 1)
        while operator := self.take(*_LEVELS[level]):
            value = _apply(operator, value, self._binary(level + 1))
        return value

    def _unary(self) -> int:
        if operator := self.take(*_UNARY):
            return _wrapped(_UNARY[operator](self._unary()))
        if self.take("("):
            value = self.assignment()
            if not self.take(")"):
                raise ArithmeticProblem("Unbalanced parenthesis.", 1073750988)
            return value
        if not self.tokens or not re.match(r"[^()!~*/%+\-&^|=,<>]", self.tokens[0]):
            raise ArithmeticProblem("Missing operand.", 1073750989)
        return self._value(self.tokens.pop(0))

    def _value(self, word: str) -> int:
        if word[0].isdigit():
            return _number(word)
        text = next((value for name, value in self._variables.items() if name.lower() == word.lower()), "0")
        return _number(text) if _NUMBER.fullmatch(text.lstrip("-")) else 0


def _number(text: str) -> int:
    digits = text.lstrip("-")
    if not _NUMBER.fullmatch(digits):
        raise ArithmeticProblem(
            "Invalid number.  Numeric constants are either decimal (17),\r\n"
            "hexadecimal (0x11), or octal (021).",
            1073750991,
        )
    octal = digits.startswith("0") and digits[1:].isdigit()
    value = int(digits, 8) if octal else int(digits, 0)
    if value >= 1 << 31 and text == digits:
        raise ArithmeticProblem("Invalid number.  Numbers are limited to 32-bits of precision.", 1073750992)
    return value if text == digits else -value
