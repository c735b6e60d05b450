# SPDX-License-Identifier: Apache-2.0
"""The host's Fibre Channel adapters, one for each of its ports: what hbaapi.dll tells of them."""

from lab.hyperv_model import disks
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.providers import serves

# hbaapi.h
ILLEGAL_WWN = 5


class Fabric:
    """The paths from this host's ports to logical units.

    :ivar numbers: of the disks, by (host's port, target's port, LUN)
    """

    def __init__(self, model):
        self.numbers = {}
        self._model = model

    def look(self):
        """Bring the disks in line with the storage network, as a rescan does (inferred: os-brick rescans)."""
        units = self._units()
        for path in [
            path for path, number in self.numbers.items() if self._model.disks[number] is not units.get(path)
        ]:
            number = self.numbers.pop(path)
            if number not in self.numbers.values():
                disks.leave(self._model, number)
        for path, unit in units.items():
            if path not in self.numbers:
                self.numbers[path] = disks.of_unit(self._model, unit, disks.FIBRE_CHANNEL)

    def _units(self):
        return {
            (port, target.port, number): unit
            for _node, port in self._model.facts.fibre_channel
            for target in self._model.storage_network.fabric
            if target.admits(port)
            for number, unit in target.luns.items()
        }


def install(model):
    model.fabric = Fabric(model)


@serves("hbaapi.HBA_GetNumberOfAdapters")
def get_ports(model):
    """(node's WWN, port's WWN) of each adapter."""
    return model.facts.fibre_channel


@serves("hbaapi.HBA_GetFcpTargetMapping")
def get_target_mapping(model, port):
    nodes = {target.port: target.node for target in model.storage_network.fabric}
    return [
        {"node": nodes[target], "port": target, "lun": lun, "name": disks.device_name(number)}
        for (own, target, lun), number in model.fabric.numbers.items()
        if own == port
    ]


@serves("hbaapi.HBA_ScsiInquiryV2")
def inquire(model, port, target, lun):
    """The NAA identifier of a logical unit."""
    number = model.fabric.numbers.get((port, target, lun))
    if number is None:
        raise CimError(ILLEGAL_WWN, f"{port} reaches no LUN {lun} of {target}")
    return model.disks[number].identifier
