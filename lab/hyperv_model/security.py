# SPDX-License-Identifier: Apache-2.0
"""Virtual TPM, encryption and shielding of a machine; whether the host is guarded.

Key protector and policy are blobs of a guardian. A host that is in local mode opens what its own guardians
made, nothing else: it starts no machine whose TPM has another host's key protector (documented: "Guarded
fabric and shielded VMs overview").
"""

import secrets

from lab.hyperv_model import embedded, errors
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.jobs import FAILED, INVALID_PARAMETER, INVALID_STATE, V2, JobFailure
from lab.hyperv_model.machine import machine_of
from lab.hyperv_model.providers import provides
from lab.hyperv_model.states import OFF, TITLES

SERVICE = "Msvm_SecurityService"
SETTINGS = "Msvm_SecuritySettingData"
HGS = "root/Microsoft/Windows/Hgs"
LOCAL = 1  # Mode (inferred from Hyper-V's own tools: 1 is where they make local key protectors)
CERTIFICATE_SIZE = 16  # of a guardian's stand-in for a certificate, which begins its key protectors


def install(model):
    model.store.add_service(V2, SERVICE, "vmms-security", "Hyper-V Security Service")


@provides(f"{SERVICE}.SetKeyProtector")
def set_key_protector(model, service, KeyProtector, SecuritySettingData):
    def work(machine, wanted):
        if not KeyProtector:
            raise _failure(machine, "the key protector is empty")
        machine.key_protector = KeyProtector

    return _change(model, "SetKeyProtector", SecuritySettingData, work)


@provides(f"{SERVICE}.GetKeyProtector")
def get_key_protector(model, service, SecuritySettingData):
    machine, _ = _read(model, SecuritySettingData)
    return {"KeyProtector": machine.key_protector or []}


@provides(f"{SERVICE}.SetSecurityPolicy")
def set_security_policy(model, service, SecurityPolicy, SecuritySettingData):
    def work(machine, wanted):
        if not SecurityPolicy:
            raise _failure(machine, "the security policy is empty")

    return _change(model, "SetSecurityPolicy", SecuritySettingData, work)


@provides(f"{SERVICE}.ModifySecuritySettings")
def modify_security_settings(model, service, SecuritySettingData):
    """A virtual TPM needs a key protector (documented for Enable-VMTPM), shielding a TPM (documented for
    Set-VMSecurityPolicy).
    """

    def work(machine, wanted):
        (current,) = _settings_of(model, machine)
        changed = current.copy()
        changed.update(**{name: value for name, value in wanted.values.items() if value is not None})
        if changed["TpmEnabled"] and not machine.key_protector:
            raise _failure(machine, "a virtual TPM needs a key protector, and it has none")
        if changed["ShieldingRequested"] and not changed["TpmEnabled"]:
            raise _failure(machine, "shielding needs a virtual TPM")
        current.update(**changed.values)

    return _change(model, "ModifySecuritySettings", SecuritySettingData, work)


def _change(model, method, text, work):
    """Run a method of the service on a machine of generation 2 that is off (documented for Enable-VMTPM)."""
    machine, wanted = _read(model, text)

    def checked():
        if machine.generation != 2:
            raise _failure(machine, "a virtual machine of generation 1 has no virtual TPM")
        if machine.state != OFF:
            raise _failure(machine, f"it is {TITLES[machine.state]}, needs Off", INVALID_STATE)
        work(machine, wanted)

    return model.jobs.run(f"{SERVICE}.{method}", [machine.system], checked)


def _read(model, text):
    wanted = embedded.read(text, model.store, V2, SETTINGS)
    current = model.store.find(V2, SETTINGS, {"InstanceID": wanted["InstanceID"]})
    return machine_of(model, current), wanted


def _settings_of(model, machine):
    prefix = machine.settings["InstanceID"] + "\\"
    return [found for found in model.store.of(V2, SETTINGS) if found["InstanceID"].startswith(prefix)]


def _failure(machine, reason, code=INVALID_PARAMETER):
    return JobFailure(f"'{machine.name}' failed to modify security settings: {reason}.", code)


def check_start(model, machine, prefix):
    """Refuse to start a machine whose TPM's state this host cannot decrypt."""
    if not machine.key_protector or not _settings_of(model, machine)[0]["TpmEnabled"]:
        return
    certificates = [guardian["SigningCertificate"] for guardian in model.store.of(HGS, "MSFT_HgsGuardian")]
    if machine.key_protector[:CERTIFICATE_SIZE] not in certificates:
        raise JobFailure(
            f"{prefix} The key protector for the virtual machine could not be unwrapped.", FAILED
        )


@provides("MSFT_HgsGuardian.NewByGenerateCertificates")
def new_guardian(model, target, Name, GenerateCertificates):
    if not Name or not GenerateCertificates:
        raise CimError(errors.INVALID_PARAMETER, "a new guardian takes a Name, and GenerateCertificates")
    if model.store.of(HGS, "MSFT_HgsGuardian", Name=Name):
        raise CimError(errors.ALREADY_EXISTS, f"there is a guardian '{Name}' already")  # Name is the key
    guardian = model.store.add(
        HGS,
        "MSFT_HgsGuardian",
        Name=Name,
        SigningCertificate=list(secrets.token_bytes(CERTIFICATE_SIZE)),
        HasPrivateSigningKey=True,
    )
    return {"cmdletOutput": guardian}


@provides("MSFT_HgsKeyProtector.NewByGuardians")
def new_key_protector(model, target, AllowUntrustedRoot, AllowExpired, Owner, Guardian):
    """Documented: guardians with self-signed certificates, as all here have, must be allowed."""
    found = model.store.of(HGS, "MSFT_HgsGuardian", Name=Owner["Name"]) if Owner else []
    if not found or Guardian:
        raise CimError(
            errors.INVALID_PARAMETER, "expected a guardian of this host as the Owner, and no other"
        )
    if not AllowUntrustedRoot:
        raise CimError(
            errors.INVALID_PARAMETER, f"the certificates of '{Owner['Name']}' are signed by themselves"
        )
    certificate = found[0]["SigningCertificate"]
    key_protector = model.store.build(
        HGS, "MSFT_HgsKeyProtector", Owner=found[0], RawData=[*certificate, *secrets.token_bytes(32)]
    )
    return {"cmdletOutput": key_protector}


@provides("MSFT_HgsClientConfiguration.Get")
def get_hgs_client_configuration(model, target):
    """A host that no guardian service attests (documented for Get-HgsClientConfiguration)."""
    configuration = model.store.build(
        HGS,
        "MSFT_HgsClientConfiguration",
        IsHostGuarded=False,
        Mode=LOCAL,
        AttestationStatus=4,
        AttestationSubstatus=0,
    )
    return {"cmdletOutput": configuration}
