# shellcheck shell=sh
# What is on this host already. Reads only. Prints name=value lines; see plugin_utils/_probe.py.
# Arguments: database role passfile ssl_dir "certificate..." (both may be empty) "address..." query interpreter (may be empty),
# family bindir configdir datadir for each of two families, package...
database=$1 role=$2 passfile=$3 ssl_dir=$4 certificates=$5 addresses=$6 pending=$7 interpreter=$8
shift 8
printf 'asked_database=%s\nasked_role=%s\nasked_passfile=%s\n' "$database" "$role" "$passfile"

# Less than Ansible's facts, and with them in one round trip.
os=$(. /etc/os-release && echo "$ID $ID_LIKE")
(. /etc/os-release && echo "system=$ID ${VERSION_CODENAME:--} $PRETTY_NAME")
sed -n 's/^MemTotal: *\([0-9]*\) kB/memory=\1/p' /proc/meminfo
echo "cpus=$(nproc)"
[ -d /run/systemd/system ] && echo systemd=yes
case " $os " in
    *" debian "*) family=Debian ;;
    *" rhel "* | *" fedora "*) family=RedHat ;;
    *) exit 0 ;;
esac
echo "family=$family"
# Unlike this script, Ansible's modules are written in it.
outdated=
for python in ${interpreter:-python3 /usr/libexec/platform-python python3.9 python3.11 python3.12}; do
    command -v "$python" >/dev/null || continue
    echo python=yes
    outdated=$("$python" -c 'import sys; sys.version_info >= (3, 9) or print("%d.%d" % sys.version_info[:2])')
    [ -z "$outdated" ] && break
done
[ -n "$outdated" ] && echo "outdated=$outdated"
for _ in 1 2; do
    [ "$1" = "$family" ] && bindir=$2 config=$3 data=$4
    shift 4
done

# Unless the kernel lets programs listen at the addresses of others.
if [ "$(cat /proc/sys/net/ipv4/ip_nonlocal_bind 2>/dev/null)" != 1 ]; then
    for address in $(hostname -I 2>/dev/null); do
        echo "own=${address%\%*}"
    done
fi

# As this host sees the others, also those that this run leaves out.
for address in $addresses; do
    getent ahosts "$address" | sed -n "s#^\([^ %]*\) *STREAM.*#address=\1 $address#p"
done

for package in "$@"; do
    if command -v dpkg-query >/dev/null; then
        dpkg-query --show --showformat='package=${Package} ${db:Status-Status} ${db:Status-Want} ${Version}\n' "$package" 2>/dev/null
    elif command -v rpm >/dev/null; then
        held=install
        grep -qs "$package" /etc/dnf/plugins/versionlock.list && held=hold
        rpm --query --queryformat "package=%{NAME} installed $held %{VERSION}-%{RELEASE}\n" "$package" 2>/dev/null | grep '^package='
    fi
done

# What apt refuses to go on from: a power failure while packages were installed.
[ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ] && ! grep -qsx dpkg /proc/[0-9]*/comm && echo unfinished=yes
if { dpkg-query --show python3-psycopg2 || rpm --query python3-psycopg2; } >/dev/null 2>&1; then
    echo driver=yes
else
    for python in python3 /usr/libexec/platform-python; do
        "$python" -c 'import psycopg2' 2>/dev/null || "$python" -c 'import psycopg' 2>/dev/null && echo driver=yes && break
    done
fi

[ -x "$bindir/postgres" ] && echo "postgres=$("$bindir/postgres" --version)"
extensions=$("$bindir/pg_config" --sharedir 2>/dev/null)
[ -n "$extensions" ] || extensions=/usr/share/postgresql/$(basename "$(dirname "$bindir")")
for script in "$extensions"/extension/timescaledb--*.sql; do
    version=${script##*/timescaledb--}
    case $version in *--*|'*.sql') ;; *) echo "available=${version%.sql}" ;; esac
