# SPDX-License-Identifier: Apache-2.0
"""How the simulated Windows is known to behave as it does: documented, recorded on a real host, inferred from
a client's source, or guessed; counted by area, with what a recording of each guess would be of.

``python -m lab.evidence`` prints the page. It is read from the comments, docstrings and tables of what runs;
guesses are those of lab.guesses.
"""

import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.guesses import GUESSES

HERE = Path(__file__).parent
AREAS = ("winrm_server", "windows_sandbox", "hyperv_model", "windows_shims")
KINDS = ("documented", "recorded", "inferred", "guessed")

# In backticks a kind is named, not given.
_MARK = re.compile(rf"(?<!`)\b({'|'.join(KINDS)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Mark:
    """One mention of evidence: where it stands, its kind, and the sentence around it."""

    area: str
    path: str
    line: int
    kind: str
    text: str


@cache
def marks() -> tuple[Mark, ...]:
    """Return every mark in comments and strings of the simulated host."""
    return tuple(
        mark
        for area in AREAS
        for path in sorted((HERE / area).rglob("*.py"))
        for token in _texts(path)
        for mark in _marks_of(area, path, token)
    )


def _texts(path: Path) -> Iterator[tokenize.TokenInfo]:
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield token


def _marks_of(area: str, path: Path, token: tokenize.TokenInfo) -> Iterator[Mark]:
    for match in _MARK.finditer(token.string):
        before = token.string[: match.start()]
        line = token.start[0] + before.count("\n")
        text = token.line.splitlines()[before.count("\n")].strip(" #,\"'")
        yield Mark(area, str(path.relative_to(HERE.parent)), line, match[1].lower(), text)


def page() -> str:
    """Return the page as reStructuredText."""
    counts = Counter((mark.area, mark.kind) for mark in marks() if mark.kind != "guessed")
    counts.update((guess.area, "guessed") for guess in GUESSES)
    rows = [(area, *(str(counts[area, kind]) for kind in KINDS)) for area in AREAS]
    rows.append(("all", *(str(sum(counts[area, kind] for area in AREAS)) for kind in KINDS)))
    rule = " ".join("=" * 15 for _ in range(len(KINDS) + 1))
    body = [rule, _row(("area", *KINDS)), rule, *map(_row, rows), rule, ""]
    head = f"What is guessed, and would have to be recorded ({len(GUESSES)})"
    body += [head, "-" * len(head), ""]
    body += [f"* {guess}" for guess in GUESSES]
    title = "Evidence"
    return "\n".join([title, "=" * len(title), "", *body]) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return " ".join(cell.ljust(15) for cell in cells).rstrip()


if __name__ == "__main__":
    print(page(), end="")
