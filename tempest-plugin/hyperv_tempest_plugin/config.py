# SPDX-License-Identifier: Apache-2.0
"""The options of [hyperv] in tempest.conf."""

from oslo_config import cfg, types

hyperv_group = cfg.OptGroup("hyperv", title="The Hyper-V hosts that nova's servers run on")

HypervGroup = [
    cfg.ListOpt(
        "host_addresses",
        item_type=types.HostAddress(),
        default=[],
        help="Address of each Windows host, as nova has it (my_ip of its nova-compute). "
        "Without any, every test is skipped.",
    ),
    cfg.PortOpt("host_port", default=5986, help="Port of their WinRM listeners for HTTPS."),
    cfg.StrOpt(
        "transport",
        default="certificate",
        choices=["certificate", "basic", "ntlm"],
        help="How to authenticate: with certificate and certificate_key, or with username and password.",
    ),
    cfg.StrOpt("certificate", help="File of the client certificate (PEM)."),
    cfg.StrOpt("certificate_key", help="File of its key (PEM, not encrypted)."),
    cfg.StrOpt("username", help="User for basic and ntlm."),
    cfg.StrOpt("password", secret=True, help="Password for basic and ntlm."),
    cfg.StrOpt(
        "ca_certificates",
        help="File of the authorities (PEM) that may have signed the hosts' certificates. "
        "Without it they are not checked, as most are self-signed.",
    ),
    cfg.BoolOpt(
        "cow_images",
        default=True,
        help="Whether root disks are differencing disks (nova's use_cow_images on the hosts).",
    ),
]
