# SPDX-License-Identifier: Apache-2.0
"""Nova's Hyper-V compute driver, outside nova's tree.

============================ ====================================================================
``driver``                   the class that nova loads; hands every call to one of the ops below
``vmops``                    a virtual machine from spawn to destroy
``quotas``                   how much its disks may do
``specs``                    what an instance asks of it, or a refusal
``powerops``                 its states: on, off, reboot, pause, suspend
``diskops``, ``imagecache``  its disks, and the images they are differences of
``volumeops``                volumes of cinder, connected by ``connectors``
``driveops``                 the drives that these are in
``rescueops``                another disk to boot from, for a while
``migrationops``             another flavor
``snapshotops``              its root disk as a new image
``volumesnapshotops``        snapshots of volumes over SMB, which cinder has nova take
``leftovers``                what a nova-compute that died left behind
``configdriveops``           what nova tells the guest, written by ``iso9660``
``images``                   what a VHD or VHDX file is, read from the file itself
``taggedops``                which of its devices the user tagged
``networkops``               its network adapters
``consoleops``               its serial port, kept as a log and shown by ``serial_server``
``serial_pipe``              the host's end of that port
``metricsops``               has Hyper-V measure it
``diagnosticsops``           what Hyper-V measures of it
``events``                   what Windows says of it without being asked
``hostops``                  what the host has
``clusterdriver``            the driver for a node of a failover cluster; ``clusterops`` for two of the ops
``roles``                    an instance as the cluster knows it
``failovers``                what the cluster brings to this node; ``takeoverops`` tells nova
``config``                   its options; ``former_options`` of its forerunners
``access``                   who may read a file
``compute``, ``service``     nova-compute, and the Windows services that host it and the agent
``stopping``                 how they are asked to stop
``agent``                    Neutron's L2 agent: wires the adapters
``ml2``                      the other side of the adapters: Neutron's mechanism driver
``ml2_services``             what that one tells Neutron's QoS and trunk plugins
============================ ====================================================================
"""
