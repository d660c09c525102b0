#!/bin/sh
# Makes Chromium be there for the tests of pages: installs Debian's package `chromium` where it is missing (root), and
# prints where it is. Again changes nothing. CHROMIUM names another one.
set -eu

found() { command -v "${CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome; }

if path=$(found); then
    echo "$path"
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "browser: no Chromium here; install it (Debian: apt-get install chromium), or name one with CHROMIUM" >&2
    exit 3
fi
echo "browser: installing chromium" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 || {
    apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null
}
found
