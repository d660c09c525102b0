#!/bin/sh
# Makes the virtual environment in $1 with evalkit and its development tools. PYTHON names the interpreter.
set -eu
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "evalkit needs Python 3.11 or newer; $python is $("$python" --version). Try: make PYTHON=python3.12" >&2
    exit 2
}
# Debian ships venv's pip apart from Python.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    echo "installing python3-venv"
    apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null
fi
echo "installing evalkit and the packages that it needs into $1: some minutes"
[ -x "$1/bin/python" ] || "$python" -m venv "$1"
# Twice quiet: pip warns once a package of every index in the user's settings that is not there. Errors are still told.
"$1/bin/pip" install -qq --upgrade 'pip>=25.1' # the first that knows dependency groups
"$1/bin/pip" install -qq --group dev --editable '.[local]'
