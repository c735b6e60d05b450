# SPDX-License-Identifier: Apache-2.0
import testtools

from lab.windows_sandbox import command_prompt, errors, programs, tools
from lab.windows_sandbox.command_prompt import syntax
from lab.windows_sandbox.errors import Win32Error
from lab.winrm_server.host import CommandRefused
from tests.unit.windows_sandbox.host_case import HostCase


class PromptCase(HostCase):
    def run_line(self, line, stdin=b""):
        completed = command_prompt.run_line(self.session, line, stdin=stdin)
        return completed.exit_code, completed.stdout.decode(), completed.stderr.decode()

    def assert_lines(self, *pairs):
        for line, output in pairs:
            self.assertEqual((0, output, ""), self.run_line(line), line)


class TestSyntax(testtools.TestCase):
    def test_how_loosely_operators_bind(self):
        tree = syntax.parse("a & b || c && d | e")
        self.assertEqual("&", tree.operator)
        self.assertEqual("||", tree.right.operator)
        self.assertEqual("&&", tree.right.right.operator)
        self.assertEqual("|", tree.right.right.right.operator)

    def test_redirections_are_taken_out(self):
        tree = syntax.parse('tool 2>&1 >"a b.txt" x1 2>nul <in')
        self.assertEqual("tool   x1  ", tree.text)
        found = [(each.handle, each.kind, each.target) for each in tree.redirections]
        self.assertEqual([(2, ">&", "1"), (1, ">", "a b.txt"), (2, ">", "nul"), (0, "<", "in")], found)

    def test_what_is_unexpected(self):
        for line, words in (
            ("& a", "& was unexpected at this time."),
            ("a && || b", "|| was unexpected at this time."),
            ("a |", "The syntax of the command is incorrect."),
            ("(a", "The syntax of the command is incorrect."),
            ("(a) b", "b was unexpected at this time."),
            ("a >", "The syntax of the command is incorrect."),
        ):
            self.assertEqual(words, str(self.assertRaises(syntax.SyntaxProblem, syntax.parse, line)))


class TestOperators(PromptCase):
    def test_sequences(self):
        self.assert_lines(
            ("echo one && echo two", "one \r\ntwo\r\n"),
            ("echo one||echo two", "one\r\n"),
            ("nothing-here 2>nul || echo two", "two\r\n"),
            ("nothing-here 2>nul & echo two", "two\r\n"),
            ("(echo one&echo two) | findstr t", "two\r\n"),
            ('echo "a && b"', '"a && b"\r\n'),
            ("echo a ^& b", "a & b\r\n"),
            ("@echo hi", "hi\r\n"),
        )
        self.assertEqual((3, "", ""), self.run_line("exit /b 3 && echo two"))
        self.assertEqual(1, self.run_line('ver | find "Linux"')[0])

    def test_redirection(self):
        self.assert_lines(
            (r"echo one>C:\a.txt", ""),
            (r"echo two>>C:\a.txt", ""),
            (r"type C:\a.txt", "one\r\ntwo\r\n"),
            (r"findstr two<C:\a.txt", "two\r\n"),
            (
                r"nothing-here >C:\all.txt 2>&1 & findstr recognized C:\all.txt",
                "'nothing-here' is not recognized as an internal or external command,\r\n",
            ),
            ("nothing-here 2>nul & echo.", "\r\n"),
        )
        self.assertEqual(
            (1, "", "The system cannot find the file specified.\r\n"), self.run_line(r"type <C:\no.txt")
        )
        self.assertEqual(
            (1, "", "The system cannot find the path specified.\r\n"), self.run_line(r"echo x>C:\no\a.txt")
        )

    def test_conditions(self):
        self.write(r"C:\a.txt")
        self.assert_lines(
            (r"if exist C:\a.txt (echo yes) else (echo no)", "yes\r\n"),
            (r"if not exist C:\*.md echo none", "none\r\n"),
            ("if /i ABC==abc echo same", "same\r\n"),
            ('if "%USERNAME%"=="zuul" echo me', "me\r\n"),
            ("if 10 GTR 9 echo more", "more\r\n"),
            ("if defined NOPE (echo a) else echo b", "b\r\n"),
            ("if errorlevel 1 echo bad", ""),
        )

    def test_what_is_no_program(self):
        code, stdout, stderr = self.run_line("nothing-here /x")
        self.assertEqual((1, ""), (code, stdout))
        self.assertEqual(
            "'nothing-here' is not recognized as an internal or external command,\r\n"
            "operable program or batch file.\r\n",
            stderr,
        )

    def test_what_it_does_not_know_is_named(self):
        self.write(r"C:\do.bat")
        for line, words in (
            ("for %i in (1) do echo %i", "for"),
            ("time 12:00", "time 12:00"),
            ("call :label", "call :label"),
            (r"C:\do", "batch files, such as C:\\do.bat"),
            ("dir /q", "dir /q"),
            ("mklink a b", "mklink"),
        ):
            error = self.assertRaises(Win32Error, self.run_line, line)
            self.assertEqual(errors.NOT_SUPPORTED, error.code)
            self.assertIn(words, str(error))

    def test_too_long(self):
        self.assertEqual((1, "", "The command line is too long.\r\n"), self.run_line("echo " + "x" * 8190))


