# SPDX-License-Identifier: Apache-2.0
"""WQL: SELECT … FROM … [WITHIN …] [WHERE …], for data and for events; ASSOCIATORS OF and REFERENCES OF.

Strings compare regardless of case and backslash escapes within them, as Microsoft documents ("WQL (SQL for
WMI)", "LIKE Operator"); a doubled single quote also stands for one. A comparison with null is false
(documented for `=`; inferred for the rest).
"""

import dataclasses
import datetime
import operator
import re
from collections.abc import Callable

from lab.hyperv_model import errors
from lab.hyperv_model.cim import INTEGER_RANGES, REALS, identity, parse_path
from lab.hyperv_model.errors import CimError

# Signs in a query, and conditions within conditions. Windows has such limits too; these are this parser's
# own, far above what clients send.
LONGEST, DEEPEST = 8192, 50

_QUERY = re.compile(
    r"\s*select\s+(?P<fields>.+?)\s+from\s+(?P<class_name>\w+)(?:\s+within\s+(?P<within>\d+(?:\.\d+)?))?"
    r"(?:\s+(?P<group>group)\s+within\s.+|\s+where\s+(?P<condition>.+?))?\s*$",
    re.I | re.S,
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?\b)"""
    r"""|(?P<word>\w+(?:\.\w+)*)|(?P<sign><=|>=|<>|!=|[=<>()]))""",
    re.S,
)
_ASSOCIATION = re.compile(
    r"\s*(?P<kind>associators|references)\s+of\s*\{(?P<path>.*)\}(?:\s*where\s+(?P<condition>.+?))?\s*$",
    re.I | re.S,
)
# Documented: "ASSOCIATORS OF Statement", "REFERENCES OF Statement". The keywords without a value, and those
# about qualifiers, which no schema here has, are refused.
_KEYWORDS = {
    "associators": ("assocclass", "resultclass", "role", "resultrole"),
    "references": ("resultclass", "role"),
}
_NOT_SIMULATED = (
    "classdefsonly", "keysonly", "schemaonly", "requiredqualifier", "requiredassocqualifier",
)  # fmt: skip
_ORDER = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


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

    :raises CimError: WBEM_E_INVALID_QUERY, with the place where the query stops making sense;
        WBEM_E_PROVIDER_NOT_CAPABLE for GROUP WITHIN (documented: "GROUP Clause")
    """
    if len(text) > LONGEST:
        raise CimError(errors.INVALID_QUERY, f"a query of {len(text)} signs; at most {LONGEST} are read")
    match = _QUERY.match(text)
    if not match:
        raise CimError(errors.INVALID_QUERY, f"not a WQL query: {text}")
    if match["group"]:
        _refuse_groups(text)
    reader = _Condition(match["condition"], text)
    fields = tuple(field.strip() for field in match["fields"].split(","))
    within = float(match["within"]) if match["within"] else None
    return Query(
        () if "*" in fields else fields, match["class_name"], within, reader.predicate, reader.target_class
    )


def _refuse_groups(query):
    raise CimError(errors.PROVIDER_NOT_CAPABLE, f"GROUP WITHIN is not simulated: {query}")


@dataclasses.dataclass(frozen=True)
class Association:
    """A parsed ASSOCIATORS OF or REFERENCES OF.

    :ivar kind: "associators" or "references"
    :ivar wanted: values by keyword, in lower case
    """

    kind: str
    path: str
    wanted: dict


