# SPDX-License-Identifier: Apache-2.0
"""A server's state, vCPUs, memory, disks and NICs are on the Hyper-V host what nova says they are."""

from tempest import config, test
from tempest.common import waiters
from tempest.lib import decorators
from tempest.lib.common.utils import data_utils, test_utils
from winrm.protocol import Protocol

from hyperv_tempest_plugin.comparison import differences, instance_name
from hyperv_tempest_plugin.host import HypervHost

CONF = config.CONF


class TestHostState(test.BaseTestCase):
    credentials = ["primary", "admin"]

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.hyperv.host_address:
            raise cls.skipException("[hyperv] host_address is not set in tempest.conf")

    @classmethod
    def setup_credentials(cls):
        # Without a network of its own the server would have no NIC to look for.
        cls.set_network_resources(network=True, subnet=True)
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.servers = cls.os_primary.servers_client
        host = CONF.hyperv
        cls.host = HypervHost(
            Protocol(
                f"https://{host.host_address}:{host.host_port}/wsman",
                transport=host.transport,
                username=host.username,
                password=host.password,
                cert_pem=host.certificate,
                cert_key_pem=host.certificate_key,
                ca_trust_path=host.ca_certificates or None,
                server_cert_validation="validate" if host.ca_certificates else "ignore",
                proxy=None,
            )
        )

    def create_server(self):
        network = self.get_tenant_network()
        self.assertTrue(network, "tempest has no network for the server: see [compute] fixed_network_name")
        server = self.servers.create_server(
            name=data_utils.rand_name("TestHostState", prefix=CONF.resource_name_prefix),
            imageRef=CONF.compute.image_ref,
            flavorRef=CONF.compute.flavor_ref,
            networks=[{"uuid": network["id"]}],
        )["server"]
        self.addCleanup(waiters.wait_for_server_termination, self.servers, server["id"])
        self.addCleanup(test_utils.call_and_ignore_notfound_exc, self.servers.delete_server, server["id"])
        waiters.wait_for_server_status(self.servers, server["id"], "ACTIVE")
        return server["id"]

    def assert_host_agrees(self, server_id):
        server = self.os_admin.servers_client.show_server(server_id)["server"]
        # Before microversion 2.47 a server has its flavor's id only.
        flavor = server["flavor"]
        if "vcpus" not in flavor:
            flavor = self.os_admin.flavors_client.show_flavor(flavor["id"])["flavor"]
        ports = self.os_admin.ports_client.list_ports(device_id=server_id)["ports"]
        found = differences(
            server, flavor, ports, self.host.machine(instance_name(server)), CONF.hyperv.cow_images
        )
        if found:
            self.fail(
                f"server {server_id} ({instance_name(server)}) is not what nova says. " + ". ".join(found)
            )
        return server

    @decorators.idempotent_id("5c5b1f6e-5f0e-4d58-9b0a-0a7d4bd4a4c1")
    def test_created_server(self):
        self.assert_host_agrees(self.create_server())

    @decorators.idempotent_id("9f5a8f8c-6f7f-4a55-8a0c-6f1f6b2f1b9d")
    def test_stopped_and_started_server(self):
        server_id = self.create_server()
        self.servers.stop_server(server_id)
        waiters.wait_for_server_status(self.servers, server_id, "SHUTOFF")
        self.assert_host_agrees(server_id)
        self.servers.start_server(server_id)
        waiters.wait_for_server_status(self.servers, server_id, "ACTIVE")
        self.assert_host_agrees(server_id)

    @decorators.idempotent_id("0d4c2b67-1c85-4f0b-8f39-3a1b7a2e7d15")
    def test_deleted_server(self):
        server_id = self.create_server()
        server = self.assert_host_agrees(server_id)
        self.servers.delete_server(server_id)
        waiters.wait_for_server_termination(self.servers, server_id)
        self.assertIsNone(
            self.host.machine(instance_name(server)),
            f"nova says that server {server_id} is gone; the host still has {instance_name(server)}",
        )
