# shellcheck shell=bash
# What deploy.yml does on virgin hosts, as a plain shell script would do it, hosts side by side: no second run, no other release, no findings.
# One connection for each step, as ssh does unless it is told to share them.
# The yardstick of benchmarks/deploy.py; it is handed the files that deploy.yml writes, so that both set up the same.
#
# usage: deploy.sh FILES VERSION NODE_NAME...      the first node is the access node
#   FILES  a folder with ssh_config, postgresql.conf.NODE_NAME, passfile, password, sources, probe.sh, check.sh
set -euo pipefail
files=$1 version=$2
shift 2
access=$1
nodes=("$@")
data=/var/lib/postgresql/15/main
config=/etc/postgresql/15/main
bin=/usr/lib/postgresql/15/bin

on() {
    local node=$1
    shift
    ssh -F "$files/ssh_config" "$node" "$@"
}

# Runs a function for all hosts, side by side.
everywhere() {
    local jobs=() node job
    for node in "${nodes[@]}"; do
        "$1" "$node" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
}

host() {
    local node=$1
    # Look before anything is changed.
    on "$node" "sh -s timescaledb /etc/timescaledb-multinode.passfile '' '' '${nodes[*]}' 'SELECT 1' '' Debian $bin $config $data RedHat - - - postgresql-15" \
        <"$files/probe.sh" >/dev/null
    on "$node" 'cat >/etc/apt/sources.list.d/timescaledb.sources' <"$files/sources"
    on "$node" 'cat >/etc/apt/preferences.d/timescaledb' <<EOF
Package: timescaledb-2-postgresql-15 timescaledb-2-loader-postgresql-15
Pin: version $version
Pin-Priority: 1001
EOF
    on "$node" "set -e
        mkdir -p /etc/postgresql-common
        echo create_main_cluster=false >/etc/postgresql-common/createcluster.conf
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install --no-install-recommends postgresql-15 python3-psycopg2 \
            timescaledb-2-postgresql-15=$version timescaledb-2-loader-postgresql-15=$version
        apt-mark hold timescaledb-2-postgresql-15 timescaledb-2-loader-postgresql-15
        pg_createcluster 15 main --createclusterconf /usr/share/postgresql-common/createcluster.conf --port 5432 \
            --locale C.UTF-8 --encoding UTF8 -- --data-checksums --auth-host scram-sha-256" >/dev/null
    # Settings are not put in place before a server has started with them.
    on "$node" 'cat >/tmp/settings' <"$files/postgresql.conf.$node"
    on "$node" "sh -s $bin $config $data /tmp/settings -" <"$files/check.sh"
    on "$node" "install -o postgres -g postgres -m 0644 /tmp/settings $config/conf.d/timescaledb-multinode.conf"
    if [ "$node" != "$access" ]; then
        # The containers have other addresses every time.
        on "$node" "for node in ${nodes[*]}; do
                echo \"host timescaledb postgres \$(getent ahostsv4 \$node | sed -n '1s/ .*//p')/32 scram-sha-256\"
            done >>$config/pg_hba.conf"
    fi
    on "$node" 'umask 077; cat >/etc/timescaledb-multinode.passfile; chown postgres:postgres /etc/timescaledb-multinode.passfile' <"$files/passfile"
    on "$node" systemctl start postgresql@15-main
    { printf "ALTER ROLE postgres PASSWORD '%s';\n" "$(cat "$files/password")"
      echo "CREATE DATABASE timescaledb TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';"
      echo '\c timescaledb'
      echo "CREATE EXTENSION timescaledb VERSION '${version%%~*}';"
    } | on "$node" sudo -u postgres psql -qX -v ON_ERROR_STOP=1 >/dev/null
}

everywhere host

{
    for node in "${nodes[@]:1}"; do
        echo "SELECT add_data_node('$node', host => '$node', port => 5432, database => 'timescaledb', bootstrap => false);"
    done
    cat <<'EOF'
CREATE TABLE conditions (time timestamptz NOT NULL, device int NOT NULL, temperature double precision);
SELECT create_distributed_hypertable('conditions', 'time', 'device');
CREATE TABLE scratch (time timestamptz NOT NULL, device int NOT NULL);
SELECT create_distributed_hypertable('scratch', 'time', 'device');
INSERT INTO scratch SELECT now(), n FROM generate_series(1, 1000) AS n;
SELECT count(*) FROM scratch;
DROP TABLE scratch;
EOF
} | on "$access" sudo -u postgres psql -qX -v ON_ERROR_STOP=1 timescaledb >/dev/null

# Every node logs in to every data node, and tries what has to be turned away.
prove() {
    on "$1" "sudo -u postgres sh -s $1 ${nodes[*]:1}" <<'EOF'
node=$1
shift
export PGCONNECT_TIMEOUT=10
try() {
    PGPASSWORD=$3 PGPASSFILE=/etc/timescaledb-multinode.passfile psql -qXAt -h "$other" -U "$1" -c 'SELECT 1' "$2" >/dev/null 2>&1
}
for other in "$@"; do
    [ "$other" != "$node" ] || continue
    try postgres timescaledb '' || { echo "$node cannot log in to $other" >&2; exit 1; }
    if try postgres timescaledb wrong || try nobody timescaledb wrong || try postgres nowhere ''; then
        echo "$other lets in $node as it should not" >&2
        exit 1
    fi
done
EOF
}

everywhere prove
