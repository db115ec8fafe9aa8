#!/bin/sh
# Make .venv, the environment every `make` target runs in, or see that it is complete.
#
#   sh scripts/setup_env.sh runtime   what the package needs       (requirements.lock)
#   sh scripts/setup_env.sh dev       and what its developers need (requirements-dev.lock); the default
#   sh scripts/setup_env.sh uv        only find uv, or install it in .venv-uv, and print its path
#
# PYTHON=/path/to/python chooses the interpreter. Without it the first suitable one that is found is taken, and where
# there is none, uv is asked for one. Everything is installed from the hashed lock files, as wheels.
#
# An environment counts as complete only once its stamp is written, which is the last thing done. An interrupted
# set-up is therefore made again from nothing, and so is one whose lock files, or whose place on disk, have changed.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv=.venv
state=$venv/.setup
log=$state/log
busy=.venv-busy

say() { printf '[setup] %s\n' "$*" >&2; }

fail() {
    say "$1"
    shift
    for line in "$@"; do printf '        %s\n' "$line" >&2; done
    exit 1
}

# uv brings its own certificates, and would not know those that an organisation has added to the system's.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

# Gives find_uv, bootstrap_uv, probe_python and choose_python.
. scripts/find_python.sh

# --- Installing ------------------------------------------------------------------------------------------------------

# Reads pip's output and says how far it has come: on a terminal in one line, else every twenty packages.
progress() {
    count=0
    while IFS= read -r line; do
        case $line in
            Collecting* | Processing*)
                count=$((count + 1))
                if [ -t 2 ]; then
                    printf '\r[setup]   %s of about %s packages found ' "$count" "$1" >&2
                elif [ $((count % 20)) -eq 0 ]; then
                    say "  $count of about $1 packages found"
                fi
                ;;
            'Installing collected'*)
                [ "$count" -gt 1 ] || continue
                if [ -t 2 ]; then printf '\n' >&2; fi
                say '  unpacking'
                ;;
        esac
    done
}

# logged N COMMAND...: the whole output goes to the log; N is how many packages to expect.
logged() {
    expected=$1
    shift
    rm -f "$state/status"
    {
        code=0
        "$@" 2>&1 </dev/null || code=$?
        echo "$code" >"$state/status"
    } | tee -a "$log" | progress "$expected"
    [ "$(cat "$state/status" 2>/dev/null)" = 0 ]
}

use_uv() { "$uv" pip "$@" --quiet --python "$venv/bin/python"; }

# Bytecode is left to compile_used: compiling all of it takes longer than unpacking it.
use_pip() {
    command=$1
    shift
    case $command in
        install) set -- --no-compile --progress-bar off "$@" ;;
    esac
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$command" "$@"
}

# install_all TOOL: the locked packages, then the package itself by the locked build backend; then whether the lock
# files still hold what pyproject.toml asks for.
install_all() {
    logged "$packages" "$1" install --require-hashes --only-binary :all: -r "$lock" &&
        logged 1 "$1" install --no-deps --no-build-isolation --no-index --editable . &&
        logged 0 "$1" check
}

# Compiles what the package imports, what a study of few people imports and runs besides (figures, the command line,
# the kernels of numba), and what the tests do. Where PYTHONDONTWRITEBYTECODE is set, as images of containers have it,
# every start would else compile thousands of modules again. Not having it done is slow, but no failure.
compile_used() {
    say 'compiling what is used, by a small study; this takes a minute'
    compile_part study &
    compile_part rest
    wait
}

# compile_part study|rest: each takes half a minute of a processor, so both are done at once.
compile_part() {
    env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" - "$1" >>"$log" 2>&1 <<'EOF' || :
import contextlib, importlib, pathlib, pkgutil, sys, tempfile

import alliance_bayes
from alliance_bayes.cli import main

with tempfile.TemporaryDirectory() as folder:
    table, page, draws = (str(pathlib.Path(folder) / name) for name in ("cohort.csv", "study.html", "fit.nc"))
    study = ["study", table, "-o", page]
    nuts = ["fit", "models/outcome.toml", table, "-o", draws, "--engine", "nuts", "--draws", "4", "--tune", "4"]
    for arguments in (["simulate", "--n", "150", "-o", table], study if sys.argv[1] == "study" else nuts):
        with contextlib.suppress(SystemExit):
            main(arguments)
if sys.argv[1] == "rest":
    besides = ["pymc", "_pytest.config", "hypothesis", "xdist", "playwright.sync_api"]
    found = [module.name for module in pkgutil.walk_packages(alliance_bayes.__path__, "alliance_bayes.")]
    for name in [*(name for name in found if not name.endswith("__main__")), *besides]:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
EOF
}

