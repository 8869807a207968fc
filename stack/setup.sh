#!/bin/sh
# Makes the virtual environment: finds a Python, fetches uv by name from the package registry, installs what is pinned.
# Usage: setup.sh VENV
set -eu
venv=$1
newest=3.13 # the newest Python that every pinned package has a wheel for; "<3.14" below

fits() {
    # A pyenv shim exists and still does not run, so ask the program itself.
    "$1" -c "import sys; sys.exit(not ((3, 12) <= sys.version_info[:2] <= tuple(map(int, '$newest'.split('.')))))" 2>/dev/null
}

python=
for candidate in "${PYTHON:-}" python3.12 python3.13 python3 \
    "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.12*/bin/python "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.13*/bin/python; do
    if [ -n "$candidate" ] && fits "$candidate"; then
        python=$candidate
        break
    fi
done

if [ -x "$venv/bin/uv" ] && fits "$venv/bin/python"; then
    uv=$venv/bin/uv
elif [ -n "$python" ] && rm -rf "$venv" && "$python" -m venv "$venv" 2>/dev/null; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r stack/requirements-uv.txt
    uv=$venv/bin/uv
elif uv=$(command -v uv); then
    rm -rf "$venv"
    "$uv" venv --quiet --python "${python:->=3.12,<3.14}" "$venv"
else
    echo "Beatstream needs Python 3.12 to $newest with its venv module (Debian: apt-get install python3-venv), or uv." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12" >&2
    exit 1
fi

echo "Installing the pinned packages (about 1.2 GB the first time) ..."
VIRTUAL_ENV=$venv "$uv" pip sync --quiet --require-hashes requirements-dev.txt
VIRTUAL_ENV=$venv "$uv" pip install --quiet --no-deps --editable .