def parse_association(text):
    """Parse ASSOCIATORS OF or REFERENCES OF; None for a query that does not begin so.

    :raises CimError: WBEM_E_INVALID_QUERY; WBEM_E_PROVIDER_NOT_CAPABLE for a keyword that is not simulated
    """
    if not re.match(r"\s*(associators|references)\b", text, re.I):
        return None
    match = _ASSOCIATION.match(text)
    if not match:
        raise CimError(errors.INVALID_QUERY, f"not a WQL query: {text}")
    kind, wanted = match["kind"].lower(), {}
    rest = match["condition"] or ""
    while rest:
        found = re.match(r"(\w+)(?:\s*=\s*(\w+))?(?:\s+|$)", rest)
        keyword = found[1].lower() if found else ""
        if keyword in _NOT_SIMULATED:
            raise CimError(errors.PROVIDER_NOT_CAPABLE, f"{found[1]} is not simulated: {text}")
        if keyword not in _KEYWORDS[kind] or not found[2] or keyword in wanted:
            raise CimError(errors.INVALID_QUERY, f"cannot read the WQL query near {rest!r}: {text}")
        wanted[keyword] = found[2]
        rest = rest[found.end() :]
    return Association(kind, match["path"].strip(), wanted)


class _Condition:
    def __init__(self, condition, query):
        self.target_class = None
        self._query, self._depth = query, 0
        self._tokens = self._tokenize(condition) if condition else []
        if not self._tokens:
            self.predicate = lambda subject: True
            return
        self.predicate = self._or()
        if [text.lower() for _kind, text in self._tokens[:-3:-1]] == ["group", "within"]:
            _refuse_groups(query)
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
        """``property operator constant``, or the other way round (documented: "WHERE Clause")."""
        if self._tokens and self._tokens[-1][0] in ("string", "number"):
            literal, sign = self._literal(), self._next()
            return self._ordered(self._next("word"), _MIRRORED.get(sign, sign), literal)
        left = self._next("word")
        sign = self._next().lower()
        if sign == "isa":
            self.target_class = self._class_name()
            return lambda subject, wanted=self.target_class: _embedded(subject, left).definition.is_a(wanted)
        if sign == "is":
            negated = bool(self._accept("not"))
            if not self._accept("null"):
                self._fail("IS")
            return lambda subject: (value_of(subject, left)[1] is None) != negated
        if sign == "like":
            pattern = _like(self._literal())

            def alike(subject):
                value = _text(subject, left)
                return value is not None and bool(pattern.match(value))

            return alike
        if self._tokens and self._tokens[-1][0] == "word" and "." in self._tokens[-1][1]:
            return self._between(left, sign, self._next())
        return self._ordered(left, sign, self._literal())

    def _compare(self, sign):
        if sign not in _ORDER:
            self._fail(sign)
        return _ORDER[sign]

    def _ordered(self, name, sign, literal):
        compare = self._compare(sign)

        def holds(subject):
            cim_type, value = value_of(subject, name)
            wanted = _comparable(cim_type, literal)
            return value is not None and compare(_comparable(cim_type, value), wanted)

        return holds

    def _between(self, left, sign, right):
        """A comparison of two properties of an event's instances."""
        compare = self._compare(sign)

        def holds(subject):
            (cim_type, value), (other_type, other) = value_of(subject, left), value_of(subject, right)
            if _kind(cim_type) != _kind(other_type):
                raise CimError(errors.INVALID_QUERY, f"a query cannot compare {cim_type} with {other_type}")
            if value is None or other is None:
                return False
            return compare(_comparable(cim_type, value), _comparable(other_type, other))

        return holds

    def _literal(self):
        """A quoted text, a number, TRUE or FALSE."""
        if self._tokens and self._tokens[-1][0] == "word":
            if self._tokens[-1][1].lower() not in ("true", "false"):
                self._fail(self._tokens[-1][1])
        return self._class_name()

    def _class_name(self):
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
        if isinstance(embedded, str):
            return "string", embedded
        return value_of(embedded, rest) if rest else ("object", embedded)
    if rest:
        raise CimError(errors.INVALID_QUERY, f"{subject.class_name} has no property {name}")
    if head.startswith("__"):
        return _system_property(subject, head)
    if head.lower() not in subject.definition.properties:
        raise CimError(errors.INVALID_QUERY, f"{subject.class_name} has no property {head}")
    item = subject.definition.properties[head.lower()]
    return item.type, subject.values[item.name]


