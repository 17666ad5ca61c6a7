#!/bin/sh
# make_venv.sh DIR [PYTHON]: makes a virtual environment with pip in it, or leaves a good one be.
# Debian ships Python without ensurepip and forbids pip to touch the system: then virtualenv, put
# into .cache by pip (which that rule allows), makes the environment.
set -eu
dir=$1
wanted=${2:-}
cache=${HIPFLASK_CACHE:-.cache}/virtualenv

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

has_pip() {
    [ -x "$dir/bin/python" ] && is_new_enough "$dir/bin/python" &&
        "$dir/bin/python" -m pip --version >/dev/null 2>&1
}

if has_pip; then
    exit 0
fi

python=
for candidate in $wanted python3 python3.13 python3.12 python3.11 python; do
    if is_new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "make_venv: no Python 3.11 or newer found (tried ${wanted:-PYTHON unset}, python3, python3.13 .. python3.11)." >&2
    echo "make_venv: install one, or name it: make PYTHON=/path/to/python3" >&2
    exit 1
fi

rm -rf "$dir"
if "$python" -m venv "$dir" >/dev/null 2>&1 && has_pip; then
    echo "make_venv: $dir made by $python -m venv"
    exit 0
fi

rm -rf "$dir"
if ! "$python" -m virtualenv --version >/dev/null 2>&1; then
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        echo "make_venv: $python has neither ensurepip, pip nor virtualenv; on Debian: apt install python3-venv" >&2
        exit 1
    fi
    echo "make_venv: no ensurepip; fetching virtualenv into $cache"
    "$python" -m pip install --quiet --disable-pip-version-check --target "$cache" --upgrade virtualenv
    PYTHONPATH=$cache
    export PYTHONPATH
fi
"$python" -m virtualenv --quiet "$dir"
unset PYTHONPATH
has_pip || { echo "make_venv: $dir was made, but pip does not start in it" >&2; exit 1; }
echo "make_venv: $dir made by virtualenv"
