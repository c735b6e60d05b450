# SPDX-License-Identifier: Apache-2.0
import testtools

from lab.windows_sandbox import command_line


class TestCommandLine(testtools.TestCase):
    def test_splits_as_documented(self):
        # The examples of "Parsing C++ command-line arguments" and two more.
        for text, arguments in (
            (r'"a b c" d e', ["a b c", "d", "e"]),
            (r'"ab\"c" "\\" d', ['ab"c', "\\", "d"]),
            (r'a\\\b d"e f"g h', [r"a\\\b", "de fg", "h"]),
            (r"a\\\"b c d", [r"a\"b", "c", "d"]),
            (r'a\\\\"b c" d e', [r"a\\b c", "d", "e"]),
            (r'a"b"" c d', ['ab" c d']),
            ('x "" y', ["x", "", "y"]),
            ("", []),
        ):
            self.assertEqual(arguments, command_line.split(text), text)

    def test_what_is_joined_splits_again(self):
        arguments = ["plain", "with blank", 'qu"ote', "C:\\ends with\\", "", "a\\\\b", '\\"']
        self.assertEqual(arguments, command_line.split(command_line.join(arguments)))

    def test_backslashes_before_the_program_s_quote_mean_nothing(self):
        self.assertEqual(
            (r"C:\Program Files\x.exe", "a b"), command_line.split_program(r'"C:\Program Files\x.exe" a b')
        )
        self.assertEqual((r"C:\x.exe", "a"), command_line.split_program(r"  C:\x.exe  a"))
