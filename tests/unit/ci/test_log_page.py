# SPDX-License-Identifier: Apache-2.0
"""The log page: what it says first, and that nothing a build leaves behind gets more than shown."""

import html.parser
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from log_page import page

TOP = pathlib.Path(__file__).parents[3]
LOG_PAGE = TOP / "trusted/roles/publish-logs/files/log_page"

FACTS = {
    "success": False,
    "job": "hyperv-tempest",
    "pipeline": "check",
    "project": "openstack/nova",
    "branch": "stable/2026.2",
    "build": "0f" * 16,
    "zuul_url": "",
    "change": "openstack/nova 12,3",
    "change_url": "http://gerrit.invalid/12",
    "url": "http://logs.invalid/build/one/",
    "simulated": True,
    "retry": False,
    "projects": [{"name": "openstack/nova", "checkout": "master", "commit": "c0ffee"}],
}


class Text(html.parser.HTMLParser):
    """The text of a page as a reader sees it, and the elements it is made of."""

    def __init__(self, content):
        super().__init__()
        self.words, self.tags, self.links, self.within = [], set(), [], None
        self.feed(content)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.within = tag
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        if self.within != "style":
            self.words.append(data)


def playbook(plays, phase="run", **stats):
    stats = {host: {"failures": count} for host, count in stats.items()}
    return {"phase": phase, "stats": stats, "plays": plays}


def play(name, *tasks):
    duration = {"start": "2026-11-23T06:00:00Z", "end": "2026-11-23T06:00:12.5Z"}
    return {"play": {"name": name, "duration": duration}, "tasks": list(tasks)}


def task(name, role="nova-compute-windows", **hosts):
    return {"task": {"name": name}, "role": {"name": role}, "hosts": hosts}


def failed(message, **more):
    return {"failed": True, "msg": message, **more}


