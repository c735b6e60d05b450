# SPDX-License-Identifier: Apache-2.0
r"""win_firewall, win_firewall_rule: kept in the registry as Windows does (documented: MS-FASP, MS-GPFAS).

Nothing is filtered: who may reach a port of this host is up to the machine that it runs on.
"""

from typing import Any

from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed

POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
RULES = POLICY + r"\FirewallRules"

_PROFILES = {"Domain": "DomainProfile", "Private": "StandardProfile", "Public": "PublicProfile"}
_DEFAULTS = {"EnableFirewall": 1, "DefaultInboundAction": 1, "DefaultOutboundAction": 0}
_ACTIONS = {"allow": 0, "block": 1, "not_configured": 0}

_PROTOCOLS = {"tcp": "6", "udp": "17", "icmpv4": "1", "icmpv6": "58"}
# Parameter, the rule's field, and how its value is written.
_FIELDS = {
    "action": ("Action", str.title),
    "enabled": ("Active", lambda value: str(value).upper()),
    "direction": ("Dir", str.title),
    "protocol": ("Protocol", lambda value: _PROTOCOLS.get(value.lower(), value)),
    "profiles": ("Profile", lambda value: ",".join(sorted(each.title() for each in value))),
    "localport": ("LPort", str),
    "remoteport": ("RPort", str),
    "localip": ("LA4", str),
    "remoteip": ("RA4", str),
    "program": ("App", str),
    "service": ("Svc", str),
    "description": ("Desc", str),
    "group": ("EmbedCtxt", str),
    "icmp_type_code": ("ICMP4", lambda value: ",".join(map(str, value))),
}
# Values that mean a rule without the field.
_NOTHING = {"any"}


def win_firewall(call: ModuleCall) -> dict[str, Any]:
    registry, enabled = call.session.host.registry, call["state"] == "enabled"
    result: dict[str, Any] = {
        "changed": False,
        "restart_required": False,
        "profiles": call["profiles"],
        "state": call["state"],
    }
    for profile, key in _PROFILES.items():
        key = f"{POLICY}\\{key}"
        present = {name: registry.data(key, name, default) for name, default in _DEFAULTS.items()}
        considered = profile in call["profiles"]
        result[profile] = {
            "enabled": enabled if considered else bool(present["EnableFirewall"]),
            "considered": considered,
            "currentstate": present["EnableFirewall"],
        }
        if not considered:
            continue
        wanted = {"EnableFirewall": int(enabled)}
        for parameter, name in (
            ("inbound_action", "DefaultInboundAction"),
            ("outbound_action", "DefaultOutboundAction"),
        ):
            if enabled and call[parameter] is not None:
                wanted[name] = _ACTIONS[call[parameter]]
        for name, value in wanted.items():
            if present[name] != value:
                result["changed"] = True
                if not call.check_mode:
                    registry.set(key, name, "REG_DWORD", value)
    return result


def _read(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split("|") if "=" in part)


def _write(rule: dict[str, str]) -> str:
    return "v2.31|" + "".join(f"{name}={value}|" for name, value in rule.items())


def win_firewall_rule(call: ModuleCall) -> dict[str, Any]:
    registry, name = call.session.host.registry, call["name"]
    if not name and not call["group"]:
        raise ModuleFailed("Either name or group must be specified")
    known = {
        value: _read(data)
        for value, (_, data) in (registry.values(RULES) if registry.key_exists(RULES) else {}).items()
    }
    existing = {
        value: rule
        for value, rule in known.items()
        if (rule.get("Name", "").lower() == name.lower() if name else rule.get("EmbedCtxt") == call["group"])
    }
    given = {}
    for parameter, (field, written) in _FIELDS.items():
        value = call[parameter]
        if value is not None:
            text = written(value)
            given[field] = "" if text.lower() in _NOTHING else text
    if call["state"] == "absent":
        return _remove(call, existing)
    if not existing:
        if not name:
            return {"changed": False}
        rule = {"Action": "Allow", "Active": "TRUE", "Dir": "In", **given, "Name": name}
        _check_ports(rule)
        call.diff = {"prepared": _lines("+", rule)}
        if not call.check_mode:
            registry.set(RULES, name, "REG_SZ", _write({key: value for key, value in rule.items() if value}))
        return {"changed": True, "msg": f"Firewall rule '{name}' created."}
    changed = {
        value: rule
        for value, rule in existing.items()
        if any(rule.get(field, "") != text for field, text in given.items())
    }
    for rule in changed.values():
        _check_ports({**rule, **given})
    for value, rule in changed.items() if not call.check_mode else ():
        merged = {key: text for key, text in {**rule, **given}.items() if text}
        registry.set(RULES, value, "REG_SZ", _write(merged))
    call.diff = {
        "prepared": "".join(_lines("-", rule) + _lines("+", {**rule, **given}) for rule in changed.values())
    }
    names = [
        "', '".join(value for value in existing if (value in changed) == which) for which in (True, False)
    ]
    return {
        "changed": bool(changed),
        "msg": f"Firewall rule(s) changed '{names[0]}' - unchanged '{names[1]}'",
    }


def _check_ports(rule: dict[str, str]) -> None:
    """Refuse ports of what is neither TCP nor UDP (documented: INetFwRule::put_LocalPorts)."""
    for field, name in (("LPort", "LocalPorts"), ("RPort", "RemotePorts")):
        if rule.get(field) and rule.get("Protocol") not in (_PROTOCOLS["tcp"], _PROTOCOLS["udp"]):
            raise ModuleFailed(
                f'Exception setting "{name}": "Value does not fall within the expected range."'
                " (the rule's protocol is neither TCP nor UDP)"
            )


def _remove(call: ModuleCall, existing: dict[str, dict[str, str]]) -> dict[str, Any]:
    if not existing:
        missing = f"Firewall rule '{call['name']}' does not exist."
        return {
            "changed": False,
            "msg": missing if call["name"] else f"No firewall rules in group '{call['group']}' exist.",
        }
    call.diff = {"prepared": "".join(_lines("-", rule) for rule in existing.values())}
    for value in existing if not call.check_mode else ():
        call.session.host.registry.delete_value(RULES, value)
    names = "', '".join(rule.get("Name", value) for value, rule in existing.items())
    return {"changed": True, "msg": f"Firewall rule(s) '{names}' removed."}


def _lines(sign: str, rule: dict[str, str]) -> str:
    return f"{sign}[{rule.get('Name', '')}]\n" + "".join(
        f"{sign}{key}='{value}'\n" for key, value in rule.items()
    )
