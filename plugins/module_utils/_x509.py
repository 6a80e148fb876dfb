# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""End, serial number and issuer of certificates and revocation lists, out of their bytes. No I/O.

They reach the module through the database, and hosts need not have a library that reads them. Form: RFC 5280, sections 4.1 and 5.1.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timezone

_BLOCK = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?(CERTIFICATE|CRL)-----(.*?)-----END ", re.DOTALL)
_UTC_TIME, _GENERALIZED_TIME, _SEQUENCE, _INTEGER, _VERSION = 0x17, 0x18, 0x30, 0x02, 0xA0


@dataclass(frozen=True)
class Certificate:
    """Of an authority, of a server or of a role."""

    serial: int
    issuer: bytes
    end: datetime


@dataclass(frozen=True)
class RevocationList:
    """What an authority no longer stands for; end is None where the next list is not announced."""

    issuer: bytes
    end: datetime | None
    serials: frozenset[int]


def certificates(pem: bytes) -> list[Certificate]:
    """Those in a file, in their order. Raises ValueError where one of them is none."""
    return [_certificate(data) for kind, data in _blocks(pem) if kind == b"CERTIFICATE"]


def revocation_lists(pem: bytes) -> list[RevocationList]:
    """Those in a file. Raises ValueError where one of them is none."""
    return [_revocation_list(data) for kind, data in _blocks(pem) if kind == b"CRL"]


def _blocks(pem: bytes) -> list[tuple[bytes, bytes]]:
    try:
        return [(kind, base64.b64decode(text)) for kind, text in _BLOCK.findall(pem)]
    except binascii.Error as error:
        raise ValueError("this is no PEM") from error


def _element(data: bytes, start: int) -> tuple[int, int, int]:
    """(tag, begin and end of the content) of the element there."""
    if start + 2 > len(data):
        raise ValueError("it ends too early")
    tag, length, begin = data[start], data[start + 1], start + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if begin + length > len(data):
        raise ValueError("it ends too early")
    return tag, begin, begin + length


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(data):
        tag, begin, end = _element(data, position)
        found.append((tag, data[begin:end]))
        position = end
    return found


def _signed(data: bytes) -> list[tuple[int, bytes]]:
    """The elements of what the authority signed."""
    _tag, begin, end = _element(data, 0)
    (tag, content), *_signature = _elements(data[begin:end])
    if tag != _SEQUENCE:
        raise ValueError("this is no certificate")
    return _elements(content)


def _certificate(data: bytes) -> Certificate:
    parts = _signed(data)
    if parts and parts[0][0] == _VERSION:
        parts = parts[1:]
    try:
        (_tag, serial), _algorithm, (_tag, issuer), (_tag, validity) = parts[:4]
        _begin, end = _elements(validity)
    except ValueError as error:
        raise ValueError("this is no certificate") from error
    return Certificate(int.from_bytes(serial, "big", signed=True), issuer, _time(*end))


def _revocation_list(data: bytes) -> RevocationList:
    parts = _signed(data)
    if parts and parts[0][0] == _INTEGER:
        parts = parts[1:]
    if len(parts) < 3:
        raise ValueError("this is no revocation list")
    issuer, rest, end = parts[1][1], parts[3:], None
    if rest and rest[0][0] in (_UTC_TIME, _GENERALIZED_TIME):
        end, rest = _time(*rest[0]), rest[1:]
    revoked = _elements(rest[0][1]) if rest and rest[0][0] == _SEQUENCE else []
    return RevocationList(issuer, end, frozenset(int.from_bytes(_elements(entry)[0][1], "big", signed=True) for _tag, entry in revoked))


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("this is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