done

# What an interrupted run has begun may still be at work. The brackets keep this text from finding itself.
waited=0
while [ $waited -lt 60 ] && grep -aqs 'bin/pg_createcluste[r]' /proc/[0-9]*/cmdline; do
    sleep 1
    waited=$((waited + 1))
done
if [ -f "$config/postgresql.conf" ]; then
    echo config=yes
    grep -Eq "^[[:space:]]*include_dir[[:space:]]*=?[[:space:]]*'conf.d'" "$config/postgresql.conf" && echo included=yes
    configured=$(sed -n "s/^[[:space:]]*data_directory[[:space:]]*=[[:space:]]*'\([^']*\)'.*/\1/p" "$config/postgresql.conf" | tail -n 1)
    data=${configured:-$data}
fi
printf 'data=%s\nbindir=%s\nconfiguration=%s\n' "$data" "$bindir" "$config"
# See the role timescaledb_standby.
[ -f "$data/standby.signal" ] && echo standby=yes
[ "$(cat "/etc/timescaledb-multinode.cloning$(printf %s "$data" | tr / -)" 2>/dev/null)" = "$data" ] && echo cloning=yes
if grep -qsx disabled "$config/start.conf" || [ -e "$data/timescaledb-multinode.fenced" ]; then
    echo fenced=yes
fi
[ -f "$data/PG_VERSION" ] && echo "initialized=$(cat "$data/PG_VERSION")"
[ -d "$data" ] && [ -n "$(ls -A "$data" 2>/dev/null)" ] && echo filled=yes
for other in /etc/postgresql/*/*/postgresql.conf; do
    [ -f "$other" ] && [ "$other" != "$config/postgresql.conf" ] && sed -n "s#^[[:space:]]*port[[:space:]]*=[[:space:]]*\([0-9]*\).*#other=\1 $other#p" "$other"
done

# Files of an earlier run, for their owner, mode and content.
like() {
    [ -f "$2" ] && echo "$1=$(stat --format='%U:%G 0%a' "$2") $(sha256sum <"$2" | cut -d ' ' -f 1)"
}
# Of one with passwords no plain hash: who reads it somewhere could try passwords by the million.
[ -f "$passfile" ] && echo "passfile=$(stat --format='%U:%G 0%a' "$passfile")"
like settings "$config/conf.d/timescaledb-multinode.conf"
grep -qs '^timescaledb.ssl_dir = ' "$config/conf.d/timescaledb-multinode.conf" && echo secured=yes
if [ -f "$config/pg_hba.conf" ]; then
    echo "hba=$(stat --format='%U:%G 0%a' "$config/pg_hba.conf")"
    begin="# BEGIN timescaledb.multinode $database" end="# END timescaledb.multinode $database" awk '
        $0 == ENVIRON["end"] { inside = 0 }
        inside { print "rule=" $0 }
        $0 == ENVIRON["begin"] { inside = 1 }
    ' "$config/pg_hba.conf"
fi

# Certificates, where the nodes log in by them: of which authority, until when, of the key beside it, with the wanted owner, for which names.
if [ -n "$ssl_dir" ]; then
    like authority "$ssl_dir/ca.crt"
    for crl in "$ssl_dir"/*.crl; do
        [ -f "$crl" ] && echo "crl=$crl"
    done
    if { dpkg-query --show python3-cryptography || rpm --query python3-cryptography || python3 -c 'import cryptography'; } >/dev/null 2>&1; then
        command -v openssl >/dev/null && echo cryptography=yes
    fi
fi
for name in $certificates; do
    certificate=$ssl_dir/$name.crt key=$ssl_dir/$name.key
    if [ ! -f "$certificate" ] || [ ! -f "$key" ]; then continue; fi
    end=$(openssl x509 -in "$certificate" -noout -enddate 2>/dev/null) || continue
    fits=no trusted=no
    public=$(openssl x509 -in "$certificate" -noout -pubkey)
    [ "$public" = "$(openssl pkey -in "$key" -pubout 2>/dev/null)" ] && fits=yes
    # Its end is judged by itself.
    openssl verify -no_check_time -CAfile "$ssl_dir/ca.crt" "$certificate" >/dev/null 2>&1 && trusted=yes
    names=$(openssl x509 -in "$certificate" -noout -ext subjectAltName 2>/dev/null | sed -n '2s/ //gp')
    echo "certificate=$name $(date -d "${end#notAfter=}" +%s) $fits $trusted $(stat --format='%U:%G 0%a' "$key" "$certificate" | tr '\n' ' ')$names"
done

# The kernel's table of listening sockets: state 0A, the port in hexadecimal behind the address.
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F]*:[0-9A-F]* 0A .*/listening=\1/p' | sort -u

pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
    port=$(sed -n 4p "$data/postmaster.pid")
    socket=$(sed -n 5p "$data/postmaster.pid")
    echo "port=$port"
    ask() {
        runuser -u postgres -- "$bindir/psql" -qXAt -v ON_ERROR_STOP=1 -h "${socket:-localhost}" -p "$port" "$@" 2>/dev/null
    }
    ask -v "name=$database" -v "role=$role" -v "passfile=$passfile" -d postgres <<SQL
SELECT 'recovery=' || pg_is_in_recovery();
SELECT 'system_identifier=' || system_identifier FROM pg_control_system();
SELECT 'streaming=' || status || ' ' || coalesce(slot_name, '') FROM pg_stat_wal_receiver;
SELECT 'slot=' || slot_name || ' ' || active FROM pg_replication_slots WHERE slot_type = 'physical' AND starts_with(slot_name, 'timescaledb_standby_');
SELECT 'preloads=' || current_setting('shared_preload_libraries');
SELECT 'encoding=' || pg_encoding_to_char(encoding), E'\ncollation=' || datcollate, E'\nctype=' || datctype FROM pg_database WHERE datname = :'name' \g (recordsep='' fieldsep='')
-- Iterations and salt, which a server tells everybody who begins to log in, and none of the keys.
SELECT 'salt=' || split_part(rolpassword, '$', 2) FROM pg_authid WHERE rolname = :'role' AND rolpassword LIKE 'SCRAM-SHA-256$%';
-- Says whether the role has this password already, and not how to log in as it.
SELECT 'verifier_digest=' || encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex') FROM pg_authid WHERE rolname = :'role' AND rolpassword LIKE 'SCRAM-SHA-256$%';
SELECT 'role_exists=yes' FROM pg_roles WHERE rolname = :'role';
-- As slow as SCRAM; see plugin_utils/_passfile_digest.py.
WITH RECURSIVE salted AS MATERIALIZED (SELECT gen_random_uuid()::text AS salt), stretched (n, digest) AS (
  SELECT 1, sha256(convert_to(salt, 'UTF8') || pg_read_binary_file(:'passfile', 0, 1 << 24, true)) FROM salted
  UNION ALL SELECT n + 1, sha256(digest) FROM stretched WHERE n < 4096 AND digest IS NOT NULL)
SELECT 'passfile_digest=' || salt || ':' || encode(digest, 'hex') FROM salted, stretched WHERE n = 4096;
SELECT 'pending=' || row_to_json(p) FROM ($pending) AS p;
SQL
    extension=$(ask -d "dbname='$(printf %s "$database" | sed "s/[\\\\']/\\\\&/g")'" -c "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    [ -n "$extension" ] && echo "extension=$extension"
elif [ -f "$data/PG_VERSION" ]; then
    # What a former primary was, which may become a standby.
    LC_ALL=C "$bindir/pg_controldata" "$data" 2>/dev/null |
        sed -n 's/^Database system identifier: */system_identifier=/p; s/^Database cluster state: */state=/p'
fi
exit 0
