# shellcheck shell=sh
# Stops the server for good, and prints how it ended: its state, where its last checkpoint is, and whether anything was changed.
# Arguments: bindir configdir datadir
set -eu
bindir=$1 config=$2 data=$3
as_postgres() {
    runuser -u postgres -- "$@"
}
cd /

# First of all, or it could be started again between the two: at boot, by systemctl and by pg_ctlcluster, which all look at Debian's file; elsewhere
# at what the unit of the role timescaledb_host asks for.
if [ -f "$config/start.conf" ]; then
    grep -qx disabled "$config/start.conf" || {
        printf '# Its standby was promoted: started again, there would be two primaries.\ndisabled\n' >"$config/start.conf.new"
        chown postgres:postgres "$config/start.conf.new"
        mv "$config/start.conf.new" "$config/start.conf"
        sync "$config/start.conf" "$config"
        echo changed=yes
    }
elif [ ! -e "$data/timescaledb-multinode.fenced" ]; then
    as_postgres touch "$data/timescaledb-multinode.fenced"
    sync "$data/timescaledb-multinode.fenced" "$data"
    echo changed=yes
fi

# Sessions end, and standbys that stream get all WAL before it is down.
if as_postgres "$bindir/pg_ctl" status -s -D "$data" >/dev/null 2>&1; then
    as_postgres "$bindir/pg_ctl" stop -s -w -t 3600 -m fast -D "$data"
    echo changed=yes
fi
if as_postgres "$bindir/pg_ctl" status -s -D "$data" >/dev/null 2>&1; then
    echo "it is still running" >&2
    exit 1
fi
LC_ALL=C "$bindir/pg_controldata" "$data" | sed -n 's/^Database cluster state: */state=/p; s/^Latest checkpoint location: */checkpoint=/p'
