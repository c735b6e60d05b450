# SPDX-License-Identifier: Apache-2.0
"""PowerShell scripts, which nothing here can run, are at least PowerShell to tree-sitter's grammar."""

import subprocess
import unittest
from pathlib import Path

import tree_sitter
import tree_sitter_powershell

TOP = Path(__file__).parents[3]
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


def mistakes(source):
    """Return the lines, from 1, at which a script is no PowerShell."""
    nodes, found = [PARSER.parse(source).root_node], []
    while nodes:
        node = nodes.pop()
        if node.is_error or node.is_missing:
            found.append(node.start_point.row + 1)
        nodes += node.children
    return sorted(found)


class PowerShellTest(unittest.TestCase):
    def test_scripts(self):
        files = subprocess.check_output(["git", "ls-files", "*.ps1"], cwd=TOP, text=True).splitlines()
        self.assertLess(3, len(files))
        for file in files:
            with self.subTest(file):
                self.assertEqual([], mistakes((TOP / file).read_bytes()))

    def test_mistakes_are_found(self):
        self.assertEqual([2], mistakes(b"if ($x) {\n    Get-Item -Path )\n}\n"))
