# SPDX-License-Identifier: Apache-2.0
"""A service in Python, for pywin32's service host."""

import os
import threading

import servicemanager
import win32serviceutil


class SampleService(win32serviceutil.ServiceFramework):
    _svc_name_ = "sample"
    _svc_display_name_ = "A sample"

    def __init__(self, arguments):
        super().__init__(arguments)
        self.stopping = threading.Event()

    def SvcStop(self):
        self.stopping.set()

    def SvcDoRun(self):
        servicemanager.LogInfoMsg("the sample runs")
        with open("C:\\Sample\\ran.txt", "a") as file:
            file.write(os.environ["SAMPLE"] + "\n")
        self.stopping.wait()