def _system_property(subject, name):
    """Documented: "WMI System Properties"; those that are texts."""
    definition = subject.definition
    values = {
        "__CLASS": lambda: subject.class_name,
        "__DYNASTY": lambda: definition.derivation[-1],
        "__NAMESPACE": lambda: definition.namespace.replace("/", "\\"),
        "__PATH": lambda: subject.path,
        "__RELPATH": lambda: subject.path.partition(":")[2],
        "__SERVER": lambda: definition.server,
        "__SUPERCLASS": lambda: (*definition.derivation, None)[1],
    }
    if name.upper() not in values:
        raise CimError(errors.INVALID_QUERY, f"{subject.class_name} has no property {name}")
    is_path = name.upper() in ("__PATH", "__RELPATH")
    return "reference" if is_path else "string", values[name.upper()]()


def _embedded(subject, name):
    """The instance that ISA asks of (documented: "ISA Operator for Data Queries" and "… Event Queries")."""
    value = value_of(subject, name)[1]
    if not hasattr(value, "definition"):
        raise CimError(errors.INVALID_QUERY, f"ISA asks of an instance, {name} is none")
    return value


def _text(subject, name):
    cim_type, value = value_of(subject, name)
    if cim_type not in ("string", "datetime", "reference"):
        raise CimError(errors.INVALID_QUERY, f"LIKE compares strings, {name} is {cim_type}")
    return value


def _kind(cim_type):
    """What is comparable with what; all numbers are with each other."""
    if cim_type.endswith("[]") or cim_type == "object":
        raise CimError(errors.INVALID_QUERY, f"a query cannot compare {cim_type}")
    return "number" if cim_type in INTEGER_RANGES or cim_type in REALS else cim_type


def _comparable(cim_type, value):
    _kind(cim_type)
    if cim_type == "reference":
        try:
            _, _, class_name, keys = parse_path(value)
        except CimError as error:
            raise CimError(errors.INVALID_QUERY, error.message) from None
        return identity(class_name, keys)
    if cim_type == "boolean":
        known = {"true": True, "false": False, "1": True, "0": False}
        text = str(value).lower()
        if text not in known:
            raise CimError(errors.INVALID_QUERY, f"a query compares boolean with {value!r}")
        return known[text]
    if cim_type == "string":
        return value.lower()
    if cim_type == "datetime":
        return _moment(value)
    try:
        return float(value) if "real" in cim_type else int(value)
    except ValueError:
        raise CimError(errors.INVALID_QUERY, f"a query compares {cim_type} with {value!r}") from None


def _moment(value):
    """Comparable whatever offset from UTC it is told with; intervals compare as texts."""
    if value.endswith(":000"):
        return value
    try:
        moment = datetime.datetime.strptime(value[:21], "%Y%m%d%H%M%S.%f")
        return moment - datetime.timedelta(minutes=int(value[21:]))
    except ValueError:
        raise CimError(errors.INVALID_QUERY, f"a query compares datetime with {value!r}") from None


def _like(pattern):
    """Documented: "LIKE Operator"; a range is written ``[a=f]`` there, and ``[a-f]`` by most clients."""
    out, position = [], 0
    while position < len(pattern):
        sign = pattern[position]
        negated = pattern[position + 1 : position + 2] == "^"
        closing = pattern.find("]", position + 2 + negated) if sign == "[" else -1
        if sign == "%":
            out.append(".*")
        elif sign == "_":
            out.append(".")
        elif closing > 0:
            signs = re.escape(pattern[position + 1 + negated : closing])
            signs = re.sub(r"(?<=.)(?:\\-|=)(?=.)", "-", signs, flags=re.S)
            out.append(f"[{'^' if negated else ''}{signs}]")
            position = closing
        else:
            out.append(re.escape(sign))
        position += 1
    try:
        return re.compile("".join(out) + r"\Z", re.I | re.S)
    except re.error:
        raise CimError(errors.INVALID_QUERY, f"not a pattern of LIKE: {pattern}") from None
