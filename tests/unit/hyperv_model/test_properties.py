# SPDX-License-Identifier: Apache-2.0
"""What must hold for every machine, query and disk, whatever is done; the inputs are the same each time."""

import pathlib
import tempfile
import threading
import unittest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.hyperv_model import checkpoint_disks, errors, states, vhd, wql
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase

MIB = 1 << 20


def same(examples):
    # A slow machine is no reason to fail.
    slow = [HealthCheck.too_slow]
    return settings(derandomize=True, deadline=None, max_examples=examples, suppress_health_check=slow)


class TestLifecycle(ModelCase):
    job_seconds = 0

    # A shutdown asks the guest, and takes what it takes.
    requests = st.sampled_from(sorted(states.REQUESTS - {states.SHUT_DOWN, states.REBOOT}) + [1, 99])

    @same(60)
    @given(st.lists(st.one_of(requests, st.sampled_from(["take", "apply"])), max_size=12))
    def test_the_table_says_it_all(self, requested):
        name = f"vm-{len(self.model.machines)}"
        machine, state, taken = self.define(name), states.OFF, []
        for request in requested:
            transition = states.TRANSITIONS.get((state, request))
            if request == "take":
                taken.append((self.take(machine), states.OFF if state == states.OFF else states.SAVED))
            elif request == "apply":
                if taken:
                    snapshot, of_snapshot = taken[len(taken) // 2]
                    applies = state in (states.OFF, states.SAVED)
                    outputs, _ = self.call(self.snapshots, "ApplySnapshot", Snapshot=snapshot)
                    self.assertEqual(0 if applies else 32775, outputs["ReturnValue"])
                    state = of_snapshot if applies else state
            elif transition:
                self.request(machine, request)
                state = transition.to
            else:
                outputs, _ = self.call(machine.system.path, "RequestStateChange", RequestedState=request)
                self.assertIn(outputs["ReturnValue"], (32773, 32775))
            self.assertEqual(state, machine.state, (name, requested))
        if state != states.OFF:
            self.request(machine, states.DISABLE)
        self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        self.assertNotIn(machine, self.model.machines.values())

    @property
    def snapshots(self):
        return self.wmi.query("SELECT * FROM Msvm_VirtualSystemSnapshotService")[0].path

    def take(self, machine):
        """Returns the path of the new checkpoint."""
        outputs = self.succeed(
            self.snapshots, "CreateSnapshot", AffectedSystem=machine.system.path, SnapshotType=2
        )
        return outputs["ResultingSnapshot"]

    # Writes, and what is done to one of the checkpoints that there are then.
    steps = st.lists(
        st.tuples(st.sampled_from(["write", "take", "apply", "destroy", "tree"]), st.integers(0, 5)),
        max_size=14,
    )

    @same(25)
    @given(steps)
    def test_checkpoints_hold_what_the_disk_was(self, steps):
        name = f"vm-{len(list(self.root.glob('C/*')))}"
        machine = self.define(name, generation=2)
        root = self.file(f"C:\\{name}\\root.vhdx")
        self.attach(machine, root)
        content, held, base = b"\0\0\0\0", {}, None
        for step, number in steps:
            if step == "write":
                content = b"%04d" % number
                with self.model.lock, vhd.open_chain(self.disk_of(machine), self.local, write=True) as disk:
                    disk.write(0, content)
            elif step == "take":
                taken = self.take(machine)
                held[taken], base = (content, base), taken
            elif held:
                chosen = list(held)[number % len(held)]
                if step == "apply":
                    self.succeed(self.snapshots, "ApplySnapshot", Snapshot=chosen)
                    content, base = held[chosen][0], chosen
                elif step == "destroy":
                    self.succeed(self.snapshots, "DestroySnapshot", AffectedSnapshot=chosen)
                    base = self.without(held, chosen, base)
                else:
                    self.succeed(self.snapshots, "DestroySnapshotTree", SnapshotSettingData=chosen)
                    for each in reversed(list(held)):
                        if chosen in self.ancestors(held, each):
                            base = self.without(held, each, base)
            self.check_held(machine, content, base, held)
        self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
        self.assertEqual(content, self.read(root))
        self.assertEqual(1, len(list(self.local(root).parent.iterdir())))

    def check_held(self, machine, content, base, held):
        # Disks may merge by now, or not: nobody can tell.
        with self.model.lock:
            self.assertEqual(base, machine.settings["Parent"])
            self.assertEqual(content, self.read(self.disk_of(machine)))
            for snapshot, (expected, parent) in held.items():
                settings = self.wmi.at(snapshot)
                self.assertEqual(parent, settings["Parent"])
                (disk,) = checkpoint_disks.of_settings(self.model, [settings])
                self.assertEqual(expected, self.read(disk["HostResource"][0]))

    @staticmethod
    def ancestors(held, snapshot):
        """It and those that it is based on."""
        while snapshot:
            yield snapshot
            snapshot = held[snapshot][1]

    @staticmethod
    def without(held, snapshot, base):
        """Take a checkpoint out of the tree; returns what the machine is based on then."""
        _, parent = held.pop(snapshot)
        for other, (content, of_other) in held.items():
            if of_other == snapshot:
                held[other] = (content, parent)
        return parent if base == snapshot else base

    def disk_of(self, machine):
        return machine.of("Msvm_StorageAllocationSettingData")[0]["HostResource"][0]

    def read(self, path):
        with vhd.open_chain(path, self.local) as disk:
            return disk.read(0, 4)

    def test_machines_come_and_go_while_others_look(self):
        first = self.define("first")
        looking = iter(self.model.machines.values())
        self.define("second")
        self.assertEqual([first], list(looking))
        looking = iter(self.model.machines.values())
        next(looking)
        self.succeed(self.service, "DestroySystem", AffectedSystem=first.system.path)
        self.assertEqual("second", next(looking).name)

    def test_many_at_once(self):
        failures = []

        def live(number):
            try:
                machine = self.define(f"many-{number}")
                for request in (states.ENABLE, states.QUIESCE, states.ENABLE, states.OFFLINE, states.DISABLE):
                    self.request(machine, request)
                self.succeed(self.service, "DestroySystem", AffectedSystem=machine.system.path)
            except Exception as error:  # noqa: BLE001 - a thread's failure is the test's
                failures.append((number, error))

        threads = [threading.Thread(target=live, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([], failures)
        self.assertEqual({}, dict(self.model.machines))


conditions = st.recursive(
    st.builds(
        lambda name, sign, value: (f"{name} {sign} {value}", lambda row: _compare(row[name], sign, value)),
        st.sampled_from(["Number", "Address"]),
        st.sampled_from(["=", "<>", "<", ">=", ">"]),
        st.integers(-2, 5),
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda left, right: (f"({left[0]}) AND ({right[0]})", lambda row: left[1](row) and right[1](row)),
            inner,
            inner,
        ),
        st.builds(
            lambda left, right: (f"({left[0]}) OR ({right[0]})", lambda row: left[1](row) or right[1](row)),
            inner,
            inner,
        ),
        st.builds(lambda one: (f"NOT ({one[0]})", lambda row: not one[1](row)), inner),
    ),
    max_leaves=6,
)


def _compare(value, sign, wanted):
    return {
        "=": value == wanted,
        "<>": value != wanted,
        "<": value < wanted,
        ">=": value >= wanted,
        ">": value > wanted,
    }[sign]


class _Property:
    def __init__(self, name):
        self.name, self.type = name, "sint32"


class _Row:
    """What a condition asks of an instance."""

    class_name = "Row"

    def __init__(self, **values):
        self.values, self.definition = values, self
        self.properties = {name.lower(): _Property(name) for name in values}


class TestQueries(unittest.TestCase):
    @same(200)
    @given(conditions, st.integers(-1, 4), st.integers(-1, 4))
    def test_conditions_mean_what_they_say(self, condition, number, address):
        text, holds = condition
        query = wql.parse(f"SELECT * FROM Row WHERE {text}")
        row = {"Number": number, "Address": address}
        self.assertEqual(holds(row), query.matches(_Row(**row)), text)

    @same(200)
    @given(st.text(alphabet="select * from where andornot'\"\\()=<>[]%_isa null 12.x\n", max_size=60))
    def test_any_text_is_a_query_or_refused(self, text):
        for query in (text, f"SELECT * FROM Row WHERE {text}"):
            try:
                wql.parse(query).matches(_Row(Number=1, x=2))
            except CimError as error:
                self.assertEqual(errors.INVALID_QUERY, error.code)

    typed = st.builds(
        "{} {} {}".format,
        st.sampled_from(["Text", "Nothing", "Flag", "Many", "When", "Path", "Number", "__CLASS", "'1'", "2"]),
        st.sampled_from(["=", "<>", "<", ">=", "LIKE", "ISA", "IS", "IS NOT"]),
        st.sampled_from(
            [
                "'x'",
                "1",
                "-2.5",
                "TRUE",
                "NULL",
                "'[a-z'",
                "'[z-a]%'",
                "'%'",
                "Text",
                "a.Text",
                "''",
                "'2026'",
            ]
        ),
    )

    @same(300)
    @given(typed)
    def test_a_condition_of_any_type_holds_or_is_refused(self, condition):
        values = {"Text": "x", "Nothing": None, "Flag": True, "Many": ["x"], "Number": 1}
        row = _Row(**values, When="20261126000000.000000+000", Path='A.B="c"')
        types = {
            "Text": "string",
            "Nothing": "uint32",
            "Flag": "boolean",
            "Many": "string[]",
            "Path": "reference",
        }
        for name, cim_type in {**types, "When": "datetime"}.items():
            row.properties[name.lower()].type = cim_type
        try:
            self.assertIsInstance(wql.parse(f"SELECT * FROM Row WHERE {condition}").matches(row), bool)
        except CimError as error:
            self.assertEqual(errors.INVALID_QUERY, error.code, condition)

    def test_what_is_too_long_or_too_deep_is_refused(self):
        for text in ("not " * 5000 + "a = 1", "(" * 5000, " " * 200_000):
            error = None
            try:
                wql.parse(f"SELECT * FROM Row WHERE {text}")
            except CimError as caught:
                error = caught
            self.assertEqual(errors.INVALID_QUERY, error.code)


class TestDisks(unittest.TestCase):
    SIZE = 8 * MIB

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.disks = 0

    def local(self, path):
        return self.folder / path.rpartition("\\")[2]

    writes = st.lists(
        st.tuples(st.integers(0, 8 * MIB - 70_000), st.integers(1, 66_000), st.integers(1, 255)), max_size=4
    )

    @same(25)
    @given(
        st.sampled_from(["vhd", "vhdx"]), st.sampled_from(["fixed", "dynamic"]), writes, writes, st.booleans()
    )
    def test_what_is_written_is_read(self, ending, kind, below, above, merged):
        self.disks += 1
        parent, child = (rf"C:\{name}-{self.disks}.{ending}" for name in ("parent", "child"))
        vhd.create(self.local(parent), self.SIZE, kind)
        content = bytearray(self.SIZE)
        self.write(vhd.open_disk(self.local(parent), write=True), below, content)
        vhd.create_differencing(child, parent, self.local)
        original = bytes(content)
        self.write(vhd.open_chain(child, self.local, write=True), above, content)
        self.check(vhd.open_chain(child, self.local), content)
        self.check(vhd.open_disk(self.local(parent)), original)
        if merged:
            vhd.merge(child, self.local)
            self.check(vhd.open_disk(self.local(parent)), content)

    def write(self, disk, writes, content):
        with disk:
            for offset, length, value in writes:
                # A guest writes whole sectors.
                offset, length = offset // 512 * 512, max(512, length // 512 * 512)
                data = bytes([value]) * length
                disk.write(offset, data)
                content[offset : offset + length] = data

    def check(self, disk, content):
        with disk:
            self.assertEqual(self.SIZE, disk.size)
            self.assertTrue(disk.read(0, self.SIZE) == content, "the content differs")