class TestVariables(PromptCase):
    def test_expansion(self):
        self.assert_lines(
            ("echo %USERNAME% %nope% %Errorlevel%", "zuul %nope% 0\r\n"),
            ("echo %USERNAME:~0,2%%USERNAME:~-1%", "zul\r\n"),
            ("echo %USERNAME:u=oo%", "zooool\r\n"),
            ("set AZ=b c&set aZ", "AZ=b c\r\n"),
            ('set "Q=1 & 2"&set Q', "Q=1 & 2\r\n"),
            ("set USERNAME=&set USERNAME 2>nul || echo gone", "gone\r\n"),
            (r"cd /d C:\Windows & cd", "C:\\Windows\r\n"),
        )

    def test_a_line_is_expanded_as_a_whole(self):
        self.assertEqual("%A%\r\n", self.run_line("set A=1& echo %A%")[1])

    def test_a_pipe_s_side_keeps_its_variables_to_itself(self):
        self.assertEqual(1, self.run_line("set Q=1| findstr x & set Q")[0])

    def test_arithmetic(self):
        self.assert_lines(
            ("set /a 1+2", "3"),
            ('set /a "x=(1+2)*3, y=x<<2" & set y', "36y=36\r\n"),
            ("set /a -7/2 & set /a -7%3", "-3-1"),
            ("set /a 0x1f+010+~0+!0+nothing", "39"),
            ("set USERNAME=5& set /a username*=2 & set USERNAME", "10USERNAME=10\r\n"),
            ("set /a 2147483647+1", "-2147483648"),
        )
        for line, code, words in (
            ("set /a 1/0", 1073750993, "Divide by zero error."),
            ("set /a 1+", 1073750989, "Missing operand."),
            ("set /a (1", 1073750988, "Unbalanced parenthesis."),
            ("set /a 1 2", 1073750988, "Missing operator."),
            ("set /a 09", 1073750991, "Invalid number."),
            ("set /a 2147483648", 1073750992, "Numbers are limited"),
        ):
            ended = self.run_line(line)
            self.assertEqual((code, ""), ended[:2], line)
            self.assertIn(words, ended[2])

    def test_asking(self):
        self.assert_lines(("echo yes| (set /p AB=Sure?& set AB)", "Sure?AB=yes\r\n"))
        self.assertEqual(1, self.run_line("set /p A=Sure?")[0])

    def test_call_replaces_once_more(self):
        self.assert_lines(("set A=1& call echo %A%", "1\r\n"), ('call ver | find /c "Version"', "1\r\n"))