class LogPageCase(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.logs = pathlib.Path(directory.name, "logs")
        self.site = pathlib.Path(directory.name, "site/build/one")
        self.nightlies = pathlib.Path(directory.name, "site/nightly")
        self.logs.mkdir()

    def leave(self, name, content):
        """Put a file among the build's logs; what is no text becomes JSON."""
        path = self.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))

    def run_log_page(self, **facts):
        return subprocess.run(
            [sys.executable, LOG_PAGE, self.logs, self.site, self.nightlies],
            input=json.dumps(FACTS | facts),
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def page(self, **facts):
        page.make(str(self.logs), str(self.site), str(self.nightlies), FACTS | facts)
        return Text((self.site / "index.html").read_text())


class Cause(LogPageCase):
    def test_failed_command(self):
        self.leave(
            "job-output.json",
            [
                playbook(
                    [
                        play(
                            "Side by side",
                            task("Fine", controller={"msg": "ok"}),
                            task(
                                "Install",
                                hyperv=failed(
                                    "non-zero return code", stderr="1\nParsingError: x", stdout="no"
                                ),
                            ),
                        )
                    ],
                    controller=0,
                    hyperv=1,
                )
            ],
        )
        shown = self.page()
        expected = "hyperv failed in “Side by side”: nova-compute-windows : Install: non-zero return code"
        self.assertIn(expected, shown.text)
        self.assertIn("Why Its own words 1 ParsingError: x", shown.text)
        self.assertNotIn("task:", shown.text)

    def test_rescue_that_names_the_task(self):
        self.leave(
            "job-output.json",
            [
                playbook(
                    [
                        play(
                            "Side by side",
                            task("Of the other host", hyperv=failed("non-zero return code", stderr="reason")),
                            task("Name what failed", hyperv=failed("Install it: non-zero return code")),
                        )
                    ],
                    hyperv=1,
                )
            ],
        )
        shown = self.page()
        self.assertIn("hyperv failed in “Side by side”: Install it: non-zero return code", shown.text)
        self.assertIn("Its own words reason", shown.text)
        self.assertNotIn("Of the other host", shown.text)

    def test_failure_that_was_ignored_or_rescued_is_no_cause(self):
        self.leave(
            "job-output.json",
            [
                playbook([play("First", task("Try", hyperv=failed("not this")))], hyperv=0),
                playbook([play("Second", task("Do", hyperv=failed("but this")))], hyperv=1),
            ],
        )
        shown = self.page()
        self.assertIn("but this", shown.text)
        self.assertNotIn("not this", shown.text)

    def test_unreachable(self):
        gone = {"unreachable": True, "msg": "timed out"}
        self.leave("job-output.json", [playbook([play("Test", task("Run", hyperv=gone))], hyperv=1)])
        self.assertIn("hyperv could not be reached in “Test”: timed out", self.page().text)

    def test_run_comes_before_post(self):
        self.leave(
            "job-output.json",
            [
                playbook([play("Logs", task("Fetch", hyperv=failed("gone")))], "post", hyperv=1),
                playbook([play("Test", task("Run", hyperv=failed("the change")))], "run", hyperv=1),
            ],
        )
        shown = self.page()
        self.assertLess(shown.text.index("the change"), shown.text.index("gone"))

    def test_failed_item_of_a_loop(self):
        results = [{"failed": False, "stderr": "good"}, failed("this", stderr="bad")]
        loop = task("T", hyperv=failed("One or more items failed", results=results))
        self.leave("job-output.json", [playbook([play("P", loop)], hyperv=1)])
        shown = self.page()
        self.assertIn("hyperv failed in “P”: this", shown.text)
        self.assertIn("bad", shown.text)

    def test_tests_come_before_the_task_that_ran_them(self):
        self.leave(
            "job-output.json",
            [
                playbook([play("Tempest", task("Run", hyperv=failed("2 failed")))], hyperv=1),
            ],
        )
        traceback = "Traceback\n" + "x\n" * 99 + "KeyError: disk"
        self.leave(
            "controller/tempest/results.json",
            [
                {"id": "a.good", "status": "success", "seconds": 1, "details": ""},
                {"id": "a.bad", "status": "fail", "seconds": 2, "details": traceback},
                {"id": "a.skip", "status": "skip", "seconds": 0, "details": "off"},
            ],
        )
        shown = self.page()
        self.assertIn("Test failed: a.bad", shown.text)
        self.assertIn("KeyError: disk", shown.text)
        self.assertIn("Skipped: 1", shown.text)
        self.assertNotIn("2 failed", shown.text)

    def test_nova_computes_last_error(self):
        head = "2026-11-23 06:02:11.402 4711 ERROR nova.compute.manager [None req-1] "
        self.leave(
            "hyperv/nova-compute.log",
            (
                "2026-11-23 06:00:00.000 4711 ERROR nova [-] an older one\n"
                f"{head}spawn failed\n{head}Traceback (most recent call last):\n{head}KeyError: disk\n"
                "2026-11-23 06:02:12.000 4711 INFO nova [-] later\n"
            ),
        )
        self.leave("job-output.txt", "the console's end\n")
        shown = self.page()
        self.assertIn(f"last error hyperv/nova-compute.log {head}spawn failed Traceback", shown.text)
        self.assertIn("(most recent call last): KeyError: disk", shown.text)
        self.assertIn("view/hyperv/nova-compute.log.html#l2", shown.links)
        self.assertIn("No task failed; the console ends like this", shown.text)
        self.assertNotIn("an older one", shown.text)

    def test_nova_compute_that_never_had_a_log(self):
        self.leave("hyperv/nova-compute-stderr.log", "ImportError: no nova\n")
        self.assertIn(
            "nova-compute's last error hyperv/nova-compute-stderr.log ImportError", self.page().text
        )
        self.leave("hyperv/nova-compute.log", "2026-11-23 06:00:00.000 4711 INFO nova [-] well\n")
        self.site = self.site.with_name("two")
        self.assertNotIn("nova-compute's last error", self.page().text)

    def test_success_says_how_much_was_tested(self):
        self.leave(
            "controller/tempest/results.json",
            [
                {"id": "a.good", "status": "success", "seconds": 1, "details": ""},
            ],
        )
        shown = self.page(success=True)
        self.assertIn("SUCCESS", shown.text)
        self.assertIn("1 tests passed, 0 were skipped, 0 failed.", shown.text)

    def test_command_that_runs_it_again(self):
        self.assertNotIn("reproduce", self.page().text)
        self.leave("zuul-info/revisions.json", {})
        self.site = self.site.with_name("two")
        self.assertIn("./hyperv-ci reproduce http://logs.invalid/build/one/", self.page().text)

    def test_simulated_host_is_said_to_be_one(self):
        self.assertIn("The Windows host of this run was simulated.", self.page().text)

    def test_real_host_is_not(self):
        self.assertNotIn("simulated", self.page(simulated=False).text)

    def test_what_cannot_be_read_is_said(self):
        self.leave("job-output.json", "[" * 100_000)
        self.leave("controller/tempest/results.json", [{"id": "a", "status": "perhaps"}])
        shown = self.page()
        self.assertIn("Not read: job-output.json", shown.text)
        self.assertIn("'a' is 'perhaps', expected one of fail, skip, success", shown.text)

    def test_json_of_any_form(self):
        strange = [None, 1, "x", [], {}, {"a": None}]
        times = [{"id": "a", "status": "fail", "start": "0001-01-01T00:00:00+14:00", "seconds": 1e300}]
        self.leave("controller/tempest/results.json", times)
        strange_task = {"hosts": {"h": {"failed": True, "msg": 3, "results": 4}}, "task": 1, "role": []}
        strange_play = {"tasks": [strange_task], "play": {"duration": {"start": 1, "end": "yesterday"}}}
        whole = [{"plays": [strange_play, *strange], "stats": {"h": {"failures": 1}, "i": 2}}]
        for value in (*strange, strange, [{"plays": strange, "stats": strange}], whole):
            with self.subTest(value=value):
                self.site = self.site.with_name(str(id(value)))
                self.leave("job-output.json", value)
                self.page()


SERVER, OTHER = "5b74a50f-9076-4085-95b4-28cd230e7b86", "654ca68c-f382-45ad-afa8-c931c0ecc469"


def logged(second, rest):
    return f"2026-11-23 06:02:{second:06.3f} {rest}\n"


class AroundATest(LogPageCase):
    """A test that ran from 06:02:10 to 06:02:15 and failed."""

    def shown(self, compute="", events="", details=""):
        self.leave("hyperv/nova-compute.log", compute)
        self.leave("hyperv/events.log", events)
        test = {"id": "a.bad", "status": "fail", "start": "2026-11-23T07:02:10+01:00", "seconds": 5}
        self.leave("controller/tempest/results.json", [test | {"details": f"Traceback\n{details}"}])
        return self.page()

    def test_complaints_of_that_time(self):
        shown = self.shown(
            compute=logged(1, "4 ERROR nova [-] before")
            + logged(12, "4 DEBUG nova [-] detail")
            + logged(12, "4 INFO nova [-] fine")
            + logged(13, "4 ERROR nova [req-1] disk is gone")
            + logged(13, "4 ERROR nova [instance: 1] Traceback:")
            + logged(14, "4 ERROR oslo.messaging._drivers.impl_rabbit [-] unreachable")
            + logged(20, "4 ERROR nova [-] after"),
            events=logged(9, "Error       System disk 7: The device has a bad block.")
            + logged(10, "Information System x 1: fine"),
        )
        self.assertIn("logged about it hyperv/nova-compute.log 2026-11-23 06:02:13.000 4 ERROR", shown.text)
        self.assertIn("disk is gone Traceback:", shown.text)
        self.assertIn("view/hyperv/nova-compute.log.html#l4", shown.links)
        self.assertIn("disk 7: The device has a bad block.", shown.text)
        for other in ("before", "detail", "fine", "unreachable", "after", "last error"):
            self.assertNotIn(other, shown.text)

    def test_what_the_simulated_host_guessed(self):
        source = "Microsoft-Windows-Hyper-V-VMMS-Admin Simulated-Host-Guesses 1:"
        events = logged(9, f"Warning     {source} Guessed: it runs. To be recorded: <its> states.")
        self.leave("hyperv-2/events.log", events)
        shown = self.shown(events=events + logged(9, "Warning     Application Other 1: Guessed: a lie."))
        said = shown.text.partition("must not hang on")[2]
        self.assertEqual(1, said.count("Guessed: it runs. To be recorded: <its> states."))
        self.assertNotIn("a lie", said)

    def test_no_guess(self):
        self.assertNotIn("must not hang on", self.shown(events=logged(9, "Warning x y 1: z")).text)

    def test_the_second_host_complains(self):
        self.leave("hyperv-2/nova-compute.log", logged(12, "4 ERROR nova [-] no memory"))
        shown = self.shown(compute=logged(12, "4 INFO nova [-] asked the other"))
        self.assertIn("logged about it hyperv-2/nova-compute.log 2026-11-23 06:02:12.000 4 ERROR", shown.text)
        self.assertNotIn("last error", shown.text)

    def test_lines_that_name_the_server_of_the_test_come_before_others(self):
        shown = self.shown(
            compute=logged(11, f"4 ERROR nova [instance: {OTHER}] of another test")
            + logged(12, f"4 ERROR nova [instance: {SERVER.upper()}] of this test"),
            details=f"Server {SERVER} failed to build",
        )
        self.assertIn("of this test", shown.text)
        self.assertNotIn("of another test", shown.text)

    def test_class_that_was_not_set_up_has_no_beginning(self):
        shown = self.shown(
            compute=logged(1, f"4 INFO nova [instance: {SERVER}] Took 61 seconds to spawn")
            + logged(9, f"4 WARNING nova [instance: {SERVER}] late")
            + logged(12, "4 INFO nova [-] meanwhile"),
            details=f"Server {SERVER} failed to reach ACTIVE status",
        )
        self.assertIn("Took 61 seconds to spawn", shown.text)
        self.assertIn("late", shown.text)
        self.assertNotIn("meanwhile", shown.text)

    def test_without_complaints_what_happened_and_the_last_error(self):
        shown = self.shown(
            compute=logged(1, "4 ERROR nova [-] much earlier") + logged(12, "4 INFO nova [-] what happened")
        )
        self.assertIn("last error hyperv/nova-compute.log 2026-11-23 06:02:01.000 4 ERROR nova", shown.text)
        self.assertIn("what happened", shown.text)

    def test_long_traceback_is_shown_by_its_start_and_its_end(self):
        lines = "".join(logged(12, f"4 ERROR nova [-] line {number}") for number in range(50))
        shown = self.shown(compute=lines)
        self.assertIn("line 0 … line 45", shown.text)
        self.assertIn("line 49", shown.text)

    def test_tests_page(self):
        shown = self.shown(details="<b>all</b> of it")
        self.assertIn("testr_results.html", shown.links)
        tests = Text((self.site / "testr_results.html").read_text())
        self.assertIn("a.bad Traceback <b>all</b> of it fail 06:02:10 5.0 s", tests.text)
        self.assertNotIn("b", tests.tags)


class Nightly(LogPageCase):
    def run_build(self, name, tests, **facts):
        """Publish a build with these tests; return its page."""
        self.site = self.site.with_name(name)
        results = [{"id": test, "status": status} for test, status in tests.items()]
        self.leave("controller/tempest/results.json", results)
        return self.page(build=name, **facts)

    def test_there_is_none_yet(self):
        self.assertIn("Without the change: no nightly has", self.run_build("one", {"a": "fail"}).text)

    def test_what_the_last_one_says_of_the_test(self):
        self.run_build("old", {"a": "fail", "b": "success"}, pipeline="periodic")
        self.run_build("new", {"a": "success", "b": "fail", "c": "skip"}, pipeline="periodic")
        for test, words in {
            "a": "passed in the nightly of",
            "b": "failed too in the nightly of",
            "c": "was skipped in the nightly of",
            "d": "is not in the selection of the nightly of",
        }.items():
            with self.subTest(test=test):
                shown = self.run_build(f"of-{test}", {test: "fail"})
                self.assertIn(f"Without the change: {words}", shown.text)
                self.assertIn("../new/index.html", shown.links)

    def test_a_nightly_is_compared_with_the_one_before(self):
        self.run_build("old", {"a": "success"}, pipeline="periodic")
        shown = self.run_build("new", {"a": "fail"}, pipeline="periodic")
        self.assertIn("passed in the nightly", shown.text)
        self.assertIn("../old/index.html", shown.links)

    def test_what_is_no_nightly_with_results_leaves_the_last_one(self):
        self.run_build("nightly", {"a": "success"}, pipeline="periodic")
        self.run_build("retried", {"a": "fail"}, pipeline="periodic", retry=True)
        self.run_build("empty", {}, pipeline="periodic")
        self.run_build("check", {"a": "fail"})
        self.run_build("other-branch", {"a": "fail"}, pipeline="periodic", branch="master")
        self.run_build("other-project", {"a": "fail"}, pipeline="periodic", project="hyperv-ci")
        self.assertIn("passed in the", self.run_build("one", {"a": "fail"}).text)

    def test_nightly_of_the_same_job_comes_first(self):
        self.run_build("long", {"a": "fail", "b": "fail"}, pipeline="periodic", job="long")
        self.run_build("same", {"a": "success"}, pipeline="periodic")
        self.assertIn("passed in the", self.run_build("one", {"a": "fail"}).text)
        self.assertIn("failed too in the", self.run_build("two", {"b": "fail"}).text)

    def test_names_stay_below_the_site(self):
        self.run_build("nightly", {"a": "success"}, pipeline="periodic", branch="../../..", job="../x")
        (kept,) = (path for path in self.nightlies.rglob("*") if path.is_file())
        self.assertEqual(3, len(kept.relative_to(self.nightlies).parts))


class Host(LogPageCase):
    def test_what_came_and_went_since_the_run_began(self):
        self.leave("hyperv/inventory-before.txt", "host A\nmachine old\n")
        self.leave("hyperv/inventory-after.txt", "host A\nmachine <i>new</i>\n")
        shown = self.page()
        self.assertIn("- machine old + machine <i>new</i>", shown.text)
        self.assertNotIn("host A", shown.text)
        self.assertNotIn("i", shown.tags)

    def test_two_hosts(self):
        for host, left in (("hyperv", ""), ("hyperv-2", "machine new\n")):
            self.leave(f"{host}/inventory-before.txt", "host A\n")
            self.leave(f"{host}/inventory-after.txt", f"host A\n{left}")
        self.assertIn("+ hyperv-2: machine new", self.page().text)

    def test_nothing(self):
        for name in ("before", "after"):
            self.leave(f"hyperv/inventory-{name}.txt", "host A\n")
        self.assertIn("Nothing: it has what it had before.", self.page().text)

    def test_unknown_is_not_nothing(self):
        for name in ("hyperv/inventory-before", "hyperv/inventory-after", "hyperv-2/inventory-before"):
            self.leave(f"{name}.txt", "host A\n")
        self.assertNotIn("What the run left", self.page().text)


class Hostile(LogPageCase):
    SCRIPT = "<script>alert(1)</script>"

    def test_nothing_a_build_says_becomes_an_element(self):
        self.leave(
            "job-output.json",
            [
                playbook(
                    [play(self.SCRIPT, task(self.SCRIPT, self.SCRIPT, **{self.SCRIPT: failed(self.SCRIPT)}))],
                    **{self.SCRIPT: 1},
                )
            ],
        )
        self.leave(
            "controller/tempest/results.json",
            [
                {
                    "id": self.SCRIPT,
                    "status": "fail",
                    "seconds": 1,
                    "details": self.SCRIPT,
                    "start": "2026-11-23T06:02:10",
                },
            ],
        )
        self.leave("evil.html", self.SCRIPT)
        self.leave("script.svg", self.SCRIPT)
        for name in ("inventory-before.txt", "inventory-after.txt", "nova-compute.log", "events.log"):
            self.leave(f"hyperv/{name}", logged(12, f"4 ERROR nova [-] {self.SCRIPT} {name}"))
        self.page()
        for name in ("index.html", "testr_results.html", "view/evil.html.html", "view/job-output.json.html"):
            with self.subTest(name=name):
                shown = Text((self.site / name).read_text())
                self.assertNotIn("script", shown.tags)
                self.assertIn("alert(1)", shown.text)

    def test_only_our_pages_are_html(self):
        for name in ("evil.html", "x.svg", "x.xml", "x.php", "index.html", "view/index.html", "x.js", "none"):
            self.leave(name, self.SCRIPT)
        self.page()
        ours = {"index.html"} | {path.name for path in self.site.glob("view/**/*.html")}
        for path in self.site.rglob("*"):
            if path.is_file() and path.name not in ours:
                self.assertIn(path.suffix, (".txt", ".json", ".bin"), path)

    def test_links_and_special_files_are_left_out(self):
        secret = self.logs.parent / "secret"
        secret.mkdir()
        (secret / "key").write_text("hush")
        os.symlink(secret / "key", self.logs / "key.txt")
        os.symlink(secret, self.logs / "folder")
        os.symlink(secret, self.logs / "controller")
        os.mkfifo(self.logs / "pipe.txt")
        (self.logs / "hyperv").mkdir()
        os.mkfifo(self.logs / "hyperv/nova-compute.log")
        shown = self.page()
        self.assertIn("key.txt: left out, a symbolic link", shown.text)
        self.assertIn("folder: left out, a symbolic link", shown.text)
        self.assertIn("pipe.txt: left out, no regular file", shown.text)
        for path in self.site.rglob("*"):
            self.assertFalse(path.is_symlink())
            self.assertNotIn(b"hush", path.read_bytes() if path.is_file() else b"")

    def test_results_behind_a_link_are_not_read(self):
        elsewhere = self.logs.parent / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "results.json").write_text(json.dumps([{"id": "planted", "status": "fail"}]))
        (self.logs / "controller").mkdir()
        os.symlink(elsewhere, self.logs / "controller/tempest")
        shown = self.page()
        self.assertNotIn("planted", shown.text)
        self.assertIn("Not read: controller/tempest/results.json", shown.text)

    def test_unusual_names_are_left_out(self):
        for name in ("a\nb.txt", ".htaccess", "<b>.txt", "\u202etxt.exe", os.fsdecode(b"\xff.txt"), "%2e%2e"):
            self.leave(name, "x")
        shown = self.page()
        self.assertEqual(6, shown.text.count("left out, an unusual name"))
        self.assertNotIn("b", shown.tags)

    def test_deep_folders(self):
        self.logs.joinpath(*["d"] * 30).mkdir(parents=True)
        self.assertIn("a folder too deep", self.page().text)

    def test_many_files(self):
        for number in range(2010):
            (self.logs / f"f{number}.txt").touch()
        self.assertTrue("There were more files than are published." in self.page().text)

    def test_names_that_become_the_same(self):
        self.leave("a", "one")
        self.leave("a.txt", "two")
        self.leave("zuul-manifest.json", "three")
        shown = self.page()
        self.assertIn("its name is another's", shown.text)
        self.assertIn("tree", json.loads((self.site / "zuul-manifest.json").read_text()))

    def test_long_file_is_shown_by_its_start_and_its_end(self):
        self.leave("long.log", "first line\n" + "x" * 99 + "\n" + "middle\n" * 800_000 + "last line\n")
        self.page()
        view = (self.site / "view/long.log.html").read_text()
        self.assertIn("first line", view)
        self.assertIn('id="l800003"', view)
        self.assertIn("bytes are in the raw file only", view)

    def test_published_pages_are_never_written_over(self):
        self.assertEqual(0, self.run_log_page().returncode)
        before = (self.site / "index.html").read_bytes()
        result = self.run_log_page(success=True)
        self.assertEqual(1, result.returncode)
        self.assertIn("File exists", result.stderr)
        self.assertEqual(before, (self.site / "index.html").read_bytes())


