# SPDX-License-Identifier: Apache-2.0
"""Which of os-win's public functions the contract tests and the driver call.

``python -m tests.os_win_coverage`` prints it. By name: a function counts as called where its name is called
on anything. What is printed as not called has not been seen to work on the simulated host.
"""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
CALLERS = ("hyperv_driver", "tests/contract")


def functions() -> Iterator[tuple[str, str]]:
    """Yield (class, function) for every public function of os-win's utils."""
    package = Path(importlib.util.find_spec("os_win").origin).parent / "utils"
    for path in sorted(package.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Utils"):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                        yield node.name, part.name


def called() -> set[str]:
    """Return every name that is called as a method."""
    return {
        node.func.attr
        for folder in CALLERS
        for path in (CHECKOUT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def page() -> str:
    """Return the table, and below it what is not called, as reStructuredText."""
    names, by_class = called(), {}
    for class_name, function in functions():
        by_class.setdefault(class_name, []).append(function)
    rule = f"{'=' * 28} ======= ======="
    lines = [rule, f"{'class':<28} called  of", rule]
    for class_name, found in by_class.items():
        lines.append(f"{class_name:<28} {len(names & set(found)):<7} {len(found)}")
    everything = [function for found in by_class.values() for function in found]
    lines += [f"{'all':<28} {sum(name in names for name in everything):<7} {len(everything)}", rule, ""]
    for class_name, found in by_class.items():
        missing = [function for function in found if function not in names]
        if missing:
            lines += [f"{class_name}: {', '.join(missing)}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
