# SPDX-License-Identifier: Apache-2.0
"""Functions of os-win that no contract test calls: (class, functions, the reason).

``tests.unit.hyperv_model.test_os_win_coverage`` holds both lists against os-win's own functions.
"""

# For good; no more than a tenth of all.
REFUSED = []

# Until their tests are there.
PENDING = [
    (
        "ACLUtils",
        "get_named_security_info set_entries_in_acl set_named_security_info",
        "Its tests are being written.",
    ),
    (
        "ClusApiUtils",
        "get_property_list_entry get_property_list open_cluster open_cluster_enum open_cluster_group "
        "open_cluster_node open_cluster_resource close_cluster close_cluster_group close_cluster_node "
        "close_cluster_resource close_cluster_enum online_cluster_group destroy_cluster_group "
        "offline_cluster_group cancel_cluster_group_operation move_cluster_group get_cluster_group_state "
        "create_cluster_notify_port_v2 close_cluster_notify_port get_cluster_notify_v2 get_prop_list_entry_p "
        "cluster_group_control get_prop_list_entry_value get_cluster_group_status_info "
        "get_cluster_group_type cluster_get_enum_count cluster_enum",
        "Its tests are being written.",
    ),
    (
        "ClusterUtils",
        "check_cluster_state get_node_name get_cluster_node_names get_vm_host list_instances "
        "list_instance_uuids add_vm_to_cluster bring_online take_offline delete cluster_enum vm_exists "
        "live_migrate_vm cancel_cluster_group_migration get_cluster_node_name get_cluster_group_type "
        "get_cluster_group_state_info get_vm_owner_change_listener get_vm_owner_change_listener_v2",
        "Its tests are being written.",
    ),
    (
        "VMUtils",
        "enable_remotefx_video_adapter",
        "Its tests are being written.",
    ),
    (
        "HostUtils",
        "verify_host_remotefx_capability",
        "Its tests are being written.",
    ),
    (
        "PathUtils",
        "copy_acls",
        "Its tests are being written.",
    ),
    (
        "DiskUtils",
        "is_virtual_disk_file_attached",
        "Disks of the host come with the driver's volumes.",
    ),
    (
        "FCUtils",
        "get_fc_target_mappings get_scsi_device_identifiers",
        "Fibre Channel comes with the driver's volumes.",
    ),
    (
        "ISCSITargetUtils",
        "get_supported_disk_format get_supported_vhd_type get_portal_locations create_iscsi_target "
        "delete_iscsi_target iscsi_target_exists get_target_information set_chap_credentials "
        "associate_initiator_with_iscsi_target deassociate_initiator create_wt_disk import_wt_disk "
        "change_wt_disk_status remove_wt_disk extend_wt_disk add_disk_to_target create_snapshot "
        "export_snapshot delete_snapshot",
        "iSCSI comes with the driver's volumes.",
    ),
    (
        "VHDUtils",
        "close attach_virtual_disk detach_virtual_disk get_virtual_disk_physical_path",
        "Its tests are being written.",
    ),
]
