# SPDX-License-Identifier: Apache-2.0
"""MD4 (RFC 1320), which is what Windows keeps of a password and OpenSSL no longer computes."""

import struct

_ROUNDS = (
    (0, range(16), (3, 7, 11, 19), lambda b, c, d: b & c | ~b & d),
    (
        0x5A827999,
        [i + 4 * j for i in range(4) for j in range(4)],
        (3, 5, 9, 13),
        lambda b, c, d: b & c | b & d | c & d,
    ),
    (
        0x6ED9EBA1,
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
        (3, 9, 11, 15),
        lambda b, c, d: b ^ c ^ d,
    ),
)


def digest(data: bytes) -> bytes:
    """Return the 16 bytes of a message's MD4."""
    padded = data + b"\x80" + b"\0" * (-(len(data) + 9) % 64) + struct.pack("<Q", len(data) * 8)
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for offset in range(0, len(padded), 64):
        words = struct.unpack_from("<16I", padded, offset)
        a, b, c, d = state
        for constant, order, shifts, mix in _ROUNDS:
            for step, index in enumerate(order):
                total = (a + (mix(b, c, d) & 0xFFFFFFFF) + words[index] + constant) & 0xFFFFFFFF
                shift = shifts[step % 4]
                a, b, c, d = d, (total << shift | total >> 32 - shift) & 0xFFFFFFFF, b, c
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)


def password_hash(password: str) -> str:
    """Return the NT hash of a password in hexadecimal."""
    return digest(password.encode("utf-16-le")).hex().upper()