# --- Main ------------------------------------------------------------------------------------------------------------

profile=${1:-dev}
case $profile in
    runtime) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    uv)
        find_uv || bootstrap_uv || fail 'uv was not found, and could not be installed. Install it, then run make again.'
        exit 0
        ;;
    *) fail "unknown profile '$profile': runtime, dev or uv" ;;
esac

# The locks and the place decide whether an environment can be kept; pyproject.toml, whether to install into it again.
locks=$(cksum requirements.lock requirements-dev.lock scripts/setup_env.sh scripts/find_python.sh && pwd)
wanted=$(printf '%s\n' "$locks" && cksum pyproject.toml)
holds() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# Whether two interpreters, as probe_python prints them, are one: python and python3.13 may be names of the same file.
same_python() {
    "$venv/bin/python" -I -c 'import os, sys; sys.exit(not os.path.samefile(*sys.argv[1:]))' \
        "${1#* * }" "${2#* * }" 2>/dev/null
}

# Ends the script when there is nothing to do; else sets `keep`: whether what is there can be built on.
look() {
    keep=no
    holds "$state/locks" "$locks" || return 0
    have=$(probe_python "$venv/bin/python") || return 0
    [ -z "${PYTHON:-}" ] || same_python "$have" "$(probe_python "$PYTHON" || :)" || return 0
    keep=yes
    if holds "$state/$profile" "$wanted"; then exit 0; fi
}
look

if [ -e "$venv" ] && [ ! -f "$state/made-here" ]; then
    fail "$root/$venv exists, and was not made by this script: it is left as it is." \
        'Move it away or remove it, then run make again.'
fi

# One set-up at a time: whoever comes second waits, and then looks again. A lock whose process is gone is no lock.
if ! mkdir "$busy" 2>/dev/null; then
    other=$(cat "$busy/pid" 2>/dev/null || :)
    if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then
        say "another set-up is running here (process $other): waiting for it"
        waited=0
        while kill -0 "$other" 2>/dev/null && [ -d "$busy" ]; do
            [ $waited -lt 900 ] || fail 'it has taken a quarter of an hour.' \
                "If process $other is something else, remove $root/$busy, then run make again."
            sleep 1
            waited=$((waited + 1))
        done
    else
        sleep 1 # It may just have been made, and its process not yet written down.
        [ "$(cat "$busy/pid" 2>/dev/null || :)" != "$other" ] || rm -rf "$busy"
    fi
    exec sh scripts/setup_env.sh "$profile"
fi
echo $$ >"$busy/pid"
trap 'rm -rf "$busy"' EXIT
trap 'exit 130' HUP INT TERM
look

started=$(date +%s)
choose_python
kind=${found%% *}
rest=${found#* }
version=${rest%% *}
python=${rest#* }
say "Python $version ($python)"

if [ $keep = yes ]; then
    # From here until the end this is not a complete environment.
    rm -f "$state/locks" "$state/runtime" "$state/dev"
else
    rm -rf "$venv"
    mkdir -p "$state"
    : >"$state/made-here"
    say "making $venv"
    if [ "$kind" = full ]; then
        "$python" -m venv "$venv" >"$log" 2>&1 || { cat "$log" >&2; fail "$python -m venv failed."; }
    else
        "$uv" venv --quiet --allow-existing --python "$python" "$venv" >"$log" 2>&1 ||
            { cat "$log" >&2; fail 'uv venv failed.'; }
    fi
fi

packages=$(grep -c '^[A-Za-z0-9].*==' "$lock")
done=no
if [ -n "$uv" ]; then
    say "installing $packages packages from $lock with uv; the first time this takes a minute or so"
    if install_all use_uv; then done=yes; fi
fi
if [ $done = no ] && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    [ -z "$uv" ] || say "uv could not (see $log): trying pip, which may be set up differently"
    say "installing $packages packages from $lock with pip; the first time this takes a minute or two"
    if install_all use_pip; then done=yes; fi
fi
if [ $done = no ]; then
    tail -n 15 "$log" >&2
    fail "the packages could not be installed. The last lines of $log are above." \
        'A network problem: run make again. "No matching distribution": wheels of everything exist for Linux' \
        '(glibc 2.28 or later, x86-64 and arm64) and for macOS on Apple silicon, and for nothing else.' \
        'A requirement that is not met, or not installed: pyproject.toml has changed and the lock files have not' \
        '(make lock).'
fi

printf '%s\n' "$wanted" >"$state/$profile"
# What developers have includes what the package needs.
if [ "$profile" = dev ]; then cp "$state/dev" "$state/runtime"; fi
printf '%s\n' "$locks" >"$state/locks"
compile_used
say "ready in $(($(date +%s) - started)) s"
