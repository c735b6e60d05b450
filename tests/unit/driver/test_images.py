# SPDX-License-Identifier: Apache-2.0
import struct
import tempfile

import testtools

from hyperv_driver import images, iso9660, vhdx
from tests.unit.driver.base import MIB, image_file


def vhd_checksum(data, at):
    struct.pack_into(">I", data, at, 0)
    struct.pack_into(">I", data, at, ~sum(data) & 0xFFFFFFFF)


def changed_vhd(data, **fields):
    """A dynamic VHD with other fields in footers (kind, size) or header (parent_name), and right sums."""
    data = bytearray(data)
    footer, header = bytearray(data[-512:]), bytearray(data[512:1536])
    if "kind" in fields:
        struct.pack_into(">I", footer, 60, fields["kind"])
    if "size" in fields:
        struct.pack_into(">Q", footer, 48, fields["size"])
    if "parent_name" in fields:
        name = fields["parent_name"].encode("utf-16-be")
        header[64 : 64 + len(name)] = name
    vhd_checksum(footer, 64)
    vhd_checksum(header, 36)
    data[:512] = data[-512:] = footer
    data[512:1536] = header
    return bytes(data)


def set_crc(data, at, length):
    """Put the right checksum into a VHDX structure of a bytearray."""
    data[at + 4 : at + 8] = bytes(4)
    data[at + 4 : at + 8] = struct.pack("<I", vhdx._crc32c(data[at : at + length]))


def item_offset(data, item):
    """Where a metadata item's entry is in a VHDX."""
    return data.index(item.bytes_le)


class ImagesTestCase(testtools.TestCase):
    def inspect(self, data, claimed_format):
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return images.inspect(file.name, claimed_format)

    def assertRefused(self, words, data, claimed_format):
        error = self.assertRaises(images.UnacceptableDisk, self.inspect, data, claimed_format)
        self.assertIn(words, str(error))


class IsoTest(ImagesTestCase):
    def setUp(self):
        super().setUp()
        self.data = iso9660.image("installer", {"setup.exe": b"MZ" * 5000})

    def test_whole_one(self):
        self.assertEqual(images.VirtualDisk("iso", len(self.data)), self.inspect(self.data, "iso"))

    def test_truncated(self):
        self.assertRefused("truncated: its volume has", self.data[:-4096], "iso")
        self.assertRefused("none of vhd, vhdx, iso, expected iso", self.data[:30000], "iso")

    def test_disk_that_says_it_is_one(self):
        for disk_format in ("vhd", "vhdx"):
            self.assertRefused(f"its content is {disk_format}, expected iso", image_file(disk_format), "iso")

    def test_one_that_is_a_disk_besides(self):
        self.assertRefused("vhd and iso, expected iso", self.data + image_file("vhd")[-512:], "iso")

    def test_disk_that_holds_one(self):
        disk = bytearray(image_file("vhd", "fixed"))
        disk[: len(self.data)] = self.data
        self.assertEqual("vhd", self.inspect(disk, "vhd").format)


class InspectTest(ImagesTestCase):
    def test_images_of_qemu(self):
        for disk_format in ("vhd", "vhdx"):
            for subformat in ("fixed", "dynamic"):
                disk = self.inspect(image_file(disk_format, subformat), disk_format)
                self.assertEqual(images.VirtualDisk(disk_format, 20 * MIB), disk)

    def test_other_format_than_claimed(self):
        self.assertRefused("its content is vhdx, expected vhd", image_file("vhdx"), "vhd")
        self.assertRefused("its content is vhd, expected vhdx", image_file("vhd"), "vhdx")
        self.assertRefused("none of vhd, vhdx, expected vhd", b"QFI\xfb" + bytes(2000), "vhd")
        self.assertRefused("disk format qcow2, expected one of: vhd, vhdx", image_file("vhd"), "qcow2")
        self.assertRefused("disk format None", image_file("vhd"), None)

    def test_two_formats_at_once(self):
        both = image_file("vhdx") + image_file("vhd", "fixed")[-512:]
        self.assertRefused("its content is vhd and vhdx", both, "vhd")
        self.assertRefused("its content is vhd and vhdx", both, "vhdx")

    def test_truncated_everywhere(self):
        for disk_format in ("vhd", "vhdx"):
            for subformat in ("fixed", "dynamic"):
                data = image_file(disk_format, subformat, 4 * MIB)
                for length in (0, 7, 511, 513, 2000, 70_000, 200_000, MIB, 2 * MIB, len(data) - 1):
                    if length < len(data):
                        self.assertRaises(images.UnacceptableDisk, self.inspect, data[:length], disk_format)


