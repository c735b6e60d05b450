# SPDX-License-Identifier: Apache-2.0
"""Microsoft's iSCSI initiator: the service behind iscsidsc.dll, its sessions and the disks they bring."""

import dataclasses
import itertools

from lab import guesses, iscsi
from lab.hyperv_model import disks, passthrough
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import serves
from lab.hyperv_model.remote_targets import RemoteTarget
from lab.iscsi import client

# iscsierr.h
CONNECTION_FAILED = 0xEFFF0003
AUTHENTICATION_FAILURE = 0xEFFF0009
AUTHORIZATION_FAILURE = 0xEFFF000A
INVALID_SESSION_ID = 0xEFFF001C
TARGET_NOT_FOUND = 0xEFFF0029
TARGET_ALREADY_LOGGED_IN = 0xEFFF003F
DEVICE_BUSY_ON_SESSION = 0xEFFF0040
PERSISTENT_LOGIN_NOT_REMOVED = 0xEFFF0042
INVALID_INITIATOR_CHAP_SECRET = 0xEFFF004C

# A login's status class and detail (RFC 7143) → the error
REFUSALS = {
    iscsi.AUTHENTICATION_FAILURE: AUTHENTICATION_FAILURE,
    iscsi.AUTHORIZATION_FAILURE: AUTHORIZATION_FAILURE,
    iscsi.NOT_FOUND: TARGET_NOT_FOUND,
}

INSTANCE = "Root\\ISCSIPRT\\0000_0"  # the software initiator's name (documented, in iscsicli's output)
SECRET_BYTES = range(12, 17)  # of a CHAP secret (documented: 96 to 128 bits)
MULTIPATH_ENABLED = 2  # ISCSI_LOGIN_FLAGS


@dataclasses.dataclass(eq=False)
class Session:
    """
    :ivar portal: (address, port) of its one connection
    :ivar connected: whether that connection stands
    :ivar numbers: of its disks, by LUN
    :ivar awaited: LUNs whose disks are on their way
    """

    identifier: int
    name: str
    portal: tuple
    connected: bool = True
    numbers: dict = dataclasses.field(default_factory=dict)
    awaited: set = dataclasses.field(default_factory=set)


class Initiator:
    """
    :ivar name: this host's, in the form that Windows gives it (documented)
    :ivar static: names of the targets that were added by hand
    :ivar persistent: logins that are to be made again when the host boots, as dicts
    :ivar sessions: by identifier
    """

    def __init__(self, model):
        self.name = f"iqn.1991-05.com.microsoft:{model.name.lower()}"
        self.static = []
        self.persistent = []
        self.sessions = {}
        self._model = model
        self._identifiers = itertools.count(1)
        model.storage_network.watch(self.look)

    def log_in(self, name, portal, flags, chap):
        network = self._model.storage_network
        target = network.targets.get(name)
        if portal is not None and self._is_outside(portal):
            target = self._reach(portal, name, chap)
        if portal is None:
            portals = target.portals if target else ()
            portal = next(filter(network.answers, portals), None)
        if portal is None or not network.answers(portal):
            raise _failure(CONNECTION_FAILED, f"no portal answers at {portal}")
        target = network.at(portal, name)
        if target is None:
            # Inferred: the error's own description; there are two similar codes.
            self._model.guesses.meet(guesses.TARGET_NOT_FOUND)
            raise _failure(TARGET_NOT_FOUND, f"{portal} has no target {name}")
        if target.initiators is not None and self.name not in target.initiators:
            raise _failure(AUTHORIZATION_FAILURE, f"{name} does not admit {self.name}")
        if target.chap is not None and target.chap != chap:
            raise _failure(AUTHENTICATION_FAILURE, f"{name} expects another CHAP user or secret")
        others = [session for session in self.sessions.values() if session.name == name]
        if others and not flags & MULTIPATH_ENABLED:
            raise _failure(TARGET_ALREADY_LOGGED_IN, f"there is a session with {name}")
        session = Session(next(self._identifiers), name, portal)
        self.sessions[session.identifier] = session
        self.look()
        return session

    def _is_outside(self, portal):
        """Whether what this process knows of a portal, if anything, are sessions with another program."""
        targets = self._model.storage_network.targets.values()
        return all(isinstance(target, RemoteTarget) for target in targets if portal in target.portals)

    def _reach(self, portal, name, chap):
        """Log in at a portal outside of this process; further sessions share the first one's disks."""
        try:
            target = RemoteTarget(portal, self.name, name, chap)
        except client.Refused as refused:
            raise _failure(REFUSALS.get(refused.status, CONNECTION_FAILED), f"{name}: {refused}") from refused
        except OSError as error:
            raise _failure(CONNECTION_FAILED, f"no portal answers at {portal}: {error}") from error
        if known := self._model.storage_network.targets.get(name):
            target.close()
            return known
        return self._model.storage_network.add(target)

    def _leave(self, name):
        """End the connection to a target outside of this process with its last session."""
        target = self._model.storage_network.targets.get(name)
        if isinstance(target, RemoteTarget) and all(other.name != name for other in self.sessions.values()):
            self._model.storage_network.remove(target)
            target.close()

    def log_out(self, session):
        """A session whose disk a running machine has stays (documented: the error's description)."""
        for number in session.numbers.values():
            user = passthrough.user(self._model, number)
            if user and not self._is_shared(session, number):
                raise _failure(DEVICE_BUSY_ON_SESSION, f"{user.name} uses disk {number}")
        del self.sessions[session.identifier]
        self._drop_disks(session)
        self._leave(session.name)

    def log_in_again(self):
        """What the service does at the host's boot."""
        for session in list(self.sessions.values()):
            del self.sessions[session.identifier]
            self._drop_disks(session)
            self._leave(session.name)
        for login in self.persistent:
            self.log_in(login["target"], login["portal"], login["flags"], login["chap"])

    def look(self):
        """Bring sessions and disks in line with the storage network; a lost session comes back by itself
        (documented: the initiator reconnects).
        """
        with self._model.lock:
            for session in self.sessions.values():
                target = self._model.storage_network.at(session.portal, session.name)
                session.connected = target is not None
                luns = target.luns if target else {}
                for lun in [lun for lun in session.numbers if lun not in luns]:
                    self._drop_disk(session, lun)
                for lun in luns.keys() - session.numbers.keys() - session.awaited:
                    self._await_disk(session, lun, luns[lun])

    def _await_disk(self, session, lun, unit):
        def arrive():
            session.awaited.discard(lun)
            target = self._model.storage_network.at(session.portal, session.name)
            if session.identifier in self.sessions and target and target.luns.get(lun) is unit:
                session.numbers[lun] = disks.of_unit(self._model, unit, disks.ISCSI)

        session.awaited.add(lun)
        if unit.late:
            self._model.jobs.after(unit.late, arrive)
        else:
            arrive()

    def _drop_disks(self, session):
        for lun in list(session.numbers):
            self._drop_disk(session, lun)

    def _drop_disk(self, session, lun):
        number = session.numbers[lun]
        if not self._is_shared(session, number):
            disks.leave(self._model, number)
        del session.numbers[lun]

    def _is_shared(self, session, number):
        return any(
            number in other.numbers.values() for other in self.sessions.values() if other is not session
        )


