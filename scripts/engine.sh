#!/bin/sh
# Makes a container engine answer on this machine: installs docker.io and debootstrap where they are missing (Debian,
# root), starts dockerd in the background, waits until it answers. Again changes nothing. ENGINE_LOG names the log.
set -eu
log=${ENGINE_LOG:-/var/log/evalkit-dockerd.log}

answers() { docker version --format '{{.Server.Version}}' 2>/dev/null; }

if version=$(answers); then
    echo "engine: $version answers"
    command -v debootstrap >/dev/null && exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "engine: starting one needs root; run scripts/engine.sh as root, or set DOCKER_HOST" >&2
    exit 3
fi
exec 9>/run/lock/evalkit-engine.lock
flock 9 # one at a time: the second finds what the first has started
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null || ! command -v debootstrap >/dev/null; then
    command -v apt-get >/dev/null || { echo "engine: no apt-get here; install docker and debootstrap" >&2; exit 3; }
    echo "engine: installing docker.io and debootstrap"
    export DEBIAN_FRONTEND=noninteractive
    packages="docker.io debootstrap iptables" # dockerd looks for iptables even where it is told to leave it alone
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $packages >/dev/null 2>&1 || {
        apt-get update -qq && apt-get install -qq -y --no-install-recommends $packages >/dev/null
    }
fi
if ! answers >/dev/null; then
    # Attempts have no network, so neither a bridge nor rules for one are made.
    setsid dockerd --bridge=none --iptables=false --ip-forward=false >"$log" 2>&1 </dev/null 9>&- &
    daemon=$!
    waited=0
    until answers >/dev/null; do
        waited=$((waited + 1))
        if [ "$waited" -gt 120 ] || ! kill -0 "$daemon" 2>/dev/null; then
            echo "engine: dockerd did not come up; the end of $log:" >&2
            tail -n 20 "$log" >&2
            exit 3
        fi
        sleep 0.5
    done
fi
echo "engine: $(answers) answers"
