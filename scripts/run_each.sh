#!/bin/sh
# Run scripts, and notebooks (scripts/run_notebook.py), one after another in an empty folder, and stop at the first that
# fails.
#
#   sh scripts/run_each.sh PYTHON SCRATCH SCRIPT...
#
# Their output is shown. A script that writes files leaves them in SCRATCH.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=$root/$1
scratch=$2
shift 2

if [ ! -f "$1" ]; then
    printf 'no script matches %s\n' "$1" >&2
    exit 1
fi
rm -rf "$scratch"
mkdir -p "$scratch"
# No window: figures are written, not shown.
MPLBACKEND=Agg
export MPLBACKEND

count=$#
for script in "$@"; do
    printf '== %s\n' "$script"
    started=$(date +%s)
    case $script in
        *.ipynb) runner=$root/scripts/run_notebook.py ;;
        *) runner= ;;
    esac
    (cd "$scratch" && "$python" ${runner:+"$runner"} "$root/$script") || {
        printf '%s failed\n' "$script" >&2
        exit 1
    }
    printf '== %s: %s s\n' "$script" "$(($(date +%s) - started))"
done
printf '%s of %s ran\n' "$count" "$count"
