# SPDX-License-Identifier: Apache-2.0
"""Event queries: WMI polls the class every WITHIN seconds and tells what changed since (documented).

So a state that is passed through between two polls is never seen, and a change arrives up to WITHIN seconds
late.
"""

import threading

from lab.hyperv_model import errors, providers
from lab.hyperv_model.cim import Instance
from lab.hyperv_model.errors import CimError

CREATION, MODIFICATION, DELETION = KINDS = (
    "__InstanceCreationEvent",
    "__InstanceModificationEvent",
    "__InstanceDeletionEvent",
)
# Seconds of WITHIN. Documented ("WITHIN Clause"): one as small as this can be refused as not valid; that it
# is, and nothing above, is inferred.
TOO_SMALL = 0.001
OPERATION = "__InstanceOperationEvent"  # what the three derive from (documented)


class Subscription:
    """A running event query.

    :param query: the parsed query
    :param deliver: called as deliver(event class name, dict of TargetInstance and PreviousInstance) in a
        thread of the subscription
    """

    def __init__(self, model, namespace, query, deliver):
        wanted = [kind for kind in KINDS if query.class_name.lower() in (kind.lower(), OPERATION.lower())]
        if not wanted:
            raise CimError(errors.INVALID_CLASS, f"no events of class {query.class_name}")
        if query.within is None:
            raise CimError(errors.QUERY_NEEDS_WITHIN, f"a query for {query.class_name} needs WITHIN")
        if query.within <= TOO_SMALL:
            raise CimError(errors.INVALID_QUERY, f"WITHIN {query.within} is too small")
        if query.target_class is None:
            raise CimError(errors.QUERY_TOO_BROAD, "an event query needs TargetInstance ISA 'a class'")
        blank = Instance(model.store.definition(namespace, query.target_class), {})
        instances = (
            ("TargetInstance", "PreviousInstance") if wanted == [MODIFICATION] else ("TargetInstance",)
        )
        query.matches({"__CLASS": wanted[0], **dict.fromkeys(instances, blank)})
        self._model = model
        self._namespace = namespace
        self._query = query
        self._kinds = wanted
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
                if self._query.matches(event) and self.is_running:
                    self._deliver(event["__CLASS"], self._selected(event))

    def _changes(self, before, after):
        made, gone, kept = after.keys() - before.keys(), before.keys() - after.keys(), after.keys() & before
        changes = {
            CREATION: [{"TargetInstance": after[key]} for key in made],
            DELETION: [{"TargetInstance": before[key]} for key in gone],
            MODIFICATION: [
                {"TargetInstance": after[key], "PreviousInstance": before[key]}
                for key in kept
                if after[key].values != before[key].values
            ],
        }
        return [{"__CLASS": kind, **change} for kind in self._kinds for change in changes[kind]]

    def _selected(self, event):
        fields = {field.lower() for field in self._query.fields}
        return {
            name: value
            for name, value in event.items()
            if name != "__CLASS" and (not fields or name.lower() in fields)
        }