class Files(LogPageCase):
    def test_every_link_of_the_page_leads_somewhere(self):
        self.leave("job-output.txt", "\x1b[31mred\x1b[0m and a line\n")
        self.leave("hyperv/etc/nova.conf", "[DEFAULT]\n")
        self.leave("hyperv/a b.log", "x")
        self.leave("raw.subunit", b"\0\1")
        shown = self.page()
        local = [link for link in shown.links if "://" not in link]
        for link in ("view/job-output.txt.html", "raw.subunit", "view/hyperv/a%20b.log.html"):
            self.assertIn(link, local)
        for link in local:
            self.assertTrue((self.site / link.replace("%20", " ")).is_file(), link)
        view = self.site / "view/hyperv/etc/nova.conf.html"
        for link in Text(view.read_text()).links:
            if not link.startswith("#"):
                self.assertTrue((view.parent / link).is_file(), link)
        self.assertIn("red and a line", Text((self.site / "view/job-output.txt.html").read_text()).text)
        self.assertEqual("\x1b[31mred", (self.site / "job-output.txt").read_text()[:8])

    def test_facts_are_checked(self):
        result = self.run_log_page(success="yes")
        self.assertEqual(2, result.returncode)
        self.assertEqual("log_page: success is 'yes', expected bool\n", result.stderr)
