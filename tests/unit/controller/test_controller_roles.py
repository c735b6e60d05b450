# SPDX-License-Identifier: Apache-2.0
"""The programs that the controller's roles bring with them."""

import argparse
import contextlib
import http.server
import io
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from tests.unit.controller.role_files import ROLES, load

readiness = load("controller-readiness", "await_services.py")
logs = load("controller-logs", "gather.py")
restore = load("controller-database", "restore.py")


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers /up with 300, /broken with 500."""

    def do_GET(self):
        self.send_response(500 if self.path == "/broken" else 300)
        self.end_headers()

    def log_message(self, *_):
        pass


class AwaitServicesTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "keystone.log").write_text("first\nlast words\n")
        self.states = {"keystone": "RUNNING"}
        self.enterContext(mock.patch.object(readiness, "programs", lambda _: self.states))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.port = server.server_port

    def wait(self, path, timeout=0.1):
        """Wait for a keystone at a path of the test's server; return what is printed."""
        given = argparse.Namespace(address="127.0.0.1", timeout=timeout, supervisor="", logs=self.folder)
        with mock.patch.dict(readiness.PATHS, {"keystone": path}, clear=True):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                readiness.wait(given)
        return said.getvalue()

    def test_an_answer_is_enough(self):
        self.assertIn("keystone answers after", self.wait(f":{self.port}/up", timeout=60))

    def test_a_server_error_is_not(self):
        with self.assertRaisesRegex(readiness.ServiceDown, "(?s)keystone answers with 500.*last words"):
            self.wait(f":{self.port}/broken", timeout=60)

    def test_silence_ends_with_the_log(self):
        with self.assertRaisesRegex(readiness.ServiceDown, "(?s)does not answer after 0.1 s.*last words"):
            self.wait(":1/")

    def test_a_service_that_this_control_plane_lacks_is_not_waited_for(self):
        self.states = {"glance": "RUNNING"}
        self.assertEqual("", self.wait(":1/"))

    def test_a_program_that_ended_is_not_waited_for(self):
        self.states = {"keystone": "EXITED"}
        with self.assertRaisesRegex(
            readiness.ServiceDown, "(?s)keystone ended: supervisord says EXITED.*last words"
        ):
            self.wait(":1/", timeout=60)


class GatherLogsTest(unittest.TestCase):
    def test_secrets_are_masked_and_the_rest_is_not(self):
        text = (
            "[database]\nconnection = mysql://openstack:s3cret@localhost/nova\n"
            "auth_type = password\npassword = s3cret\ndefault_pass = s3cret\n"
            'environment = OS_PASSWORD="s3cret", LANG="C"\npassword_hash_rounds = 4\n'
        )
        masked = logs.without_secrets(text)
        self.assertNotIn("s3cret", masked)
        for line in ("auth_type = password", "password_hash_rounds = 4", 'LANG="C"', "[database]"):
            self.assertIn(line, masked)

    def test_what_is_not_there_is_left_out(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "logs" / ".hidden").mkdir(parents=True)
        (folder / "logs" / ".hidden" / "x").touch()
        (folder / "logs" / "nova-api.log").write_text("started")
        (folder / "etc").mkdir()
        (folder / "etc" / "nova.conf").write_text("password = s3cret")
        (folder / "etc" / "keys").write_text("s3cret")
        words = [
            folder / "out.tar.gz",
            folder / "logs",
            folder / "no-venv",
            folder / "etc",
            folder / "no.conf",
        ]
        script = ROLES / "controller-logs" / "files" / "gather.py"
        subprocess.run([sys.executable, script, *words], check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(words[0]) as archive:
            self.assertEqual(["nova-api.log", "etc/nova.conf", "system.txt"], archive.getnames())


class RestoreDatabaseTest(unittest.TestCase):
    environment = {
        "ADDRESS": "127.0.2.1",
        "ADMIN": "adm'in",
        "SERVICE": "service",
        "DATABASE": "it's",
        "VOLUMES": "",
    }

    def test_statements_are_one_line_each_and_hold_no_password_of_keystone(self):
        lines = list(restore.statements(self.environment))
        self.assertEqual([1] * len(lines), [len(line.splitlines()) for line in lines])
        self.assertIn("IDENTIFIED BY 'it\\'s';", lines[0])
        self.assertNotIn("adm", "".join(lines).replace("'admin'", ""))
        self.assertIn("WHERE name IN ('cinder', 'glance', 'neutron', 'nova', 'placement');", lines[-1])

    def test_the_catalog_names_cinder_only_where_it_runs(self):
        disabled = "enabled = FALSE WHERE type = 'block-storage'"
        self.assertIn(disabled, "".join(restore.statements(self.environment)))
        self.assertNotIn(disabled, "".join(restore.statements(self.environment | {"VOLUMES": "yes"})))


class BundleSourceTest(unittest.TestCase):
    def test_a_bundle_is_the_tree_of_head_without_its_history(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        source, bundle, clone = folder / "source", folder / "x.bundle", folder / "clone"

        def git(*words):
            identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=x")
            command = ["git", "-C", source, *identity, *words]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

        source.mkdir()
        git("init")
        for text in ("one", "two"):
            (source / "file").write_text(text)
            git("add", "file")
            git("commit", "-m", text)
        (source / "file").write_text("not committed")
        objects = git("count-objects")
        script = ROLES / "bundle-source" / "files" / "bundle-source.sh"
        said = subprocess.run(
            ["sh", script, source, bundle], check=True, capture_output=True, text=True
        ).stdout
        self.assertEqual(git("log", "-1", "--format=%H %s"), said.strip())
        self.assertEqual(objects, git("count-objects"))
        subprocess.run(["git", "clone", "-q", "-c", "advice.detachedHead=false", bundle, clone], check=True)
        self.assertEqual("two", (clone / "file").read_text())
        log = subprocess.check_output(["git", "-C", clone, "log", "--format=%s"], text=True)
        self.assertEqual(f"Tree of {git('rev-parse', 'HEAD')}\n", log)
