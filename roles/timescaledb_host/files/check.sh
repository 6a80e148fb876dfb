# shellcheck shell=sh
# Starts a scratch server with the host's configuration and new settings or access rules, without TCP and away from all data.
# Arguments: bindir configdir datadir settings hba; "-" stands for what the host has.
set -eu
bindir=$1 config=$2 data=$3 settings=$4 hba=$5
scratch=$(mktemp -d)
as_postgres() {
    runuser -u postgres -- "$@"
}
stop() {
    [ -f "$scratch/data/postmaster.pid" ] && as_postgres "$bindir/pg_ctl" stop -s -m immediate -D "$scratch/data"
    rm -rf "$scratch"
}
trap stop EXIT

mkdir "$scratch/config"
for part in "$config"/*.conf "$config"/*.d; do
    [ ! -e "$part" ] || cp -r "$part" "$scratch/config"
done
[ "$settings" = - ] || cp "$settings" "$scratch/config/conf.d/timescaledb-multinode.conf"
[ "$hba" != - ] || hba=$config/pg_hba.conf
# Without this rule, the first of all, pg_ctl could not tell that the server is up.
{ echo "local all all peer"; cat "$hba"; } >"$scratch/config/pg_hba.conf"
chown -R postgres "$scratch"
cd "$scratch"

if [ -f "$data/PG_VERSION" ] && [ ! -e "$data/postmaster.opts" ] && [ ! -e "$data/standby.signal" ]; then
    # It has never been started, and is no copy of another one: its own copy is the quickest way to a data directory.
    cp -a "$data" "$scratch/data"
else
    as_postgres "$bindir/initdb" -D "$scratch/data" -A peer -N >"$scratch/initdb.log" 2>&1 || { cat "$scratch/initdb.log" >&2; exit 1; }
    [ ! -f "$data/postgresql.auto.conf" ] || cp -a "$data/postgresql.auto.conf" "$scratch/data"
fi
# On the command line they win over everything that the files say. Up to PostgreSQL 14 statistics have a folder.
away="-c config_file=$scratch/config/postgresql.conf -c data_directory=$scratch/data -c hba_file=$scratch/config/pg_hba.conf"
away="$away -c ident_file=$scratch/config/pg_ident.conf -c unix_socket_directories=$scratch -c listen_addresses= -c external_pid_file="
away="$away -c ssl=off -c archive_mode=off -c logging_collector=off -c log_destination=stderr -c huge_pages=try"
case $("$bindir/postgres" --version) in *" 13"* | *" 14"*) away="$away -c stats_temp_directory=pg_stat_tmp" ;; esac
as_postgres "$bindir/pg_ctl" start -s -w -t 60 -D "$scratch/data" -l "$scratch/log" -o "$away" || {
    echo "The server does not start with these settings:" >&2
    grep -E "FATAL|ERROR|LOG:.*(invalid|unrecognized)|HINT" "$scratch/log" >&2 || cat "$scratch/log" >&2
    exit 1
}
