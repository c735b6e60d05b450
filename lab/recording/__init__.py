# SPDX-License-Identifier: Apache-2.0
"""What a real host does, recorded on it by record-host.ps1, held against what the simulated one does.

An archive is a zip of these files of JSON, format 1:

================= ===========================================================================================
``about.json``    ``format``, and what was recorded: ``caption``, ``version``, ``hyperv``, ``powershell`` …
``classes.json``  by namespace and class: ``parent``; ``properties`` by name: ``type``, ``key``; ``methods``
                  by name, each its parameters by name: ``type``, ``directions``
``calls.json``    a list: ``name``, ``state`` of the machine, and ``return``, ``job`` (``state``, ``error``)
                  or ``exception`` (HRESULT); ``seconds``
``commands.json`` a list: ``command``, ``exit`` (code), ``output``
``winrm.json``    values of WSMan:\\localhost by path
================= ===========================================================================================
"""
