# SPDX-License-Identifier: Apache-2.0
"""Network virtualization, and the DNS Server role."""

import dataclasses

from lab.hyperv_model.host import STANDARD
from tests.contract.hyperv_model.os_win_case import OsWinCase, OsWinError
from tests.unit.hyperv_model.case import FAST

PRIMARY, SECONDARY = 0, 1


class NetworkVirtualizationCase(OsWinCase):
    """os-win 5.9 makes its records with ``new(**values)`` and ``Put_``, which PyMI has not: on Windows, too,
    it gets by only where the record is there already.
    """

    def setUp(self):
        super().setUp()
        self.nvgreutils = self.os_win.nvgreutils

    def record(self, kind, **values):
        class_name = f"MSFT_NetVirtualization{kind}SettingData"
        number = len(self.records(kind))
        return self.model.store.add(STANDARD, class_name, InstanceID=f"{kind} {number}", **values)

    def records(self, kind):
        return self.model.store.of(STANDARD, f"MSFT_NetVirtualization{kind}SettingData")

    def test_the_hosts_address_is_that_of_its_adapter_at_the_switch(self):
        self.assertEqual(["192.0.2.10", 24], self.nvgreutils.get_network_iface_ip("external"))
        self.assertEqual([None, None], self.nvgreutils.get_network_iface_ip("none"))

    def test_routes_of_a_subnet_are_deleted(self):
        for subnet in (5001, 5001, 5002):
            self.record("CustomerRoute", VirtualSubnetID=subnet)
        self.nvgreutils.clear_customer_routes(5001)
        self.assertEqual([5002], [route["VirtualSubnetID"] for route in self.records("CustomerRoute")])

    def test_what_is_there_is_left_alone(self):
        self.record("ProviderAddress", ProviderAddress="192.0.2.10", VlanID=7, InterfaceIndex=1)
        self.nvgreutils.create_provider_address("external", 7)
        self.record("ProviderRoute", InterfaceIndex=1, NextHop="0.0.0.0")
        self.nvgreutils.create_provider_route("external")
        self.record(
            "LookupRecord",
            CustomerAddress="10.0.0.2",
            VirtualSubnetID=5001,
            ProviderAddress="192.0.2.10",
            MACAddress="FA163E000001",
        )
        self.nvgreutils.create_lookup_record("192.0.2.10", "10.0.0.2", "FA163E000001", 5001)
        self.assertEqual(
            [1, 1, 1],
            [len(self.records(kind)) for kind in ("ProviderAddress", "ProviderRoute", "LookupRecord")],
        )

    def test_what_is_not_there_os_win_cannot_make(self):
        self.record("ProviderAddress", ProviderAddress="192.0.2.10", VlanID=8, InterfaceIndex=1)
        for create in (
            lambda: self.nvgreutils.create_provider_address("external", 7),
            lambda: self.nvgreutils.create_customer_route(5001, "10.0.0.0/24", "10.0.0.1", "1"),
        ):
            with self.assertRaisesRegex(
                OsWinError, "TypeError.*new\\(\\) got an unexpected keyword argument"
            ):
                create()
        self.assertEqual([], self.records("ProviderAddress"))  # the one on another VLAN it has deleted before


class DnsCase(OsWinCase):
    facts = dataclasses.replace(FAST, dns_server=True)

    def setUp(self):
        super().setUp()
        self.dnsutils = self.os_win.dnsutils

    def test_a_zone_is_made_changed_and_deleted(self):
        self.assertEqual([], self.dnsutils.zone_list())
        self.dnsutils.zone_create("example.org", PRIMARY, False, admin_email_name="admin.example.org")
        self.assertTrue(self.dnsutils.zone_exists("EXAMPLE.org"))
        self.assertEqual(["example.org"], self.dnsutils.zone_list())
        self.assertEqual(
            {
                "zone_type": PRIMARY,
                "ds_integrated": False,
                "data_file_name": "example.org.dns",
                "master_servers": [],
            },
            self.dnsutils.get_zone_properties("example.org"),
        )
        self.assertEqual(1, self.dnsutils.get_zone_serial("example.org"))
        self.dnsutils.zone_modify("example.org", allow_update=1, notify=0)
        (zone,) = self.model.store.of("root/MicrosoftDNS", "MicrosoftDNS_Zone")
        self.assertEqual((1, 0, 0), (zone["AllowUpdate"], zone["Notify"], zone["SecureSecondaries"]))
        self.dnsutils.zone_update("example.org")
        self.dnsutils.zone_delete("example.org")
        self.assertFalse(self.dnsutils.zone_exists("example.org"))
        self.assertIsNone(self.dnsutils.get_zone_serial("example.org"))
        with self.assertRaisesRegex(OsWinError, "DNSZoneNotFound"):
            self.dnsutils.zone_update("example.org")

    def test_a_secondary_zone_has_a_master(self):
        with self.assertRaisesRegex(OsWinError, "x_wmi.*masters none"):
            self.dnsutils.zone_create("example.org", SECONDARY, False)
        self.dnsutils.zone_create("example.org", SECONDARY, False, ip_addrs=["192.0.2.53"])
        self.assertEqual(["192.0.2.53"], self.dnsutils.get_zone_properties("example.org")["master_servers"])
        self.dnsutils.zone_update("example.org")
        self.assertIsNone(self.dnsutils.get_zone_serial("example.org"))

    def test_a_zone_is_there_once_and_not_in_a_directory(self):
        self.dnsutils.zone_create("example.org", PRIMARY, False)
        with self.assertRaisesRegex(OsWinError, "DNSZoneAlreadyExists"):
            self.dnsutils.zone_create("example.org", PRIMARY, False)
        with self.assertRaisesRegex(OsWinError, "is in no domain"):
            self.dnsutils.zone_create("example.com", PRIMARY, True)


class NoDnsCase(OsWinCase):
    def test_without_the_role_there_is_no_namespace(self):
        with self.assertRaisesRegex(OsWinError, "no namespace root/MicrosoftDNS"):
            self.os_win.wmi('wmi.WMI("//./root/MicrosoftDNS").MicrosoftDNS_Zone()')
