# shellcheck shell=bash
# What deploy.yml does on virgin hosts, as a plain shell script would do it: no checks, no second run, hosts side by side.
# The yardstick of benchmarks/deploy.py; it is handed the files that deploy.yml writes, so that both set up the same.
#
# usage: deploy.sh PREFIX FILES VERSION NODE_NAME...      the first node is the access node
#   PREFIX  of the container names, FILES a folder with postgresql.conf.NODE, pg_hba.conf.NODE, passfile, password, sources
set -euo pipefail
prefix=$1 files=$2 version=$3
shift 3
access=$1

host() {
    local node=$1 container=$prefix-$1
    run() { docker exec -i "$container" "$@"; }
    run sh -ec 'cat >/etc/apt/sources.list.d/timescaledb.sources' <"$files/sources"
    run sh -ec 'cat >/etc/apt/preferences.d/timescaledb' <<EOF
Package: timescaledb-2-postgresql-15 timescaledb-2-loader-postgresql-15
Pin: version $version
Pin-Priority: 1001
EOF
    run sh -ec 'mkdir -p /etc/postgresql-common && echo create_main_cluster=false >/etc/postgresql-common/createcluster.conf
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install --no-install-recommends postgresql-15 python3-psycopg2 python3-debian \
            "timescaledb-2-postgresql-15=$0" "timescaledb-2-loader-postgresql-15=$0"
        apt-mark hold timescaledb-2-postgresql-15 timescaledb-2-loader-postgresql-15
        pg_createcluster 15 main --createclusterconf /usr/share/postgresql-common/createcluster.conf --port 5432 --locale C.UTF-8 --encoding UTF8 -- --data-checksums --auth-host scram-sha-256
        install -d -o postgres -g postgres -m 0700 /etc/timescaledb-multinode' "$version" >/dev/null
    run sh -ec 'cat >/etc/postgresql/15/main/conf.d/timescaledb-multinode.conf' <"$files/postgresql.conf.$node"
    run sh -ec 'cat >/etc/postgresql/15/main/pg_hba.conf' <"$files/pg_hba.conf.$node"
    run sh -ec 'umask 077; cat >/etc/timescaledb-multinode/passfile; chown postgres:postgres /etc/timescaledb-multinode/passfile' <"$files/passfile"
    run sh -ec 'systemctl enable --now --quiet postgresql@15-main'
    { printf "ALTER ROLE postgres PASSWORD '%s';\n" "$(cat "$files/password")"
      echo "CREATE DATABASE timescaledb TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';"
      echo '\c timescaledb'
      echo "CREATE EXTENSION timescaledb VERSION '${version%%~*}';"
    } | run sudo -u postgres psql -qX -v ON_ERROR_STOP=1 >/dev/null
}

jobs=()
for node in "$@"; do
    host "$node" &
    jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done

shift
{
    for node in "$@"; do
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
} | docker exec -i "$prefix-$access" sudo -u postgres psql -qX -v ON_ERROR_STOP=1 timescaledb >/dev/null