class VHDTest(ImagesTestCase):
    def setUp(self):
        super().setUp()
        self.image = image_file("vhd")

    def test_differencing(self):
        self.assertRefused("differencing disk, which names a parent", changed_vhd(self.image, kind=4), "vhd")

    def test_dynamic_that_names_a_parent(self):
        lie = changed_vhd(self.image, parent_name=r"C:\Windows\secret.vhd")
        self.assertRefused("a dynamic disk that names a parent", lie, "vhd")

    def test_unknown_kind(self):
        self.assertRefused(
            "VHD of type 7, expected fixed (2) or dynamic (3)", changed_vhd(self.image, kind=7), "vhd"
        )

    def test_size_that_its_table_does_not_hold(self):
        self.assertRefused("entries in its block table", changed_vhd(self.image, size=2**40), "vhd")
        self.assertRefused("virtual size of 0 bytes", changed_vhd(self.image, size=0), "vhd")
        self.assertRefused("expected whole sectors", changed_vhd(self.image, size=2**50), "vhd")

    def test_fixed_of_another_length(self):
        image = image_file("vhd", "fixed")
        self.assertRefused("fixed disk of 20971520 bytes in a file of", image[512:], "vhd")
        self.assertRefused("fixed disk of 20971520 bytes in a file of", bytes(512) + image, "vhd")

    def test_footers_that_differ(self):
        data = bytearray(self.image)
        data[20] ^= 1
        self.assertRefused("the footer and its copy", data, "vhd")

    def test_checksums(self):
        data = bytearray(self.image)
        data[-400] ^= 1
        self.assertRefused("checksum of the footer", data, "vhd")
        data = bytearray(self.image)
        data[512 + 28] ^= 1
        self.assertRefused("checksum of the dynamic disk's header", data, "vhd")

    def test_block_beyond_the_end(self):
        data = bytearray(self.image)
        struct.pack_into(">I", data, 1536, len(data) // 512)
        self.assertRefused("truncated: block 0", data, "vhd")

    def test_block_that_holds_what_describes_the_disk(self):
        # A guest that writes to it would give its disk a parent.
        for sector, what in (
            (0, "footer's copy"),
            (1, "dynamic disk's header"),
            (3, "block allocation table"),
        ):
            data = bytearray(self.image)
            struct.pack_into(">I", data, 1536, sector)
            self.assertRefused("overlaps", data, "vhd")
            self.assertRefused(f"the {what}", data, "vhd")

    def test_block_that_is_there_twice(self):
        data = bytearray(self.image)
        (last,) = struct.unpack_from(">I", data, 1536 + 4 * 9)
        struct.pack_into(">I", data, 1536, last)
        self.assertRefused("a block at byte", data, "vhd")

    def test_blocks_too_small_to_count(self):
        data = bytearray(self.image)
        struct.pack_into(">I", data, 512 + 32, 512)
        header = data[512:1536]
        vhd_checksum(header, 36)
        data[512:1536] = header
        self.assertRefused("blocks of 512 bytes, expected a power of two from 524288", data, "vhd")


class VHDXTest(ImagesTestCase):
    def setUp(self):
        super().setUp()
        self.image = bytearray(image_file("vhdx"))

    def test_parent_flag(self):
        (offset,) = struct.unpack_from("<I", self.image, item_offset(self.image, vhdx.FILE_PARAMETERS) + 16)
        table = item_offset(self.image, vhdx.FILE_PARAMETERS) // (64 * 1024) * 64 * 1024
        self.image[table + offset + 4] |= vhdx.HAS_PARENT
        self.assertRefused("differencing disk, which names a parent", self.image, "vhdx")

    def test_parent_locator_without_the_flag(self):
        entry = item_offset(self.image, vhdx.VIRTUAL_DISK_ID)
        self.image[entry : entry + 16] = vhdx.PARENT_LOCATOR.bytes_le
        self.assertRefused("a disk that names a parent", self.image, "vhdx")

    def test_log_to_replay(self):
        for at in vhdx.HEADERS_AT:
            self.image[at + 48 : at + 64] = bytes(range(16))
            set_crc(self.image, at, vhdx.HEADER_SIZE)
        self.assertRefused("its log has entries to replay", self.image, "vhdx")

    def test_later_of_two_headers_counts(self):
        later = max(vhdx.HEADERS_AT, key=lambda at: struct.unpack_from("<Q", self.image, at + 8))
        earlier = min(vhdx.HEADERS_AT, key=lambda at: struct.unpack_from("<Q", self.image, at + 8))
        self.image[earlier + 100] ^= 1
        self.assertEqual(20 * MIB, self.inspect(self.image, "vhdx").virtual_size)
        self.image[later + 100] ^= 1
        self.assertRefused("no header whose checksum is right", self.image, "vhdx")

    def test_unknown_required_item(self):
        entry = item_offset(self.image, vhdx.VIRTUAL_DISK_ID)
        self.image[entry] ^= 1
        self.assertRefused("unknown metadata item", self.image, "vhdx")

    def test_missing_item(self):
        entry = item_offset(self.image, vhdx.VIRTUAL_DISK_SIZE)
        self.image[entry] ^= 1
        self.image[entry + 24] = 0
        self.assertRefused(f"metadata item {vhdx.VIRTUAL_DISK_SIZE} is missing", self.image, "vhdx")

    def test_region_tables_that_differ(self):
        second = vhdx.REGION_TABLES_AT[1]
        self.image[second + 20000] ^= 1
        set_crc(self.image, second, vhdx.REGION_TABLE_SIZE)
        self.assertRefused("its two region tables differ", self.image, "vhdx")

    def test_block_beyond_the_end_or_in_a_parent(self):
        entry = item_offset(self.image[: vhdx.REGION_TABLES_AT[1]], vhdx.BAT)
        (table,) = struct.unpack_from("<Q", self.image, entry + 16)
        struct.pack_into("<Q", self.image, table, (len(self.image) & ~(MIB - 1)) | vhdx.FULLY_PRESENT)
        self.assertRefused("truncated: entry 0", self.image, "vhdx")
        struct.pack_into("<Q", self.image, table, vhdx.PARTIALLY_PRESENT)
        self.assertRefused("entry 0 of its block table is partly in a parent", self.image, "vhdx")

    def region(self, region):
        """(where its entry is in the first region table, where it is)."""
        entry = self.image.index(region.bytes_le)
        return entry, struct.unpack_from("<Q", self.image, entry + 16)[0]

    def test_block_that_holds_what_describes_the_disk(self):
        # A guest that writes to it would give its disk a parent.
        (log,) = struct.unpack_from("<Q", self.image, vhdx.HEADERS_AT[0] + 72)
        _entry, table = self.region(vhdx.BAT)
        for place, what in (
            (self.region(vhdx.METADATA)[1], f"region {vhdx.METADATA}"),
            (table, f"region {vhdx.BAT}"),
            (log, "the log"),
        ):
            for state in (vhdx.FULLY_PRESENT, 3):  # 3: it was unmapped, and may be mapped there again
                struct.pack_into("<Q", self.image, table, place | state)
                self.assertRefused("overlaps", self.image, "vhdx")
                self.assertRefused(what, self.image, "vhdx")

    def test_block_that_is_there_twice(self):
        _entry, table = self.region(vhdx.BAT)
        entries = [struct.unpack_from("<Q", self.image, table + 8 * number)[0] for number in range(20)]
        last = next(entry for entry in entries if entry >> 20)
        self.assertNotEqual(last, entries[0])
        struct.pack_into("<Q", self.image, table, last)
        self.assertRefused("is at the place of another", self.image, "vhdx")

    def test_regions_that_overlap(self):
        (entry, _table), (_entry, metadata) = self.region(vhdx.BAT), self.region(vhdx.METADATA)
        for offset in (0, vhdx.REGION_TABLES_AT[1] - vhdx.REGION_TABLES_AT[0]):
            struct.pack_into("<Q", self.image, entry + offset + 16, metadata + 128 * 1024)
            at = vhdx.REGION_TABLES_AT[0] + offset
            set_crc(self.image, at, vhdx.REGION_TABLE_SIZE)
        self.assertRefused("overlaps region", self.image, "vhdx")

    def test_headers_of_which_none_is_the_later(self):
        first, second = vhdx.HEADERS_AT
        self.image[second : second + 4096] = self.image[first : first + 4096]
        self.assertEqual(20 * MIB, self.inspect(self.image, "vhdx").virtual_size)
        # The one has a log to replay, the other none.
        self.image[first + 48 : first + 64] = bytes(range(16))
        set_crc(self.image, first, vhdx.HEADER_SIZE)
        self.assertRefused("its two headers differ, and neither is the later", self.image, "vhdx")

    def test_checksum_is_the_one_of_the_specification(self):
        # The check value of CRC-32C, as every catalogue of CRCs gives it.
        self.assertEqual(0xE3069283, vhdx._crc32c(b"123456789"))
