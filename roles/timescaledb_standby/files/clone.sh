# shellcheck shell=sh
# Puts a copy of the primary's data into the place of what is there, which is marked as what may go.
# Arguments: bindir configdir datadir marker slot conninfo
set -eu
bindir=$1 config=$2 data=$3 marker=$4 slot=$5 conninfo=$6
as_postgres() {
    runuser -u postgres -- "$@"
}
cd /

# The copy that an interrupted run has begun may still be at work, and holds this lock. Where it has come to its end, there is nothing left to do.
exec 9<"$marker"
flock 9
if [ "$(cat "$marker" 2>/dev/null)" != "$data" ]; then
    [ -e "$data/standby.signal" ] && exit 0
    echo "$marker is not about $data" >&2
    exit 1
fi

if as_postgres "$bindir/pg_ctl" status -s -D "$data" >/dev/null 2>&1; then
    as_postgres "$bindir/pg_ctl" stop -s -w -t 3600 -m fast -D "$data"
fi
install -d -o postgres -g postgres -m 0700 "$data"
find "$data" -mindepth 1 -delete
as_postgres "$bindir/pg_basebackup" --pgdata "$data" --wal-method stream --slot "$slot" --checkpoint fast --no-password --dbname "$conninfo"

# Without this file the server would come up as a second primary: it is on the disk before the marker goes.
as_postgres touch "$data/standby.signal"
sync "$data/standby.signal" "$data"
# A former primary was kept from being started.
[ ! -f "$config/start.conf" ] || sed -i 's/^disabled$/auto/' "$config/start.conf"
rm "$marker"
