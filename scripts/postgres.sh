#!/bin/sh
# Makes PostgreSQL's programs be there for the tests of a tracking server: installs Debian's package where it is missing
# (root), and prints the folder of initdb and postgres. Again changes nothing. POSTGRES_BIN names another folder.
# No server is started: each test starts its own, in a folder of its own, on a socket there.
set -eu

found() {
    for folder in "${POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin; do
        [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && best=$folder
    done
    [ -n "${best:-}" ] && echo "$best"
}

if found; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "postgres: none here; install it (Debian: apt-get install postgresql), or name its folder with POSTGRES_BIN" >&2
    exit 3
fi
echo "postgres: installing postgresql" >&2
export DEBIAN_FRONTEND=noninteractive
# Else the package makes a cluster of its own, and starts it on the usual port.
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/evalkit.conf
apt-get install -qq -y --no-install-recommends postgresql >/dev/null 2>&1 || {
    apt-get update -qq && apt-get install -qq -y --no-install-recommends postgresql >/dev/null
}
found
