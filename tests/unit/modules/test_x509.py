# GPL-3.0-or-later (see LICENSE)
"""Compared with what the library reads that made them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.timescaledb.multinode.plugins.module_utils._x509 import certificates, revocation_lists
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Größe"), x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
BEGIN = datetime(1990, 1, 1, tzinfo=UTC)
KEYS = {"ec": ec.generate_private_key(ec.SECP256R1()), "rsa": rsa.generate_private_key(65537, 2048)}
PEM = serialization.Encoding.PEM


def certificate(end: datetime, serial: int = 1, key: str = "ec") -> x509.Certificate:
    builder = x509.CertificateBuilder(NAME, NAME, KEYS[key].public_key(), serial).not_valid_before(BEGIN).not_valid_after(end)
    return builder.sign(KEYS[key], hashes.SHA256())


def revocation_list(*serials: int, end: datetime) -> bytes:
    builder = x509.CertificateRevocationListBuilder(NAME, BEGIN, end)
    for serial in serials:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, BEGIN).build())
    return builder.sign(KEYS["ec"], hashes.SHA256()).public_bytes(PEM)


@pytest.mark.parametrize("key", KEYS)
# Up to 2049 years have two digits.
@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 9999])
@pytest.mark.parametrize("serial", [1, 127, 128, 2**159 - 1])
def test_certificates(key, year, serial):
    made = certificate(datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC), serial, key)
    (read,) = certificates(b"some text\n" + made.public_bytes(PEM))
    assert (read.serial, read.end, read.issuer) == (serial, made.not_valid_after_utc, _content(NAME.public_bytes()))


def _content(element: bytes) -> bytes:
    return element[2:]


def test_several_in_a_file():
    ends = [BEGIN + timedelta(days=number) for number in (400, 20000)]
    assert [read.end for read in certificates(b"".join(certificate(end).public_bytes(PEM) for end in ends))] == ends
    assert certificates(b"") == [] == revocation_lists(b"nothing")


@pytest.mark.parametrize("serials", [(), (5,), (1, 128, 2**159 - 1)])
def test_revocation_lists(serials):
    end = datetime(2051, 1, 1, tzinfo=UTC)
    (read,) = revocation_lists(revocation_list(*serials, end=end))
    assert (read.end, read.serials, read.issuer) == (end, frozenset(serials), _content(NAME.public_bytes()))


def test_what_is_no_certificate():
    whole = certificate(BEGIN + timedelta(days=1)).public_bytes(serialization.Encoding.DER)
    for data in (b"", b"\0", b"\x30\x80", b"\x30\x03\x02\x01\x01", b"\x02\x01\x01", *(whole[:length] for length in range(1, len(whole), 7))):
        with pytest.raises(ValueError):
            certificates(b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(data) + b"\n-----END CERTIFICATE-----\n")
        with pytest.raises(ValueError):
            revocation_lists(b"-----BEGIN X509 CRL-----\n" + base64.b64encode(data) + b"\n-----END X509 CRL-----\n")
