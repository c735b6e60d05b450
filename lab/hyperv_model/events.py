# SPDX-License-Identifier: Apache-2.0
"""Event queries: WMI polls the class every WITHIN seconds and tells what changed since (documented).

So a state that is passed through between two polls is never seen, and a change arrives up to WITHIN seconds
late.
"""

import threading

from lab.hyperv_model import errors, providers
from lab.hyperv_model.cim import Instance
from lab.hyperv_model.errors import CimError

CREATION, MODIFICATION, DELETION = (
    "__instancecreationevent",
    "__instancemodificationevent",
    "__instancedeletionevent",
)


class Subscription:
    """A running event query.

    :param query: the parsed query
    :param deliver: called as deliver(event class name, dict of TargetInstance and PreviousInstance) in a
        thread of the subscription
    """

    def __init__(self, model, namespace, query, deliver):
        if query.class_name.lower() not in (CREATION, MODIFICATION, DELETION):
            raise CimError(errors.INVALID_CLASS, f"no events of class {query.class_name}")
        if query.within is None:
            raise CimError(errors.QUERY_NEEDS_WITHIN, f"a query for {query.class_name} needs WITHIN")
        if query.target_class is None:
            raise CimError(errors.INVALID_QUERY, "an event query needs TargetInstance ISA 'a class'")
        blank = Instance(model.store.definition(namespace, query.target_class), {})
        query.matches({"TargetInstance": blank, "PreviousInstance": blank})
        self._model = model
        self._namespace = namespace
        self._query = query
        self._deliver = deliver
        self._cancelled = threading.Event()
        self._seen = self._snapshot()
        self._thread = threading.Thread(target=self._poll, name="hyperv-events", daemon=True)
        self._thread.start()

    @property
    def is_running(self):
        return not self._cancelled.is_set()

    def cancel(self):
        self._cancelled.set()

    def _snapshot(self):
        with self._model.lock:
            found = self._model.store.of(self._namespace, self._query.target_class)
            return {instance.identity: providers.computed(self._model, instance).copy() for instance in found}

    def _poll(self):
        while not self._cancelled.wait(self._query.within):
            before, self._seen = self._seen, self._snapshot()
            for event in self._changes(before, self._seen):
                if self._query.matches(event) and not self._cancelled.is_set():
                    self._deliver(self._query.class_name, self._selected(event))

    def _changes(self, before, after):
        kind = self._query.class_name.lower()
        if kind == CREATION:
            return [{"TargetInstance": after[key]} for key in after.keys() - before.keys()]
        if kind == DELETION:
            return [{"TargetInstance": before[key]} for key in before.keys() - after.keys()]
        return [
            {"TargetInstance": after[key], "PreviousInstance": before[key]}
            for key in after.keys() & before.keys()
            if after[key].values != before[key].values
        ]

    def _selected(self, event):
        fields = {field.lower() for field in self._query.fields}
        return {name: value for name, value in event.items() if not fields or name.lower() in fields}
