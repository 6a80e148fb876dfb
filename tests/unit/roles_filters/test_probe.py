# GPL-3.0-or-later (see LICENSE)
"""What probe.sh prints becomes data, and what is not there is told apart from what is."""

from __future__ import annotations

from ansible_collections.timescaledb.multinode.plugins.plugin_utils._probe import parse_probe

LINES = """\
asked_database=metrics
asked_role=postgres
asked_passfile=/etc/timescaledb-multinode.passfile
system=debian bookworm Debian GNU/Linux 12 (bookworm)
memory=24683520
cpus=2
systemd=yes
unfinished=yes
python=yes
driver=yes
family=Debian
package=postgresql-15 installed install 15.20-0+deb12u1
package=timescaledb-2-postgresql-15 installed hold 2.13.1~debian12
package=python3-psycopg2 config-files deinstall 2.9.5-1
postgres=postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)
available=2.13.0
available=2.13.1
own=10.0.0.7
own=fd00::7
address=10.0.0.2 dn2
address=fd00::2 dn2
address=10.0.0.3 dn3
config=yes
included=yes
data=/var/lib/postgresql/15/main
initialized=15
filled=yes
passfile=postgres:postgres 0600
settings=postgres:postgres 0644 9c1b
hba=postgres:postgres 0640
rule=host "a=b" "postgres" 10.0.0.2/32 scram-sha-256
rule=host all all 10.0.0.3/32 scram-sha-256
other=5433 /etc/postgresql/15/other/postgresql.conf
listening=1538
listening=0016
port=5432
recovery=false
passfile_digest=5a17:3f0a
salt=4096:c2FsdA==
preloads=timescaledb, auto_explain
pending={"restart":null,"reload":false,"errors":"x line 3: \\"y\\" is not good"}
encoding=UTF8
collation=C.UTF-8
ctype=C.UTF-8
extension=2.13.1
"""


def test_a_virgin_host() -> None:
    probe = parse_probe("data=/var/lib/postgresql/15/main\n")
    assert probe["packages"] == {} and probe["available"] == [] and probe["listening"] == []
    assert probe["config"] is False and probe["filled"] is False and probe["recovery"] is False
    assert [probe[name] for name in ("port", "initialized", "postgres", "extension", "encoding")] == [None] * 5


def test_a_running_node() -> None:
    probe = parse_probe(LINES)
    assert probe["packages"]["postgresql-15"] == {"version": "15.20-0+deb12u1", "held": False}
    assert probe["packages"]["timescaledb-2-postgresql-15"] == {"version": "2.13.1~debian12", "held": True}
    assert probe["available"] == ["2.13.0", "2.13.1"]
    assert (probe["port"], probe["initialized"], probe["extension"]) == (5432, "15", "2.13.1")
    assert probe["config"] is True and probe["included"] is True and probe["filled"] is True
    assert probe["preloads"] == "timescaledb, auto_explain"


def test_a_removed_package_is_not_installed() -> None:
    assert "python3-psycopg2" not in parse_probe(LINES)["packages"]


def test_ports() -> None:
    probe = parse_probe(LINES)
    assert probe["listening"] == [0x1538, 22]
    assert probe["others"] == {5433: "/etc/postgresql/15/other/postgresql.conf"}


def test_addresses() -> None:
    assert parse_probe(LINES)["addresses"] == {"dn2": ["10.0.0.2", "fd00::2"], "dn3": ["10.0.0.3"]}


def test_recovery() -> None:
    assert parse_probe(LINES)["recovery"] is False
    assert parse_probe(LINES.replace("recovery=false", "recovery=true"))["recovery"] is True


def test_noise_and_values_with_equal_signs() -> None:
    probe = parse_probe("a warning of some program\ndata=/srv/a=b\n\n")
    assert probe["data"] == "/srv/a=b"


def test_the_machine() -> None:
    probe = parse_probe(LINES)
    assert probe["system"] == {"id": "debian", "codename": "bookworm", "name": "Debian GNU/Linux 12 (bookworm)"}
    assert (probe["family"], probe["systemd"], probe["cpus"]) == ("Debian", True, 2)
    assert probe["own"] == ["10.0.0.7", "fd00::7"]
    assert (probe["unfinished"], probe["python"], probe["driver"]) == (True, True, True)
    assert parse_probe("system=arch - Arch Linux\n")["family"] is None


def test_memory_is_the_same_after_the_next_boot() -> None:
    memory = parse_probe(LINES)["memory"]
    assert memory % (64 * 1024**2) == 0
    assert abs(memory - 24683520 * 1024) <= 32 * 1024**2
    assert parse_probe(LINES.replace("24683520", "24683100"))["memory"] == memory


def test_files() -> None:
    probe = parse_probe(LINES)
    assert (probe["passfile"], probe["passfile_digest"]) == ("postgres:postgres 0600", "5a17:3f0a")
    assert probe["settings"] == "postgres:postgres 0644 9c1b"
    assert probe["hba"] == "postgres:postgres 0640"
    assert probe["rules"] == ['host "a=b" "postgres" 10.0.0.2/32 scram-sha-256', "host all all 10.0.0.3/32 scram-sha-256"]
    assert (probe["asked_database"], probe["asked_passfile"]) == ("metrics", "/etc/timescaledb-multinode.passfile")


CERTIFICATES = """\
secured=yes
cryptography=yes
authority=postgres:postgres 0644 77aa
crl=/etc/timescaledb-multinode.ssl/0123456789ab.crl
certificate=server 1800000000 yes no postgres:postgres 0600 postgres:postgres 0644 DNS:dn1,IPAddress:10.0.0.2,IPAddress:FD00:0:0:0:0:0:0:1
certificate=e8a48653851e28c69d0506508fb27fc5 1790000000 no yes postgres:postgres 0640 root:root 0644 \n"""


def test_certificates() -> None:
    probe = parse_probe(CERTIFICATES)
    assert (probe["secured"], probe["cryptography"], probe["authority"]) == (True, True, "postgres:postgres 0644 77aa")
    assert probe["crls"] == ["/etc/timescaledb-multinode.ssl/0123456789ab.crl"]
    assert probe["certificates"] == {
        "server": dict(
            end=1800000000,
            fits=True,
            trusted=False,
            attributes="postgres:postgres 0600 postgres:postgres 0644",
            names=["DNS:dn1", "IP:10.0.0.2", "IP:fd00::1"],
        ),
        "e8a48653851e28c69d0506508fb27fc5": dict(
            end=1790000000, fits=False, trusted=True, attributes="postgres:postgres 0640 root:root 0644", names=[]
        ),
    }


def test_a_host_without_certificates() -> None:
    probe = parse_probe("")
    assert (probe["certificates"], probe["crls"], probe["authority"], probe["secured"]) == ({}, [], None, False)


def test_what_waits_for_the_server() -> None:
    assert parse_probe(LINES)["pending"] == {"restart": None, "reload": False, "errors": 'x line 3: "y" is not good'}
    assert parse_probe("")["pending"] is None
