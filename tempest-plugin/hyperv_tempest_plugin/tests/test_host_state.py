# SPDX-License-Identifier: Apache-2.0
"""A server's state, vCPUs, memory, disks and NICs are on its host what nova says they are; what was done
to it has succeeded."""

import time

import testtools
from tempest import config, test
from tempest.common import waiters
from tempest.lib import decorators
from tempest.lib.common.utils import data_utils, test_utils
from winrm.protocol import Protocol

from hyperv_tempest_plugin.comparison import differences, failed_actions, instance_name
from hyperv_tempest_plugin.host import HypervHost

CONF = config.CONF


class TestHostState(test.BaseTestCase):
    credentials = ["primary", "admin"]

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.hyperv.host_addresses:
            raise cls.skipException("[hyperv] host_addresses is not set in tempest.conf")

    @classmethod
    def setup_credentials(cls):
        # Without a network of its own the server would have no NIC to look for.
        cls.set_network_resources(network=True, subnet=True)
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.servers = cls.os_primary.servers_client
        cls.hosts = {address: cls.host(address) for address in CONF.hyperv.host_addresses}

    @staticmethod
    def host(address):
        options = CONF.hyperv
        return HypervHost(
            Protocol(
                f"https://{address}:{options.host_port}/wsman",
                transport=options.transport,
                username=options.username,
                password=options.password,
                cert_pem=options.certificate,
                cert_key_pem=options.certificate_key,
                ca_trust_path=options.ca_certificates or None,
                server_cert_validation="validate" if options.ca_certificates else "ignore",
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

    def assert_host_agrees(self, server_id, after):
        """Return the server as an administrator sees it; a failure names the action that it is after."""
        server = self.os_admin.servers_client.show_server(server_id)["server"]
        # Before microversion 2.47 a server has its flavor's id only.
        flavor = server["flavor"]
        if "vcpus" not in flavor:
            flavor = self.os_admin.flavors_client.show_flavor(flavor["id"])["flavor"]
        ports = self.os_admin.ports_client.list_ports(device_id=server_id)["ports"]
        machines = {address: host.machine(instance_name(server)) for address, host in self.hosts.items()}
        address = self.address_of(server)
        self.assertIn(address, machines, "nova has the server on a host that [hyperv] host_addresses lacks")
        found = differences(server, flavor, ports, machines.pop(address), CONF.hyperv.cow_images)
        found += [
            f"host: nova says {address}; {other} has it too" for other, machine in machines.items() if machine
        ]
        if found:
            self.fail(
                f"after {after}: server {server_id} ({instance_name(server)}) is not what nova says. "
                + ". ".join(found)
            )
        failed = failed_actions(self.finished_actions(server_id))
        if failed:
            self.fail(f"after {after}: server {server_id}, as nova has its actions. " + ". ".join(failed))
        return server

    def finished_actions(self, server_id):
        """Return the actions on a server once their events have ended: shortly after its status is new."""
        client = self.os_admin.servers_client
        deadline = time.monotonic() + CONF.compute.build_timeout
        while True:
            actions = [
                client.show_instance_action(server_id, action["request_id"])["instanceAction"]
                for action in client.list_instance_actions(server_id)["instanceActions"]
            ]
            running = [
                event["event"] for action in actions for event in action["events"] if not event["finish_time"]
            ]
            if not running:
                return actions
            if time.monotonic() > deadline:
                self.fail(
                    f"server {server_id}: after {CONF.compute.build_timeout} s {', '.join(running)} "
                    "still runs, nova says"
                )
            time.sleep(CONF.compute.build_interval)

    def address_of(self, server):
        """Return the address of the host that nova has a server on."""
        (hypervisor,) = (
            one
            for one in self.os_admin.hypervisor_client.list_hypervisors(detail=True)["hypervisors"]
            if one["hypervisor_hostname"] == server["OS-EXT-SRV-ATTR:hypervisor_hostname"]
        )
        return hypervisor["host_ip"]

    def act(self, server_id, action, status, **arguments):
        """Have an action done; return the server once nova and its host agree on what came of it."""
        getattr(self.servers, action)(server_id, **arguments)
        waiters.wait_for_server_status(self.servers, server_id, status)
        return self.assert_host_agrees(server_id, action)

    @decorators.idempotent_id("5c5b1f6e-5f0e-4d58-9b0a-0a7d4bd4a4c1")
    def test_created_and_deleted_server(self):
        server_id = self.create_server()
        server = self.assert_host_agrees(server_id, "create_server")
        self.servers.delete_server(server_id)
        waiters.wait_for_server_termination(self.servers, server_id)
        for address, host in self.hosts.items():
            self.assertIsNone(
                host.machine(instance_name(server)),
                f"nova says that server {server_id} is gone; {address} still has {instance_name(server)}",
            )

    @decorators.idempotent_id("9f5a8f8c-6f7f-4a55-8a0c-6f1f6b2f1b9d")
    def test_power_states(self):
        server_id = self.create_server()
        self.act(server_id, "stop_server", "SHUTOFF")
        self.act(server_id, "start_server", "ACTIVE")
        self.act(server_id, "pause_server", "PAUSED")
        self.act(server_id, "unpause_server", "ACTIVE")
        self.act(server_id, "suspend_server", "SUSPENDED")
        self.act(server_id, "resume_server", "ACTIVE")

    @decorators.idempotent_id("4e1f3a52-93d4-4d0e-8f5a-6d3b1c7e9a20")
    def test_rebooted_server(self):
        server_id = self.create_server()
        for how in ("SOFT", "HARD"):
            asked = time.monotonic()
            server = self.act(server_id, "reboot_server", "ACTIVE", type=how)
            uptime = self.hosts[self.address_of(server)].machine(instance_name(server)).uptime
            self.assertLess(
                uptime,
                time.monotonic() - asked,
                f"nova says that server {server_id} was rebooted ({how}); "
                f"its host has {instance_name(server)} running since before that",
            )

    @decorators.idempotent_id("b7c0a5d9-2f6e-4c38-9a41-0e8d7f5b3c16")
    def test_changed_hardware(self):
        server_id = self.create_server()
        interfaces = self.os_primary.interfaces_client
        port = interfaces.create_interface(server_id, net_id=self.get_tenant_network()["id"])
        self.assert_host_agrees(server_id, "create_interface")
        detached = interfaces.delete_interface(server_id, port["interfaceAttachment"]["port_id"])
        waiters.wait_for_interface_detach(
            self.os_admin.servers_client,
            server_id,
            port["interfaceAttachment"]["port_id"],
            detached.response["x-openstack-request-id"],
        )
        self.assert_host_agrees(server_id, "delete_interface")
        self.act(server_id, "resize_server", "VERIFY_RESIZE", flavor_ref=CONF.compute.flavor_ref_alt)
        self.act(server_id, "confirm_resize_server", "ACTIVE")
        self.act(server_id, "rebuild_server", "ACTIVE", image_ref=CONF.compute.image_ref_alt)

    @decorators.idempotent_id("3f1f6a55-1d0f-4b0e-8a7e-5a8e5c0f7d6b")
    @testtools.skipUnless(
        CONF.compute_feature_enabled.live_migration and CONF.compute.min_compute_nodes > 1,
        "there is no host to migrate to, or [compute-feature-enabled] live_migration is off",
    )
    def test_migrated_server(self):
        server_id = self.create_server()
        before = self.assert_host_agrees(server_id, "create_server")
        self.os_admin.servers_client.live_migrate_server(
            server_id, host=None, block_migration=True, disk_over_commit=False
        )
        waiters.wait_for_server_status(self.servers, server_id, "ACTIVE")
        after = self.assert_host_agrees(server_id, "live_migrate_server")
        self.assertNotEqual(self.address_of(before), self.address_of(after))
