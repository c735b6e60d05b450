# SPDX-License-Identifier: Apache-2.0
"""Where two recordings differ, as far as the simulated host claims to be like the other."""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.hyperv_model import errors
from lab.recording.archive import Recording

# What .NET and the model call the same types.
TYPES = {"instance": "object"}
# Timings are told from this ratio on, if the longer took this many seconds.
TIMING, RATIO, SECONDS = "timing", 10, 1.0
# What the simulated host raises for a method that it has not.
NOT_SIMULATED = {f"0x{code:08X}" for code in (errors.INVALID_METHOD, errors.METHOD_NOT_IMPLEMENTED)}


@dataclass(frozen=True)
class Difference:
    """Something that the two hosts do not do alike.

    :ivar area: an attribute of Recording, or TIMING, on which no vote depends
    """

    area: str
    what: str
    real: str
    simulated: str

    def __str__(self) -> str:
        return f"{self.area}: {self.what}: the real host {self.real}, the simulated one {self.simulated}"


def differences(real: Recording, simulated: Recording) -> list[Difference]:
    """Return what the simulated host has that the real one has not, or has otherwise.

    What nobody simulates is no difference: asked for it, the simulated host refuses.
    """
    return [
        *_classes(real, simulated),
        *_calls(real, simulated),
        *_commands(real, simulated),
        *_winrm(real, simulated),
    ]


def _classes(real: Recording, simulated: Recording) -> Iterator[Difference]:
    for namespace, classes in simulated.classes.items():
        there = _folded(real.classes.get(namespace, {}))
        for name, ours in classes.items():
            what = f"{namespace} {name}"
            theirs = there.get(name.lower())
            if theirs is None:
                yield Difference("classes", what, "has none", "has it")
                continue
            if (theirs["parent"] or "").lower() != (ours["parent"] or "").lower():
                yield Difference(
                    "classes", f"{what}, parent", f"has {theirs['parent']}", f"has {ours['parent']}"
                )
            yield from _members(what, theirs["properties"], ours["properties"], _property)
            yield from _members(what, theirs["methods"], ours["methods"], lambda method: "is there")
            methods = _folded(theirs["methods"])
            for method, parameters in ours["methods"].items():
                if method.lower() in methods:
                    yield from _members(f"{what}.{method}", methods[method.lower()], parameters, _parameter)


def _members(what, theirs, ours, described) -> Iterator[Difference]:
    there = _folded(theirs)
    for name, one in ours.items():
        found = described(there[name.lower()]) if name.lower() in there else "has none"
        if found != described(one):
            yield Difference("classes", f"{what}.{name}", found, described(one))


def _property(one: dict) -> str:
    return f"has {'the key ' if one['key'] else ''}{_type(one)}"


def _parameter(one: dict) -> str:
    return f"has {'/'.join(one['directions'])} {_type(one)}"


def _type(one: dict) -> str:
    base = one["type"].lower().removesuffix("[]").removesuffix("array")
    return TYPES.get(base, base) + ("[]" if base != one["type"].lower() else "")


def _folded(names: dict) -> dict:
    return {name.lower(): value for name, value in names.items()}


def _calls(real: Recording, simulated: Recording) -> Iterator[Difference]:
    there = {(call["name"], call["state"]): call for call in real.calls}
    for ours in simulated.calls:
        if ours.get("exception") in NOT_SIMULATED:
            continue
        what = f"{ours['name']}, which is {ours['state']}"
        theirs = there.get((ours["name"], ours["state"]))
        if theirs is None:
            yield Difference("calls", what, "was not asked", _outcome(ours))
            continue
        if _outcome(theirs) != _outcome(ours):
            yield Difference("calls", what, _outcome(theirs), _outcome(ours))
        short, long = sorted((theirs["seconds"], ours["seconds"]))
        if long >= SECONDS and long > RATIO * short:
            yield Difference(TIMING, what, f"took {theirs['seconds']} s", f"took {ours['seconds']} s")


def _outcome(call: dict) -> str:
    if "exception" in call:
        return f"raised {call['exception']}"
    job = call.get("job")
    return f"returned {call['return']}" + (f", job {job['state']} with error {job['error']}" if job else "")


def _commands(real: Recording, simulated: Recording) -> Iterator[Difference]:
    there = {one["command"]: one["exit"] for one in real.commands}
    for one in simulated.commands:
        theirs = there.get(one["command"])
        if theirs != one["exit"]:
            found = "was not asked" if theirs is None else f"ended with {theirs}"
            yield Difference("commands", one["command"], found, f"ended with {one['exit']}")


def _winrm(real: Recording, simulated: Recording) -> Iterator[Difference]:
    for name, ours in simulated.winrm.items():
        theirs = real.winrm.get(name)
        if theirs != ours:
            yield Difference("winrm", name, "has none" if theirs is None else f"has {theirs}", f"has {ours}")
