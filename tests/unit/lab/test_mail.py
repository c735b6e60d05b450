# SPDX-License-Identifier: Apache-2.0
"""The maintainer's mailbox, as smtplib, which is Zuul's, delivers to it."""

import asyncio
import email
import smtplib
import tempfile
import threading
import unittest
from email.mime.text import MIMEText
from pathlib import Path

from lab.services import mail


class MailTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(mail.serve(self.folder, 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def stop():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            server.close()
            loop.close()

        self.addCleanup(stop)

    def send(self, text):
        message = MIMEText(text)
        message["Subject"] = "A subject"
        with smtplib.SMTP(mail.ADDRESS, self.port) as connection:
            connection.sendmail("zuul@example.com", ["maintainer@example.com"], message.as_string())

    def test_each_mail_is_a_file(self):
        self.send("one\n")
        self.send("zwei “ä”\n")
        found = [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted(self.folder.iterdir())
        ]
        self.assertEqual(["A subject"] * 2, [message["Subject"] for message in found])
        self.assertEqual(["one\n", "zwei “ä”\n"], [message.get_content() for message in found])
