#!/usr/bin/env bash
# Runs every part of the comparison, one after the other, then prints the table: what `make bench-peers` does after it
# has installed and built. With PARTS="steps load trackers columns" only some; what the others left is printed again.
#
#   run.sh BUILD [DATA_DIR]      DATA_DIR: real logs for WR; else the project's own small copies
set -u
build=${1:?usage: run.sh BUILD [DATA_DIR]}
here=$(dirname "$0")
out=$build/peers
mkdir -p "$out"
if [ $# -gt 1 ]; then data=("$2"); else data=(tests/data examples/data); fi

for part in ${PARTS:-steps load trackers columns}; do
    echo "$part" >&2
    rm -f "$out/$part.json"
    case $part in
    steps | load) "$build/bench-peers" "$part" "$out/$part.json" || exit 1 ;;
    trackers)
        if [ -x "$build/peers-venv/bin/python" ]; then
            python3 "$here/trackers.py" measure "$build" "$out/trackers.json" || exit 1
        fi
        ;;
    columns)
        if "$build/peers-venv/bin/python" -c 'import numpy' 2> /dev/null; then
            "$build/peers-venv/bin/python" "$here/columns.py" measure "$build" "$out/columns.json" "${data[@]}" || exit 1
        fi
        ;;
    *)
        echo "no part is called $part" >&2
        exit 2
        ;;
    esac
done
"$build/bench-peers" machine "$out/machine.txt" && python3 "$here/report.py" "$build"
