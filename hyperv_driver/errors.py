# SPDX-License-Identifier: Apache-2.0
"""os-win's and os-brick's exceptions become nova's here, once, at the edge; only ``driver`` uses it."""

import functools
import inspect

from nova import exception
from os_brick import exception as brick_exception

from hyperv_driver import oswin


def converts_exceptions(driver_class):
    """Class decorator: have every public method of the class raise nova's exceptions instead of theirs.

    A virtual machine that Hyper-V does not have becomes InstanceNotFound; any other error a NovaException
    with the same message, which names the method.
    """
    for name, attribute in list(vars(driver_class).items()):
        if inspect.isfunction(attribute) and not name.startswith("_"):
            setattr(driver_class, name, _converting(attribute))
    return driver_class


def _converting(method):
    signature = inspect.signature(method)

    @functools.wraps(method)
    def converting(*args, **kwargs):
        try:
            return method(*args, **kwargs)
        except oswin.exceptions.HyperVVMNotFoundException as error:
            instance = signature.bind(*args, **kwargs).arguments.get("instance")
            if instance is None:
                raise exception.NovaException(f"{method.__name__}: {error}") from error
            raise exception.InstanceNotFound(instance_id=instance.uuid) from error
        except (
            oswin.exceptions.OSWinException, oswin.exceptions.x_wmi, brick_exception.BrickException
        ) as error:  # fmt: skip
            raise exception.NovaException(f"{method.__name__}: {error}") from error

    return converting
