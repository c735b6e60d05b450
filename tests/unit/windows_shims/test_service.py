# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
import subprocess

from . import windows_python

SERVICE = """
import threading
import servicemanager, win32service, win32serviceutil

class Echo(win32serviceutil.ServiceFramework):
    _svc_name_ = "echo"

    def __init__(self, args):
        super().__init__(args)
        self.asked = threading.Event()
        self.option = win32serviceutil.GetServiceCustomOption("ECHO", "greeting")

    def SvcStop(self):
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=10000)
        servicemanager.LogInfoMsg(f"stop comes in {threading.current_thread().name}")
        self.asked.set()

    def SvcDoRun(self):
        servicemanager.LogWarningMsg(f"{self.option} in {threading.current_thread().name}")
        self.asked.wait()

class Failing(Echo):
    def SvcDoRun(self):
        raise LookupError("no disk")
"""


class ServiceTest(windows_python.WindowsPythonTest):
    def setUp(self):
        super().setUp()
        self.run_program("Python311/python.exe", "-m", "venv", "--without-pip", r"C:\venv")
        (self.c_drive / "venv" / "Lib" / "site-packages" / "echo_service.py").write_text(SERVICE)
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(os.fspath(self.run_folder / "services.sock"))
        self.listener.listen()
        self.listener.settimeout(20)

    def start(self, class_name):
        key = {"PythonClass": {"": f"echo_service.{class_name}"}, "Parameters": {"Greeting": "hello"}}
        environment = {**self.environment, "WINDOWS_SERVICE": "echo", "WINDOWS_SERVICE_KEY": json.dumps(key)}
        program = subprocess.Popen(
            [self.c_drive / "venv" / "pythonservice.exe"], env=environment, text=True, stderr=subprocess.PIPE
        )
        self.addCleanup(program.stderr.close)
        self.addCleanup(program.kill)
        self.host, _address = self.listener.accept()
        self.addCleanup(self.host.close)
        self.host.settimeout(20)
        self.lines = self.host.makefile("r")
        self.addCleanup(self.lines.close)
        return program

    def next_message(self):
        message = json.loads(self.lines.readline())
        self.assertEqual("echo", message.pop("service"))
        return message

    def test_a_service_runs_and_stops_when_it_is_asked(self):
        program = self.start("Echo")
        self.assertEqual("start_pending", self.next_message()["state"])
        running = self.next_message()
        self.assertEqual(("running", ["stop"]), (running["state"], running["controls"]))
        event = self.next_message()["event"]
        self.assertEqual({"type": "warning", "id": 255, "message": "hello in ServiceMain"}, event)
        self.host.sendall(b'{"control": "interrogate"}\n')
        self.assertEqual("running", self.next_message()["state"])
        self.host.sendall(b'{"control": "stop"}\n')
        pending = self.next_message()
        self.assertEqual(("stop_pending", 10000), (pending["state"], pending["wait_hint"]))
        self.assertEqual("stop comes in MainThread", self.next_message()["event"]["message"])
        self.assertEqual("stop_pending", self.next_message()["state"])
        stopped = self.next_message()
        self.assertEqual(("stopped", 0), (stopped["state"], stopped["exit_code"]))
        self.assertEqual(0, program.wait(20))

    def test_a_service_that_raises_stops_with_an_error_of_its_own(self):
        program = self.start("Failing")
        self.assertEqual("start_pending", self.next_message()["state"])
        self.assertEqual("running", self.next_message()["state"])
        self.assertIn("LookupError: no disk", self.next_message()["event"]["message"])
        stopped = self.next_message()
        self.assertEqual((1066, 0x20000001), (stopped["exit_code"], stopped["service_exit_code"]))
        self.assertEqual(0, program.wait(20))

    def test_a_service_whose_class_is_missing_says_so(self):
        self.start("Missing")
        self.assertEqual("start_pending", self.next_message()["state"])
        self.assertIn("no attribute 'Missing'", self.next_message()["event"]["message"])
        self.assertEqual(1066, self.next_message()["exit_code"])

    def test_a_program_that_the_host_did_not_start_is_refused(self):
        program = self.start("Echo")
        self.host.sendall(b'{"error": 1063, "message": "The service process could not connect."}\n')
        self.assertEqual(1063 % 256, program.wait(20))
        self.assertIn("could not connect. (1063): only the host may start it", program.stderr.read())

    def test_by_hand_the_host_program_refuses(self):
        done = self.run_program("venv/pythonservice.exe")
        self.assertEqual(1063 % 256, done.returncode)
        self.assertIn("could not connect to the service controller. (1063)", done.stderr)

    def test_the_host_program_is_found_where_pywin32_puts_it(self):
        shown = self.python(
            "import win32serviceutil; print(win32serviceutil.LocatePythonServiceExe())",
            program="venv/Scripts/python.exe",
        )
        self.assertEqual(r"C:\venv\pythonservice.exe", shown)

    def test_what_is_not_simulated_says_so(self):
        code = "import win32service; win32service.OpenSCManager()"
        done = self.run_program("venv/Scripts/python.exe", "-c", code)
        self.assertIn("win32service.OpenSCManager is not simulated by the lab", done.stderr)
