#!/bin/sh
# Makes .venv with exactly what requirements.lock names, and CloudBill itself from these sources. Called by make.
# Needs Python and nothing else of the machine.
set -u
case $0 in */*) cd "${0%/*}" || exit 1 ;; esac

fail() {
    echo "cloudbill: $1" >&2
    exit 1
}

python=""
without_venv=""
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        python=$candidate
        break
    fi
    without_venv=${without_venv:-$candidate}
done
if [ -z "$python" ] && [ -n "$without_venv" ]; then
    fail "$without_venv cannot make environments: install its venv module (Debian, Ubuntu: apt install python3-venv), then run this again."
fi
[ -n "$python" ] || fail "Python 3.11 or newer is needed${PYTHON:+ and $PYTHON is not one}: install it (Debian, Ubuntu: apt install python3 python3-venv), or name one with PYTHON=/path/to/python3."

# One whose Python is gone, that was moved with the checkout, or that lost packages it starts with is made anew.
sound() {
    .venv/bin/python -m pip --version && { [ ! -e .venv/.installed ] || .venv/bin/cloudbill --help; }
}
if ! sound >/dev/null 2>&1; then
    echo "Making the environment .venv with $("$python" --version) ..."
    "$python" -m venv --clear .venv || fail "the environment .venv could not be made with $python: see the lines above."
fi
case "$(.venv/bin/uv --version 2>/dev/null) " in
"uv $UV_VERSION "*) ;;
*)
    echo "Installing uv $UV_VERSION ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" ||
        fail "uv $UV_VERSION could not be installed: check the network and the free disk space, then run this again."
    ;;
esac
# Where Python is told to write no bytecode, each start would compile thousands of files anew: it is written here once.
echo "Installing what requirements.lock names ..."
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} \
        --require-hashes --requirement requirements.lock &&
    VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable . ||
    fail "the packages could not be installed: check the network and the free disk space, then run this again."
: >.venv/.installed
