# SPDX-License-Identifier: Apache-2.0
"""Nodepool driver of the lab: a node is a process of this machine, made for one request and deleted after it.

Every label names the Python module that is such a node (lab.windows_host, lab.controller_node). The driver
starts ``python -m MODULE --root DIR --name NAME --address A --port P`` and the label's ``options``, waits
for DIR/ready, and ends the process with SIGTERM. What it knows is in the nodes' folders, so a launcher that
restarts finds them.
"""

import signal
import subprocess
import time
from pathlib import Path

import voluptuous
from nodepool.driver import ConfigPool, ConfigValue, ProviderConfig, statemachine
from nodepool.driver.utils import QuotaInformation
from nodepool.exceptions import LaunchNodepoolException, NotFound

from lab.nodes import END_TIMEOUT, Nodes, NodesError, command_line


class SimulatedLabel(ConfigValue):
    """One label of a pool: what runs, where, and how Zuul reaches it."""

    # Nodepool's state machine reads these of every label.
    diskimage = None
    host_key_checking = False  # the driver makes the host keys, so it has no need to scan for them

    def __init__(self, config, pool):
        self.name = config["name"]
        self.pool = pool
        self.module = config["module"]
        self.network = config["network"]
        self.hostname = config["hostname"]
        self.options = config.get("options", {})
        self.cloud_image = SimulatedImage(config)

    def __eq__(self, other):
        mine = (self.name, self.module, self.network, self.hostname, self.options, self.cloud_image)
        return isinstance(other, SimulatedLabel) and mine == (
            (other.name, other.module, other.network, other.hostname, other.options, other.cloud_image)
        )

    # The base class hides it by defining equality; nodepool keeps labels as keys of a cache.
    __hash__ = object.__hash__


class SimulatedImage(ConfigValue):
    """What nodepool calls a cloud image: how a node of the label is reached."""

    def __init__(self, config):
        self.name = config["name"]
        self.username = config["username"]
        self.connection_type = config["connection-type"]
        self.connection_port = config["connection-port"]
        self.shell_type = config.get("shell-type")
        self.python_path = config.get("python-path", "auto")

    def __eq__(self, other):
        return isinstance(other, SimulatedImage) and vars(self) == vars(other)


class SimulatedPool(ConfigPool):
    use_internal_ip = False

    def load(self, pool_config, full_config):
        super().load(pool_config)
        self.name = pool_config["name"]
        for label in pool_config["labels"]:
            self.labels[label["name"]] = SimulatedLabel(label, self)
            full_config.labels[label["name"]].pools.append(self)

    def __eq__(self, other):
        return super().__eq__(other) and other.name == self.name and other.labels == self.labels


class SimulatedProviderConfig(ProviderConfig):
    manage_images = False
    pools = None

    def __init__(self, driver, provider):
        self.driver_object = driver
        super().__init__(provider)

    def load(self, config):
        self.nodes = Path(self.provider["nodes"])
        self.logs = Path(self.provider["logs"])
        self.python = self.provider["python"]
        self.checkout = self.provider["checkout"]
        self.launch_timeout = self.boot_timeout = self.provider.get("launch-timeout", 120)
        self.launch_retries = self.provider.get("launch-retries", 2)
        self.pools = {}
        for pool_config in self.provider["pools"]:
            pool = SimulatedPool()
            pool.load(pool_config, config)
            self.pools[pool.name] = pool

    def __eq__(self, other):
        return super().__eq__(other) and other.provider == self.provider and other.pools == self.pools

    def getSchema(self):
        label = {
            voluptuous.Required("name"): str,
            voluptuous.Required("module"): str,
            voluptuous.Required("network"): str,
            voluptuous.Required("hostname"): str,
            voluptuous.Required("username"): str,
            voluptuous.Required("connection-type"): voluptuous.Any("ssh", "winrm"),
            # No default: nodepool's static driver assumes 22 even for WinRM.
            voluptuous.Required("connection-port"): int,
            "shell-type": str,
            "python-path": str,
            "options": {str: str},
        }
        pool = ConfigPool.getCommonSchemaDict() | {
            voluptuous.Required("name"): str,
            voluptuous.Required("labels"): [label],
        }
        provider = ProviderConfig.getCommonSchemaDict() | {
            voluptuous.Required("nodes"): str,
            voluptuous.Required("logs"): str,
            voluptuous.Required("python"): str,
            voluptuous.Required("checkout"): str,
            voluptuous.Required("pools"): [pool],
            "launch-timeout": int,
            "launch-retries": int,
        }
        return voluptuous.Schema(provider)

    def getSupportedLabels(self, pool_name=None):
        return {
            label for pool in self.pools.values() if pool_name in (None, pool.name) for label in pool.labels
        }


