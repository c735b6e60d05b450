# SPDX-License-Identifier: Apache-2.0
"""Which of os-win's public functions the contract tests call, and which they refuse to, with the reason.

``python -m tests.os_win_coverage`` prints it. A call counts where what it is called on names the class:
``self.os_win.vmutils.vm_exists(…)``, ``vhdutils.VHDUtils().get_vhd_type(…)``, or a local name that was
assigned such a thing; also in the code that tests hand to os-win's process as a string. A function that a
subclass for newer Windows overrides is the function of the class it derives from.
"""

import ast
import importlib.util
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.os_win_refusals import PENDING, REFUSED

TESTS = Path(__file__).parent / "contract"


@cache
def functions() -> dict[str, list[str]]:
    """Return the public functions of os-win by class."""
    return {
        name: [
            part.name
            for part in node.body
            if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")
        ]
        for name, node in _classes().items()
        if name.endswith("Utils")
    }


@cache
def called() -> set[tuple[str, str]]:
    """Return (class, function) of every call in the contract tests."""
    return {
        found
        for path in TESTS.rglob("*.py")
        for scope in _scopes(ast.parse(path.read_text()))
        for found in calls(scope)
    }


def by_function(table: list) -> dict[tuple[str, str], str]:
    """Return the reason by (class, function) of REFUSED or PENDING."""
    return {
        (class_name, function): reason for class_name, names, reason in table for function in names.split()
    }


@cache
def _classes() -> dict[str, ast.ClassDef]:
    package = Path(importlib.util.find_spec("os_win").origin).parent / "utils"
    return {
        node.name: node
        for path in sorted(package.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }


def _scopes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the functions of a file, and its strings that are Python."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "utils" in node.value.lower():
            try:
                yield ast.parse(textwrap.dedent(node.value))
            except SyntaxError:
                continue  # words, not code


def calls(scope: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (class, function) of every call in a piece of Python."""
    named = {
        ast.unparse(node.targets[0]): class_name
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and (class_name := _class_of(node.value))
    }
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = node.func.value
            class_name = named.get(ast.unparse(target)) or _class_of(target)
            if owner := class_name and _owner(class_name, node.func.attr):
                yield owner, node.func.attr


def _class_of(node: ast.expr) -> str | None:
    """Return the class that ``VHDUtils()``, ``get_vhdutils()``, ``vhdutils`` or ``x.y._vhdutils`` names."""
    if isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return _by_folded_name().get(_folded(name.removeprefix("get_")))


@cache
def _by_folded_name() -> dict[str, str]:
    return {_folded(name): name for name in reversed(functions())}


def _folded(name: str) -> str:
    return re.sub(r"_|\d+$|r2$", "", name.lower())


def _owner(class_name: str, function: str) -> str | None:
    """Return the class, this one or one that it derives from, that has the function."""
    if function in functions().get(class_name, ()):
        return class_name
    for base in _classes()[class_name].bases if class_name in _classes() else ():
        if owner := _owner(base.attr if isinstance(base, ast.Attribute) else base.id, function):
            return owner
    return None


def page() -> str:
    """Return the counts by class, and below them what is not called and why, as reStructuredText."""
    columns = called(), by_function(REFUSED), by_function(PENDING)
    rows = [
        (class_name, *(sum((class_name, name) in found for name in names) for found in columns), len(names))
        for class_name, names in functions().items()
        if names
    ]
    rows.append(("all", *map(sum, list(zip(*rows, strict=True))[1:])))
    rule = f"{'=' * 20} ======= ======= ======= ======="
    lines = [rule, _row(("class", "called", "refused", "pending", "of")), rule, *map(_row, rows), rule, ""]
    for title, table in (("Refused", REFUSED), ("Pending", PENDING)):
        lines += [title, "-" * len(title), ""] if table else []
        for class_name, names, reason in table:
            lines += [f"{class_name}: {', '.join(names.split())}", f"    {reason}", ""]
    return "\n".join(lines)


def _row(cells: tuple) -> str:
    return f"{cells[0]:<20} {' '.join(f'{cell:<7}' for cell in cells[1:])}".rstrip()


if __name__ == "__main__":
    print(page(), end="")
