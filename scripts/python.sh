#!/bin/sh
# Prints the path of a Python that adiabat can run on (3.12 to 3.14, with venv), or says how to get one.
# Looked for in this order: $PYTHON, the PATH, pyenv's versions, uv (fetched with pip when it is not there).
# Inside a virtual environment it is the Python below it. An old python3 first on the PATH is passed over, and
# so is a pyenv shim of a version that is not switched on.

check='import sys, ensurepip, venv
assert (3, 12) <= sys.version_info < (3, 15) and sys.maxsize > 2**32
print(sys._base_executable)'

try() {
    found=$("$1" -I -c "$check" 2>/dev/null) && [ -n "$found" ] && printf '%s\n' "$found" && exit 0
}

if [ -n "${PYTHON:-}" ]; then
    try "$PYTHON"
    echo "PYTHON=$PYTHON is not a 64-bit Python 3.12 to 3.14 with the venv and ensurepip modules." >&2
    exit 1
fi

for name in python3.12 python3.13 python3.14 python3 python; do
    try "$name"
done
for folder in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[234]*/bin; do
    try "$folder/python3"
done

# uv brings a Python of its own. It goes to a folder of this user, so that a second clone finds it again.
store=${XDG_CACHE_HOME:-$HOME/.cache}/adiabat
uv=$(command -v uv || true)
[ -n "$uv" ] || [ ! -x "$store/uv/bin/uv" ] || uv=$store/uv/bin/uv
if [ -z "$uv" ]; then
    echo "No Python 3.12 to 3.14 found; trying to fetch one with uv ..." >&2
    for name in python3 python; do
        if "$name" -m venv "$store/uv" >/dev/null 2>&1 &&
            "$store/uv/bin/python" -m pip install --quiet uv >/dev/null 2>&1; then
            uv=$store/uv/bin/uv
            break
        fi
    done
fi
if [ -n "$uv" ]; then
    "$uv" python install --quiet 3.12 >/dev/null 2>&1
    try "$("$uv" python find --system --no-project '>=3.12,<3.15' 2>/dev/null)"
fi

cat >&2 <<'MESSAGE'
adiabat needs a 64-bit Python 3.12, 3.13 or 3.14 with its venv module, and found none. Any of these gives one:
    Debian, Ubuntu:   apt-get install python3.12-venv      (or python3-venv, where python3 is 3.12 or newer)
    Fedora:           dnf install python3.12
    macOS:            brew install python@3.12
    pyenv:            pyenv install 3.12
    conda, mamba:     conda create -n adiabat python=3.12 && conda activate adiabat
    uv:               uv python install 3.12
Then run make again, or name one yourself:  make PYTHON=/path/to/python3.12 ...
MESSAGE
exit 1
