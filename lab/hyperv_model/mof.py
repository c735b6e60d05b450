# SPDX-License-Identifier: Apache-2.0
"""Reads the part of MOF (DSP0221) that the files of schema/ are written in.

Classes with single inheritance, properties with defaults, methods; of the qualifiers only ``key``, ``in``,
``out``, ``required``, ``static``, ``association`` and ``dynamic`` are known. ``#pragma namespace("…")`` holds
for what follows it.
An embedded instance is of the type ``object``.
"""

import re

from lab.hyperv_model.cim import TYPES, ClassDefinition, Method, Parameter, Property

_TOKEN = re.compile(
    r'\s*(?:(?P<pragma>#pragma namespace)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)|(?P<word>\w+)'
    r"|(?P<sign>[][{}():;,=]))"
)
_QUALIFIERS = {"key", "in", "out", "static", "required", "association", "dynamic"}


def parse(text, server, known):
    """Define the classes of a MOF text.

    :param text: the MOF
    :param server: name of the computer that the classes are on
    :param known: dict of namespace → dict of lower-case class name → ClassDefinition; is added to
    :raises ValueError: the text is not in the subset, or names a class that is not defined before
    """
    _Reader(text, server, known).file()


class _Reader:
    def __init__(self, text, server, known):
        text = re.sub(r"//[^\n]*", "", text)
        self._tokens = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if not match:
                raise ValueError(f"MOF: cannot read {text[position : position + 40]!r}")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._tokens.reverse()
        self._server = server
        self._known = known
        self._namespace = None

    def file(self):
        while self._tokens:
            if self._accept("#pragma namespace"):
                self._expect("(")
                self._namespace = self._take("string")[1:-1]
                self._known.setdefault(self._namespace, {})
                self._expect(")")
            else:
                self._class()

    def _class(self):
        qualifiers = self._qualifiers()
        self._expect("class")
        name = self._take("word")
        classes = self._known[self._namespace]
        parent = None
        if self._accept(":"):
            parent_name = self._take("word")
            if parent_name.lower() not in classes:
                raise ValueError(f"MOF: {name} derives from {parent_name}, which is not defined before it")
            parent = classes[parent_name.lower()]
        properties, methods = [], []
        self._expect("{")
        while not self._accept("}"):
            self._member(properties, methods)
        self._expect(";")
        classes[name.lower()] = ClassDefinition(
            name,
            self._namespace,
            self._server,
            parent,
            properties,
            methods,
            "association" in qualifiers,
            "dynamic" in qualifiers,
        )

    def _member(self, properties, methods):
        qualifiers = self._qualifiers()
        cim_type, name, refers_to = self._declaration()
        if self._accept("("):
            parameters = []
            while not self._accept(")"):
                found = frozenset(self._qualifiers())
                parameter_type, parameter, refers_to = self._declaration()
                required = "required" in found
                parameters.append(
                    Parameter(parameter, parameter_type, found - {"required"}, required, refers_to)
                )
                self._accept(",")
            methods.append(Method(name, cim_type, tuple(parameters), "static" in qualifiers))
        else:
            default = self._literal() if self._accept("=") else None
            properties.append(Property(name, cim_type, "key" in qualifiers, default, refers_to))
        self._expect(";")

    def _declaration(self):
        cim_type, refers_to = self._take("word"), None
        if self._accept("REF"):
            cim_type, refers_to = "reference", cim_type
        elif cim_type not in TYPES:
            raise ValueError(f"MOF: unknown type {cim_type}")
        name = self._take("word")
        if self._accept("["):
            self._expect("]")
            cim_type += "[]"
        return cim_type, name, refers_to

    def _qualifiers(self):
        found = set()
        if self._accept("["):
            while not self._accept("]"):
                qualifier = self._take("word").lower()
                if qualifier not in _QUALIFIERS:
                    raise ValueError(f"MOF: unknown qualifier {qualifier}")
                found.add(qualifier)
                self._accept(",")
        return found

    def _literal(self):
        if self._accept("{"):
            items = []
            while not self._accept("}"):
                items.append(self._literal())
                self._accept(",")
            return items
        kind, text = self._tokens.pop()
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number":
            return int(text)
        return {"true": True, "false": False, "null": None}[text.lower()]

    def _take(self, kind):
        found, text = self._tokens.pop()
        if found != kind:
            raise ValueError(f"MOF: found {text!r}, expected a {kind}")
        return text

    def _accept(self, text):
        if self._tokens and self._tokens[-1][1] == text:
            self._tokens.pop()
            return True
        return False

    def _expect(self, text):
        if not self._accept(text):
            raise ValueError(
                f"MOF: found {self._tokens[-1][1] if self._tokens else 'the end'!r}, expected {text!r}"
            )