class SimulatedInstance(statemachine.Instance):
    def __init__(self, node, host_keys=None):
        super().__init__()
        self.ready = True
        self.external_id = node.name
        self.interface_ip = self.public_ipv4 = self.private_ipv4 = node.address
        self.metadata = node.metadata
        self.cloud = self.region = "lab"
        if host_keys:
            self.host_keys = host_keys

    def getQuotaInformation(self):
        return QuotaInformation(instances=1)


class CreateStateMachine(statemachine.StateMachine):
    STARTING = "starting"

    def __init__(self, config, nodes, label, hostname, metadata, request):
        super().__init__()
        self.config = config
        self.nodes = nodes
        self.label = label
        self.external_id = hostname
        self.metadata = metadata
        self.request = request
        self.log_file = config.logs / f"{hostname}.log"
        self.host_keys = []
        self.node = None

    def advance(self):
        """Start the node, then wait for it; return it as an instance once it answers."""
        if self.state == self.START:
            self.start()
            self.state = self.STARTING
        elif self.node.is_ready():
            self.complete = True
            return SimulatedInstance(self.node, self.host_keys)
        elif not self.node.is_alive():
            last_lines = " / ".join(self.log_file.read_text(errors="replace").splitlines()[-3:])
            raise LaunchNodepoolException(f"{self.label.name} {self.external_id} ended: {last_lines}")

    def start(self):
        try:
            self.node = self.nodes.create(
                self.external_id,
                self.label.network,
                self.label.cloud_image.connection_port,
                self.command,
                self.log_file,
                self.metadata,
                self.config.checkout,
            )
        except NodesError as error:
            raise LaunchNodepoolException(str(error)) from error

    def command(self, folder, address):
        """Return the command line of the node in ``folder`` at ``address``."""
        label, image = self.label, self.label.cloud_image
        words = command_line(
            self.config.python,
            label.module,
            folder,
            address,
            image.connection_port,
            label.hostname,
            label.options,
            self.request,
        )
        if image.connection_type == "ssh":
            words += ["--host-key", str(self.make_host_key(folder))]
        return words

    def make_host_key(self, folder):
        """Make the node's SSH host key, keep its public half for Zuul, return the private one's file."""
        path = folder / "ssh_host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
        self.host_keys = [path.with_suffix(".pub").read_text().strip()]
        return path


class DeleteStateMachine(statemachine.StateMachine):
    ENDING = "ending"

    def __init__(self, nodes, external_id):
        super().__init__()
        self.nodes = nodes
        self.external_id = external_id

    def advance(self):
        """Ask the node to end, end it by force after END_TIMEOUT, and remove its folder."""
        try:
            node = self.nodes.get(self.external_id)
        except KeyError:
            raise NotFound(f"there is no node {self.external_id}") from None
        if self.state == self.START:
            node.signal(signal.SIGTERM)
            self.state = self.ENDING
        elif node.is_alive():
            if time.monotonic() - self.start_time > END_TIMEOUT:
                node.signal(signal.SIGKILL)
        else:
            node.remove()
            self.complete = True


class SimulatedAdapter(statemachine.Adapter):
    def __init__(self, provider_config):
        super().__init__(provider_config)
        self.config = provider_config
        self.nodes = Nodes(provider_config.nodes)

    def getCreateStateMachine(self, hostname, label, image_external_id, metadata, request, az, log):
        return CreateStateMachine(self.config, self.nodes, label, hostname, metadata, request.id)

    def getDeleteStateMachine(self, external_id, log):
        return DeleteStateMachine(self.nodes, external_id)

    def listInstances(self):
        return [SimulatedInstance(node) for node in self.nodes.list()]

    def listResources(self):
        resources = []
        for node in self.nodes.list():
            resource = statemachine.Resource(node.metadata, "instance")
            resource.name = node.name
            resources.append(resource)
        return resources

    def deleteResource(self, resource):
        """Delete a node that ZooKeeper knows nothing of, which nodepool calls leaked."""
        machine = self.getDeleteStateMachine(resource.name, None)
        while not machine.complete:
            machine.advance()
            time.sleep(0.1)


class SimulatedDriver(statemachine.StateMachineDriver):
    def getProviderConfig(self, provider):
        return SimulatedProviderConfig(self, provider)

    def getAdapter(self, provider_config):
        return SimulatedAdapter(provider_config)
