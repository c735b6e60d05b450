# SPDX-License-Identifier: Apache-2.0
import threading

from lab.windows_sandbox.environment import sid
from tests.unit.windows_sandbox.test_command_prompt import PromptCase


class TestTools(PromptCase):
    def test_who_and_where(self):
        self.assert_lines(
            ("whoami", "hyperv-test\\zuul\r\n"),
            ("hostname", "HYPERV-TEST\r\n"),
            ("where whoami", "C:\\Windows\\system32\\whoami.exe\r\n"),
            ("ipconfig | findstr IPv4", "   IPv4 Address. . . . . . . . . . . : 127.0.0.1\r\n"),
        )
        self.host.accounts.ensure_administrator("zuul")
        self.assertIn("S-1-5-32-544", self.run_line("whoami /groups")[1])
        self.assertIn("S-1-5-21-", self.run_line("whoami /user")[1])

    def test_more_of_them(self):
        self.write(r"C:\w\x\deep.txt")
        self.assert_lines(
            (r"where /r C:\w *.txt", "C:\\w\\x\\deep.txt\r\n"),
            (
                'tasklist /svc /fi "pid eq 4" /fo csv',
                '"Image Name","PID","Services"\r\n"System","4","N/A"\r\n',
            ),
            ("echo %ProgramFiles(x86)%;%ALLUSERSPROFILE%", "C:\\Program Files (x86);C:\\ProgramData\r\n"),
        )
        self.assertIn("System    ", self.run_line('tasklist /fi "status eq running"')[1])

    def test_nonsense_is_refused(self):
        for line in (
            "ipconfig /x",
            "whoami /x",
            "hostname x",
            "net x",
            "sc x",
            "tasklist /x",
            "findstr",
            "where",
        ):
            self.assertNotEqual(0, self.run_line(line)[0], line)

    def test_findstr(self):
        self.write(r"C:\a.txt", "one two\nThree\n[x]\n")
        self.write(r"C:\b.txt", "three\n")
        self.assert_lines(
            (r"findstr one C:\a.txt", "one two\r\n"),
            (r"findstr /i three C:\a.txt C:\b.txt", "C:\\a.txt:Three\r\nC:\\b.txt:three\r\n"),
            (r"findstr /m three C:\*.txt", "C:\\b.txt\r\n"),
            (r'findstr /c:"one two" C:\a.txt', "one two\r\n"),
            (r'findstr "x two" C:\a.txt', "one two\r\n[x]\r\n"),
            (r'findstr /n /r "^T.*e$" C:\a.txt', "2:Three\r\n"),
            (r"findstr /v e C:\a.txt", "[x]\r\n"),
            (r'findstr /l "[x]" C:\a.txt', "[x]\r\n"),
            (r"type C:\a.txt | find /c " + '"e"', "2\r\n"),
            (r"type C:\a.txt | sort /r", "Three\r\none two\r\n[x]\r\n"),
        )
        self.write(r"C:\f\g\c.txt", "three\n")
        self.assert_lines(
            (r"findstr /s /b three C:\f\*.txt", "C:\\f\\g\\c.txt:three\r\n"),
            (r"cd C:\f& findstr /s three *.txt", "g\\c.txt:three\r\n"),
            (r"find /c /v " + r'"" C:\b.txt', "\r\n---------- C:\\B.TXT: 1\r\n"),
        )
        # A string of /c: is none of findstr's expressions.
        self.assertEqual(1, self.run_line(r'findstr /c:"o.e" C:\a.txt')[0])
        self.assertEqual(1, self.run_line(r"find " + r'"" C:\a.txt')[0])
        self.assertEqual(2, self.run_line(r"findstr /? < C:\a.txt")[0])
        self.assertEqual(1, self.run_line(r"findstr nothing C:\a.txt")[0])
        self.assertIn("Cannot open", self.run_line(r"findstr x C:\no.txt")[2])

    def test_whoami(self):
        self.host.accounts.ensure_administrator("zuul")
        self.assertRegex(
            self.run_line("whoami /groups")[1], r"BUILTIN\\Administrators +Alias +S-1-5-32-544 +Man"
        )
        # What scripts look for to know that they are elevated.
        self.assertEqual(0, self.run_line("whoami /groups | find " + '"S-1-16-12288"')[0])
        self.assertRegex(self.run_line("whoami /priv")[1], r"SeDebugPrivilege +Debug programs +Enabled\r\n")
        self.assert_lines(
            ("whoami /user /fo csv /nh", f'"hyperv-test\\zuul","{sid("zuul")}"\r\n'),
            (
                "whoami /user /fo list",
                "\r\nUSER INFORMATION\r\n----------------\r\n\r\n"
                f"User Name: hyperv-test\\zuul\r\nSID:       {sid('zuul')}\r\n",
            ),
        )
        everything = self.run_line("whoami /all")[1]
        for title in ("USER INFORMATION", "GROUP INFORMATION", "PRIVILEGES INFORMATION"):
            self.assertIn(f"\r\n{title}\r\n", everything)
        for line in ("whoami /fo csv", "whoami /user /groups", "whoami /user /fo xml", "whoami /upn"):
            self.assertEqual(1, self.run_line(line)[0], line)

    def test_net_user_and_localgroup(self):
        self.assert_lines(
            ("net user ci s3cret /add", "The command completed successfully.\r\n\r\n"),
            ("net localgroup administrators ci /add", "The command completed successfully.\r\n\r\n"),
        )
        self.assertEqual("ci", self.host.accounts.user_of_password("ci", "s3cret"))
        self.assertIn("ci", self.run_line("net localgroup Administrators")[1])
        self.assertIn("*Administrators", self.run_line("net user ci")[1])
        self.assertIn("HELPMSG 1378", self.run_line("net localgroup Administrators ci /add")[2])
        self.assertIn("HELPMSG 2224", self.run_line("net user ci /add")[2])
        self.assertIn("Administrator            ci", self.run_line("net user")[1])
        self.assertEqual(0, self.run_line("net user ci /active:no")[0])
        self.assertIsNone(self.host.accounts.user_of_password("ci", "s3cret"))
        self.assertEqual(0, self.run_line('net user ci /fullname:"C I" /comment:"builds it" /active:YES')[0])
        user = self.host.accounts.user("ci")
        self.assertEqual(("C I", "builds it", False), (user.full_name, user.description, user.disabled))
        # Nobody is there to type a password.
        self.assertEqual(1, self.run_line("net user ci *")[0])
        self.assertEqual("ci", self.host.accounts.user_of_password("ci", "s3cret"))
        self.assertEqual(0, self.run_line("net user ci /del")[0])
        self.assertIn("HELPMSG 2221", self.run_line("net user ci")[2])

    def test_services(self):
        self.assertIn("STATE              : 4  RUNNING", self.run_line("sc query vmms")[1])
        code, stdout, _ = self.run_line("sc query nothing")
        self.assertEqual(1060, code)
        self.assertIn("[SC] OpenService FAILED 1060:", stdout)
        self.assertEqual(0, self.run_line(r'sc create x binPath= "C:\x.exe -y" start= auto depend= vmms')[0])
        self.assertIn("START_TYPE         : 2   AUTO_START", self.run_line("sc qc x")[1])
        self.assertIn("STOPPED", self.run_line("sc query state= all | findstr STOPPED")[1])
        self.assertIn("[SC] StartService FAILED 2:", self.run_line("sc start x")[1])
        self.assertIn("System error 2 has occurred.", self.run_line("net start x")[2])
        self.assertEqual(0, self.run_line("sc config x start= disabled && sc start x & sc delete x")[0])
        self.assertIn("Hyper-V Virtual Machine Management", self.run_line("net start")[1])
        self.assertIn("HELPMSG 2185", self.run_line("net start nothing")[2])

    def test_what_else_sc_configures(self):
        self.host.accounts.create_user("svc", "Secret-1")
        self.assert_lines(
            (r"sc create x binPath= C:\x.exe type= own error= severe", "[SC] CreateService SUCCESS\r\n"),
            ('sc description x "what it does"', "[SC] ChangeServiceConfig2 SUCCESS\r\n"),
            (
                "sc failure x reset= 86400 actions= restart/5000/run/1000//0 command= C:\\y.exe",
                "[SC] ChangeServiceConfig2 SUCCESS\r\n",
            ),
            (r"sc config x obj= .\svc password= Secret-1", "[SC] ChangeServiceConfig SUCCESS\r\n"),
            ("sc query type= driver", ""),
        )
        shown = self.run_line("sc qc x")[1]
        self.assertIn("ERROR_CONTROL      : 2   SEVERE", shown)
        self.assertIn(r"SERVICE_START_NAME : .\svc", shown)
        self.assertIn("DESCRIPTION:  what it does", self.run_line("sc qdescription x")[1])
        failure = self.run_line("sc qfailure x")[1]
        self.assertIn("        RESET_PERIOD (in seconds)    : 86400\r\n", failure)
        self.assertIn(
            "        FAILURE_ACTIONS              : RESTART -- Delay = 5000 milliseconds.\r\n"
            "                                       RUN PROCESS -- Delay = 1000 milliseconds.\r\n",
            failure,
        )
        self.assertIn("x", self.run_line("sc query type= service state= all | findstr SERVICE_NAME")[1])
        self.assertEqual(1069, self.run_line("sc start x")[0])
        for line, code in (
            ("sc failure x reset= 5", 87),
            ("sc failure x reset= 5 actions= explode/5", 87),
            ("sc config x obj= nobody", 1057),
            ("sc query type= window", 1),
        ):
            self.assertEqual(code, self.run_line(line)[0], line)

    def test_shutdown(self):
        restarted = threading.Event()
        self.host.restart = restarted.set
        self.assertEqual(1116, self.run_line("shutdown /a")[0])
        self.assertEqual(0, self.run_line("shutdown /r /t 600")[0])
        self.assertEqual(1190, self.run_line("shutdown /r /t 0")[0])
        self.assertEqual(0, self.run_line('shutdown /a && shutdown /r /t 0 /c "a reason"')[0])
        self.assertTrue(restarted.wait(10))
        self.assertIn("a reason", self.host.event_log.newest("System", 1)[0].message)
        self.assertEqual(1, self.run_line("shutdown /s")[0])
