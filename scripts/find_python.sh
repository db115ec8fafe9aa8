# shellcheck shell=sh
# Find a Python that can run the package, or uv, which can bring one. Read in by setup_env.sh, in the repository's
# root; needs its `say` and `fail`.

uv_venv=$PWD/.venv-uv

# --- Python ----------------------------------------------------------------------------------------------------------

# Prints "full|bare VERSION PATH" for an interpreter that can be used. "bare" lacks what `python -m venv` needs. The
# path is that of the underlying interpreter, so that it outlives a virtual environment that happens to be active.
# Version limits: PyMC's. Free-threaded builds need wheels of their own, which not every dependency publishes.
probe='
import sys, sysconfig
if sys.implementation.name != "cpython" or not (3, 12) <= sys.version_info[:2] <= (3, 14):
    sys.exit(1)
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
import ctypes, ssl, zlib
try:
    import ensurepip, venv
    kind = "full"
except ImportError:
    kind = "bare"
print(kind, "%d.%d.%d" % sys.version_info[:3], getattr(sys, "_base_executable", "") or sys.executable)
'

# Running the candidate is the only test: a name on PATH may be a shim with no interpreter behind it.
probe_python() { "$1" -I -c "$probe" 2>/dev/null </dev/null; }

# Every place a Python may be, one path a line; first the versions that most of the testing is done on.
candidates() {
    for name in python3.13 python3.12 python3.14 python3 python; do
        command -v "$name" 2>/dev/null || :
    done
    for minor in 3.13 3.12 3.14; do
        for path in \
            "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}/versions/$minor".*/bin/python \
            "${HOME:-/nonexistent}/.local/bin/python$minor" \
            "/usr/local/bin/python$minor" \
            "/usr/local/opt/python@$minor/bin/python$minor" \
            "/opt/homebrew/bin/python$minor" \
            "/opt/homebrew/opt/python@$minor/bin/python$minor" \
            "/opt/local/bin/python$minor" \
            "/Library/Frameworks/Python.framework/Versions/$minor/bin/python$minor" \
            /opt/python/"$minor"*/bin/python3 \
            /opt/python"$minor"*/bin/python3 \
            "/usr/bin/python$minor"; do
            if [ -x "$path" ]; then printf '%s\n' "$path"; fi
        done
    done
}

# --- uv --------------------------------------------------------------------------------------------------------------

find_uv() {
    for path in "$(command -v uv 2>/dev/null || :)" "${HOME:-/nonexistent}/.local/bin/uv" \
        "${HOME:-/nonexistent}/.cargo/bin/uv" "$uv_venv/bin/uv"; do
        if [ -n "$path" ] && "$path" --version >/dev/null 2>&1 </dev/null; then
            printf '%s\n' "$path"
            return 0
        fi
    done
    return 1
}

# uv is itself a wheel, and any Python 3 with venv can install it.
bootstrap_uv() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do
        "$name" -I -c 'import sys, ensurepip, venv, ssl; sys.exit(sys.version_info < (3, 8))' \
            >/dev/null 2>&1 </dev/null || continue
        say "installing uv in .venv-uv with $name"
        rm -rf "$uv_venv"
        if "$name" -m venv "$uv_venv" >&2 &&
            "$uv_venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
                --only-binary :all: -r requirements-uv.lock >&2; then
            find_uv
            return
        fi
        rm -rf "$uv_venv"
        return 1
    done
    return 1
}

# --- Choosing --------------------------------------------------------------------------------------------------------

no_python() {
    fail 'no Python 3.12, 3.13 or 3.14 was found, and uv could not provide one. Do one of these, then run make again:' \
        '- install Python from your system: apt install python3 python3-venv (Debian 13, Ubuntu 24.04 or later),' \
        '  dnf install python3.13, or brew install python@3.13;' \
        '- install uv, which brings its own Python: https://docs.astral.sh/uv/;' \
        '- name an interpreter: make test PYTHON=/path/to/python3.13'
}

# Sets `found` to "full|bare VERSION PATH", and `uv` to a path or nothing.
choose_python() {
    found=
    bare=
    uv=$(find_uv) || uv=
    if [ -n "${PYTHON:-}" ]; then
        found=$(probe_python "$PYTHON") || fail "PYTHON=$PYTHON cannot be used." \
            'It must be CPython 3.12, 3.13 or 3.14 (not free-threaded), with ssl, zlib and ctypes.'
        case $found in full*) return 0 ;; esac
        bare=$found
        found=
    else
        # Paths may hold spaces: one a line.
        while IFS= read -r path; do
            [ -n "$path" ] || continue
            found=$(probe_python "$path") || { found=; continue; }
            case $found in full*) return 0 ;; esac
            [ -n "$bare" ] || bare=$found
            found=
        done <<LIST
$(candidates)
LIST
    fi
    [ -n "$uv" ] || uv=$(bootstrap_uv) || uv=
    if [ -n "$bare" ]; then
        # uv needs neither venv nor ensurepip.
        [ -n "$uv" ] || fail "${bare##* } cannot make a virtual environment: its venv module is incomplete." \
            'On Debian and Ubuntu: apt install python3-venv (or python3.13-venv, say). Then run make again.'
        found=$bare
        return 0
    fi
    [ -n "$uv" ] || no_python
    path=$("$uv" python find --system '>=3.12,<3.15' 2>/dev/null) && found=$(probe_python "$path") && return 0
    say 'no suitable Python on this machine: asking uv for one'
    "$uv" python install 3.13 >&2 || no_python
    path=$("$uv" python find --system '>=3.12,<3.15' 2>/dev/null) && found=$(probe_python "$path") && return 0
    no_python
}
