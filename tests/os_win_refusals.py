# SPDX-License-Identifier: Apache-2.0
"""Functions of os-win that no contract test calls: (class, functions, the reason).

``tests.unit.hyperv_model.test_os_win_coverage`` holds both lists against os-win's own functions.
"""

# For good; no more than a tenth of all.
REFUSED = [
    (
        "ClusApiUtils",
        "create_cluster_notify_port_v2 close_cluster_notify_port get_cluster_notify_v2 move_cluster_group "
        "cancel_cluster_group_operation",
        "What ClusterUtils' live_migrate_vm and cancel_cluster_group_migration call, which are called.",
    ),
    (
        "VMUtils",
        "enable_remotefx_video_adapter",
        "Windows Server 2022 has no RemoteFX any more.",
    ),
    (
        "HostUtils",
        "verify_host_remotefx_capability",
        "Windows Server 2022 has no RemoteFX any more.",
    ),
    (
        "ISCSITargetUtils",
        "get_supported_disk_format get_supported_vhd_type get_portal_locations create_iscsi_target "
        "delete_iscsi_target iscsi_target_exists get_target_information set_chap_credentials "
        "associate_initiator_with_iscsi_target deassociate_initiator create_wt_disk import_wt_disk "
        "change_wt_disk_status remove_wt_disk extend_wt_disk add_disk_to_target create_snapshot "
        "export_snapshot delete_snapshot",
        "The iSCSI Target Server role serves volumes: it is no part of a compute node.",
    ),
]

# Until their tests are there.
PENDING = []
