# Copyright (c) the timescaledb.multinode maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: only for this collection; may change in any release.

"""What to do where a module's own login to the access node fails, in the words of its options. No I/O."""

from __future__ import annotations

# Texts of libpq 13-17 (src/interfaces/libpq/fe-secure-openssl.c, fe-connect.c), OpenSSL and the server (src/backend/libpq/auth.c). The first that
# is found counts: with ssl_mode=prefer libpq tries twice, and its text has both refusals.
_REMEDIES = (
    ("has group or world access", "take the rights of others away from the file ssl_key: chmod 0600"),
    ("private key file", "have ssl_key name the key that belongs to ssl_cert, readable for the user whom the task runs as"),
    ("could not open certificate file", "have ssl_cert name the client certificate, readable for the user whom the task runs as"),
    ("could not read certificate file", "have ssl_cert name the client certificate as PEM"),
    ("root certificate", "have ca_cert name the certificate of the authority that signed the server's, or choose an ssl_mode that does not verify it"),
    ("certificate verify failed", "have ca_cert name the certificate of the authority that signed the server's"),
    ("does not match host name", "log in to one of the names in the server's certificate, or choose ssl_mode=verify-ca"),
    ("alert unknown ca", "give a client certificate of the authority that the server trusts, its ssl_ca_file"),
    ("alert certificate expired", "have the certificate ssl_cert issued anew"),
    ("alert certificate revoked", "have another certificate issued, it is on the server's revocation list"),
    ("certificate required", "give ssl_cert and ssl_key"),
    ("valid client certificate", "give ssl_cert and ssl_key"),
    ("ertificate authentication failed", "give the certificate whose common name is login_user"),
    ("SSL was required", "choose ssl_mode=prefer, or turn ssl on at the server"),
    ("no password supplied", "give login_password"),
    ("password authentication failed", "correct login_user or login_password"),
    ("eer authentication failed", "have the task run as the operating system's user of that name (become_user), or log in over login_host"),
    ("no pg_hba.conf entry", "allow this host, role and database in pg_hba.conf of the access node, with ssl_mode as it wants it"),
    ("pg_hba.conf rejects", "log in with a role, host or ssl_mode that pg_hba.conf of the access node lets in"),
    ("not permitted to log in", "give the role LOGIN, or log in as another one and name it in session_role"),
    ("invalid connection option", "correct connect_params"),
    ("could not translate host name", "correct login_host, or the resolution of names on this host"),
)
_OTHERWISE = "correct the login_* options or start the server"


def login_remedy(reason: str) -> str:
    """What to do about the reason for which there is no connection."""
    return next((remedy for fragment, remedy in _REMEDIES if fragment in reason), _OTHERWISE)