class TestInternalCommands(PromptCase):
    def test_files(self):
        self.assert_lines(
            (r"md C:\d\e & cd C:\d & echo x>e\f.txt& copy e\f.txt g.txt", "        1 file(s) copied.\r\n"),
            (r"ren C:\d\g.txt h.txt & dir /b C:\d", "e\r\nh.txt\r\n"),
            (r"dir /s /b C:\d\*.txt", "C:\\d\\h.txt\r\nC:\\d\\e\\f.txt\r\n"),
            (r"del /q C:\d\*.txt & dir /b C:\d", "e\r\n"),
            (r"del /s /q C:\d\*.txt", "Deleted file - C:\\d\\e\\f.txt\r\n"),
            (r"rd /s /q C:\d & if not exist C:\d echo gone", "gone\r\n"),
        )
        self.assertIn("The directory is not empty", self.run_line(r"md C:\d\e & rd C:\d")[2])
        self.assertEqual((1, "", "File Not Found\r\n"), self.run_line(r"dir /b C:\d\*.x"))

    def test_dir(self):
        self.write(r"C:\d\file.txt", "12345")
        output = self.run_line(r"dir C:\d")[1]
        self.assertIn(" Directory of C:\\d\r\n", output)
        self.assertRegex(output, r"\d\d/\d\d/\d{4}  \d\d:\d\d [AP]M {17}5 file.txt")
        self.assertRegex(output, r" 1 File\(s\) +5 bytes")
        self.assertRegex(output, r"M    <DIR>          \.\r\n.*<DIR>          \.\.\r\n")
        self.assertRegex(output, r" 2 Dir\(s\) +[\d,]+ bytes free\r\n$")
        self.write(r"C:\d\e\a.log", "1234567")
        self.assertRegex(
            self.run_line(r"dir /s C:\d\*.*")[1], r"Total Files Listed:\r\n +2 File\(s\) +12 bytes\r\n +5 Dir"
        )
        self.assert_lines(
            (r"dir /b /o-s /s C:\d\*.*", "C:\\d\\e\r\nC:\\d\\file.txt\r\nC:\\d\\e\\a.log\r\n"),
            (r"dir /b /o:-n C:\d", "file.txt\r\ne\r\n"),
            (r"dir /b /og-n /a C:\d", "e\r\nfile.txt\r\n"),
        )

    def test_type_and_ver(self):
        self.write(r"C:\a b.txt", "text")
        self.assert_lines(
            (r'type "C:\A B.txt"', "text"),
            (r"type nul > C:\empty& type C:\empty", ""),
            (r"copy nul C:\empty2", "        1 file(s) copied.\r\n"),
        )
        self.assertEqual((1, "", "The system cannot find the drive specified.\r\n"), self.run_line("D:"))
        self.assertIn("[Version 10.0.20348]", self.run_line("ver")[1])
        self.assertRegex(self.run_line("date /t & time /t")[1], r"^\w{3} [\d/]{10} \r\n\d\d:\d\d [AP]M\r\n$")

    def test_winrs_runs_another_cmd_in_its_own(self):
        line, asked = "cmd /c exit 3 || echo failed", {"working_directory": None, "environment": {}}
        for through_cmd, ended in ((True, (b"failed\r\n", 0)), (False, (b"", 3))):
            process = self.host.open_process(
                line, user="zuul", console_stdin=True, through_cmd=through_cmd, **asked
            )
            stdout, code = b"", None
            while code is None:
                read, _, code = process.read(10)
                stdout += read
            self.assertEqual(ended, (stdout, code))

    def in_code_page(self, number, line):
        asked = {"working_directory": None, "environment": {"X": "café"}, "console_stdin": True}
        process = self.host.open_process(line, user="zuul", through_cmd=True, code_page=number, **asked)
        return self.end_of(process)[:2]

    def end_of(self, process):
        said, code = [b"", b""], None
        while code is None:
            *read, code = process.read(10)
            said = [before + more for before, more in zip(said, read, strict=True)]
        return [*said, code]

    def test_text_comes_in_the_code_page_that_was_asked_for(self):
        self.assertEqual([b"caf\x82 ?\r\n", b""], self.in_code_page(437, "echo %X% \u2603"))
        self.assertEqual([b"caf\xe9\r\n", b""], self.in_code_page(1252, "echo %X%"))
        self.assertEqual(["café ☃\r\n".encode(), b""], self.in_code_page(65001, "echo café ☃"))
        self.assertEqual(b"'caf\x82' is not", self.in_code_page(437, "café")[1][:13])
        self.assertEqual([b"caf\x82\r\n", b""], self.in_code_page(437, "echo %X%| findstr caf"))
        # A file's bytes are what they are.
        self.write(r"C:\utf8.txt", "é\r\n")
        for reader in ("type", "more", "sort"):
            self.assertEqual("é\r\n".encode(), self.in_code_page(437, rf"{reader} C:\utf8.txt")[0])

    def test_a_command_in_quotes_that_only_powershell_s_own_language_takes_away(self):
        asked = {"working_directory": None, "environment": {}, "console_stdin": True}
        process = self.host.open_process("powershell -EncodedCommand 'eAA='", user="zuul", **asked)
        _, stderr, code = self.end_of(process)
        self.assertIn(b"is not properly encoded", stderr)
        self.assertEqual(0xFFFD0000, code)

    def test_chcp(self):
        self.assertEqual(b"Active code page: 437\r\n", self.in_code_page(437, "chcp")[0])
        self.assertEqual("café\r\n".encode(), self.in_code_page(437, "chcp 65001 >nul& echo café")[0])
        self.assertEqual([b"", b"Invalid code page\r\n"], self.in_code_page(437, "chcp 4711"))

    def test_what_cannot_be_started_is_told_with_its_error(self):
        asked = {"user": "zuul", "environment": {}, "console_stdin": True, "through_cmd": False}
        for line, folder, code in (("nothing.exe", None, 2), ("hostname.exe", r"C:\nowhere", 267)):
            refused = self.assertRaises(
                CommandRefused, self.host.open_process, line, working_directory=folder, **asked
            )
            self.assertEqual(code, refused.code)

    def test_another_cmd(self):
        self.write(r"C:\a b\tool.exe", programs.TOOL.decode())
        self.patch(tools, "TOOLS", {**tools.TOOLS, "tool": tools.TOOLS["whoami"]})
        self.assert_lines(
            (r"if exist %ComSpec% where cmd", "C:\\Windows\\system32\\cmd.exe\r\n"),
            ("cmd /c exit 3 || echo %ComSpec:~-7%", "cmd.exe\r\n"),
            ('cmd /c "echo 1&echo 2" | find /c /v ""', "2\r\n"),
            ('cmd /c "cmd /c "echo nested""', "nested\r\n"),
            (r'cmd /c "C:\a b\tool"', "hyperv-test\\zuul\r\n"),
            (r"cmd /c C:& cd", "C:\\Users\\zuul\r\n"),
        )

    def test_the_image_is_left_alone(self):
        error = self.assertRaises(Win32Error, self.run_line, r"echo x>\\server\share\x")
        self.assertEqual(errors.PATH_NOT_FOUND, error.code)


class TestInvocation(testtools.TestCase):
    def test_quotes_around_the_line(self):
        for given, line in (
            ("cmd /c echo a", "echo a"),
            ('cmd.exe /c "echo a && echo b"', "echo a && echo b"),
            ('cmd /c "C:\\Program Files\\x.exe"', '"C:\\Program Files\\x.exe"'),
            ('cmd /s /c "C:\\Program Files\\x.exe"', "C:\\Program Files\\x.exe"),
            ('cmd /c ""C:\\a b\\x.exe" "y z""', '"C:\\a b\\x.exe" "y z"'),
            ("CMD /q /C dir", "dir"),
            ("cmd /cdir", "dir"),
            ('cmd /c "echo a b"', "echo a b"),
        ):
            self.assertEqual(line, command_prompt.line_of(given, lambda name: name.endswith("x.exe")))

    def test_an_interactive_one(self):
        self.assertRaises(Win32Error, command_prompt.line_of, "cmd /k dir", bool)
