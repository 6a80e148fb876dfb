# GPL-3.0-or-later (see LICENSE)
"""An authority that issues certificates for any time, and revokes them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, days: float = 3650) -> None:
        self.now = datetime.now(UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate, _key = self.issue("authority", days, self._key)

    def issue(self, name: str, days: float, key: ec.EllipticCurvePrivateKey | None = None) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder(_name("authority"), _name(name), key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(self.now - timedelta(days=4000)).not_valid_after(self.now + timedelta(days=days))
        return builder.add_extension(x509.BasicConstraints(name == "authority", None), critical=True).sign(self._key, hashes.SHA256()), key

    def revocation_list(self, days: float, *revoked: x509.Certificate) -> bytes:
        builder = x509.CertificateRevocationListBuilder(_name("authority"), self.now - timedelta(days=4000), self.now + timedelta(days=days))
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder(certificate.serial_number, self.now - timedelta(days=1)).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def end_by_openssl(path: Path) -> str:
    """The day of its end, as another program reads it."""
    done = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-enddate", "-dateopt", "iso_8601"], check=True, capture_output=True, text=True)
    return done.stdout.partition("=")[2][:10]
