# SPDX-License-Identifier: Apache-2.0
"""WQL: SELECT … FROM … [WITHIN …] [WHERE …], for data and for events.

Strings compare regardless of case and backslash escapes within them, as Microsoft documents ("WQL (SQL for
WMI)", "LIKE Operator"); a doubled single quote also stands for one. A comparison with null is false
(documented for `=`; inferred for the rest).
"""

import dataclasses
import operator
import re
from collections.abc import Callable

from lab.hyperv_model import errors
from lab.hyperv_model.cim import identity, parse_path
from lab.hyperv_model.errors import CimError

# Signs in a query, and conditions within conditions. Windows has such limits too; these are this parser's
# own, far above what clients send.
LONGEST, DEEPEST = 8192, 50

_QUERY = re.compile(
    r"\s*select\s+(?P<fields>.+?)\s+from\s+(?P<class_name>\w+)(?:\s+within\s+(?P<within>\d+(?:\.\d+)?))?"
    r"(?:\s+where\s+(?P<condition>.+?))?\s*$",
    re.I | re.S,
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?\b)"""
    r"""|(?P<word>\w+(?:\.\w+)*)|(?P<sign><=|>=|<>|!=|[=<>()]))""",
    re.S,
)
_ORDER = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclasses.dataclass(frozen=True)
class Query:
    """A parsed query; ``matches`` takes an Instance, or for an event a dict of name → Instance."""

    fields: tuple
    class_name: str
    within: float | None
    matches: Callable
    target_class: str | None


def parse(text):
    """Parse a WQL query.

    :raises CimError: WBEM_E_INVALID_QUERY, with the place where the query stops making sense
    """
    if len(text) > LONGEST:
        raise CimError(errors.INVALID_QUERY, f"a query of {len(text)} signs; at most {LONGEST} are read")
    match = _QUERY.match(text)
    if not match:
        raise CimError(errors.INVALID_QUERY, f"not a WQL query: {text}")
    reader = _Condition(match["condition"], text)
    fields = tuple(field.strip() for field in match["fields"].split(","))
    within = float(match["within"]) if match["within"] else None
    return Query(
        () if "*" in fields else fields, match["class_name"], within, reader.predicate, reader.target_class
    )


class _Condition:
    def __init__(self, condition, query):
        self.target_class = None
        self._query, self._depth = query, 0
        self._tokens = self._tokenize(condition) if condition else []
        if not self._tokens:
            self.predicate = lambda subject: True
            return
        self.predicate = self._or()
        if self._tokens:
            self._fail(self._tokens[-1][1])

    def _tokenize(self, text):
        tokens, position = [], 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if not match:
                self._fail(text[position:])
            tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return tokens[::-1]

    def _fail(self, near):
        raise CimError(errors.INVALID_QUERY, f"cannot read the WQL query near {near!r}: {self._query}")

    def _next(self, kind=None):
        if not self._tokens:
            self._fail("the end")
        found, text = self._tokens.pop()
        if kind and found != kind:
            self._fail(text)
        return text

    def _accept(self, word):
        if self._tokens and self._tokens[-1][1].lower() == word:
            return self._tokens.pop()
        return None

    def _or(self):
        terms = [self._and()]
        while self._accept("or"):
            terms.append(self._and())
        return terms[0] if len(terms) == 1 else lambda subject: any(term(subject) for term in terms)

    def _and(self):
        terms = [self._term()]
        while self._accept("and"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else lambda subject: all(term(subject) for term in terms)

    def _term(self):
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"condition {DEEPEST} within another")
        if self._accept("not"):
            inner = self._term()
            found = lambda subject: not inner(subject)  # noqa: E731 - as the other predicates
        elif self._accept("("):
            found = self._or()
            if not self._accept(")"):
                self._fail("a missing )")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self):
        left = self._next("word")
        sign = self._next().lower()
        if sign == "isa":
            self.target_class = self._literal()
            return lambda subject, wanted=self.target_class: value_of(subject, left)[1].definition.is_a(
                wanted
            )
        if sign == "is":
            negated = bool(self._accept("not"))
            if not self._accept("null"):
                self._fail("IS")
            return lambda subject: (value_of(subject, left)[1] is None) != negated
        if sign == "like":
            pattern = _like(self._literal())
            return lambda subject: bool(pattern.match(value_of(subject, left)[1] or ""))
        if sign not in _ORDER:
            self._fail(sign)
        compare = _ORDER[sign]
        if self._tokens and self._tokens[-1][0] == "word" and "." in self._tokens[-1][1]:
            right = self._next()
            return lambda subject: compare(value_of(subject, left)[1], value_of(subject, right)[1])
        literal = self._literal()

        def holds(subject):
            cim_type, value = value_of(subject, left)
            return value is not None and compare(_comparable(cim_type, value), _comparable(cim_type, literal))

        return holds

    def _literal(self):
        text = self._next()
        if text[0] in "'\"":
            return re.sub(
                r"\\(.)", r"\1", text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1], flags=re.S
            )
        return text


def value_of(subject, name):
    """The (type, value) of a property; of an event's, ``TargetInstance.Name`` reaches into the instance."""
    head, _, rest = name.partition(".")
    if isinstance(subject, dict):
        embedded = next((value for key, value in subject.items() if key.lower() == head.lower()), None)
        if embedded is None:
            raise CimError(errors.INVALID_QUERY, f"the event has no property {head}")
        return value_of(embedded, rest) if rest else ("object", embedded)
    upper = head.upper()
    if upper == "__PATH":
        return "reference", subject.path
    if upper == "__CLASS":
        return "string", subject.class_name
    if head.lower() not in subject.definition.properties:
        raise CimError(errors.INVALID_QUERY, f"{subject.class_name} has no property {head}")
    item = subject.definition.properties[head.lower()]
    return item.type, subject.values[item.name]


def _comparable(cim_type, value):
    if cim_type.endswith("[]"):
        raise CimError(errors.INVALID_QUERY, f"a query cannot compare an array ({cim_type})")
    if cim_type == "reference":
        _, _, class_name, keys = parse_path(value)
        return identity(class_name, keys)
    if cim_type == "boolean":
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(value.lower(), value)
    if cim_type in ("string", "datetime"):
        return value.lower()
    try:
        return float(value) if "real" in cim_type else int(value)
    except ValueError:
        raise CimError(errors.INVALID_QUERY, f"a query compares {cim_type} with {value!r}") from None


def _like(pattern):
    out, position = [], 0
    while position < len(pattern):
        sign = pattern[position]
        closing = pattern.find("]", position + 2) if sign == "[" else -1
        if sign == "%":
            out.append(".*")
        elif sign == "_":
            out.append(".")
        elif closing > 0:
            body = pattern[position + 1 : closing]
            out.append(
                "[" + ("^" if body[0] == "^" else "") + re.escape(body.lstrip("^")).replace(r"\-", "-") + "]"
            )
            position = closing
        else:
            out.append(re.escape(sign))
        position += 1
    return re.compile("".join(out) + r"\Z", re.I | re.S)