def install(model):
    model.initiator = Initiator(model)


def _failure(code, message):
    return CimError(code, message)


def _session(model, identifier):
    try:
        return model.initiator.sessions[identifier]
    except KeyError:
        raise _failure(INVALID_SESSION_ID, f"no session {identifier}") from None


@serves("iscsidsc.GetIScsiInitiatorNodeNameW")
def get_initiator_node_name(model):
    return model.initiator.name


@serves("iscsidsc.ReportIScsiInitiatorListW")
def report_initiator_list(model):
    return [INSTANCE]


@serves("iscsidsc.ReportIScsiTargetsW")
def report_targets(model):
    return model.initiator.static


@serves("iscsidsc.AddIScsiStaticTargetW")
def add_static_target(model, target):
    if target not in model.initiator.static:
        model.initiator.static.append(target)


@serves("iscsidsc.RemoveIScsiStaticTargetW")
def remove_static_target(model, target):
    if target not in model.initiator.static:
        raise _failure(TARGET_NOT_FOUND, f"no static target {target}")
    model.initiator.static.remove(target)


@serves("iscsidsc.LoginIScsiTargetW")
def log_in(model, target, portal, flags, user, secret, persistent):
    """A persistent login is noted, not made (inferred: os-win makes a second call for that)."""
    if target not in model.initiator.static:
        raise _failure(TARGET_NOT_FOUND, f"{target} is not among the known targets")
    if secret is not None and len(secret) not in SECRET_BYTES:
        raise _failure(
            INVALID_INITIATOR_CHAP_SECRET, f"the CHAP secret has {len(secret)} bytes, expected 12 to 16"
        )
    portal = portal and tuple(portal)
    chap = (user, secret) if user else None
    if persistent:
        login = {"target": target, "portal": portal, "flags": flags, "chap": chap}
        if login not in model.initiator.persistent:
            model.initiator.persistent.append(login)
        return 0
    return model.initiator.log_in(target, portal, flags, chap).identifier


@serves("iscsidsc.LogoutIScsiTarget")
def log_out(model, session):
    model.initiator.log_out(_session(model, session))


@serves("iscsidsc.GetIScsiSessionListW")
def get_session_list(model):
    return [
        {
            "session": session.identifier,
            "initiator": model.initiator.name,
            "target": session.name,
            "portal": session.portal if session.connected else None,
        }
        for session in model.initiator.sessions.values()
    ]


@serves("iscsidsc.GetDevicesForIScsiSessionW")
def get_devices(model, session):
    found = _session(model, session)
    return [
        {
            "initiator": INSTANCE,
            "target": found.name,
            "lun": lun,
            "number": number,
            "name": disks.device_name(number),
            "interface": disks.of_number(model, number)["Path"],
        }
        for lun, number in sorted(found.numbers.items())
    ]


@serves("iscsidsc.ReportIScsiPersistentLoginsW")
def report_persistent_logins(model):
    return [
        {"initiator": INSTANCE, "target": login["target"], "portal": login["portal"]}
        for login in model.initiator.persistent
    ]


@serves("iscsidsc.RemoveIScsiPersistentTargetW")
def remove_persistent_target(model, target, portal):
    left = [
        login
        for login in model.initiator.persistent
        if (login["target"], login["portal"]) != (target, portal and tuple(portal))
    ]
    if len(left) == len(model.initiator.persistent):
        raise _failure(PERSISTENT_LOGIN_NOT_REMOVED, f"no persistent login to {target} at {portal}")
    model.initiator.persistent = left
