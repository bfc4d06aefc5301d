#!/usr/bin/env bash
# The benchmark in small: every section runs, and every check of what it timed holds. No number is looked at.
. "$(dirname "$0")/../support/cli.sh"

bench=$(dirname "$STEPLOG")/bench
[ "${STEPLOG_VARIANT:-}" = asan ] && bench=$(dirname "$STEPLOG")/benchmark # build/asan/bench/ has its objects
cd "$ROOT" || exit 1
mkdir "$TMP/scratch"
export BENCH_DIR=$TMP/scratch
unset DATA
check_exit "every section runs and finds what it wrote" 0 "$bench" --smoke --json "$TMP/out/bench.json"
check_equal "nothing is left of its stores" "" "$(ls "$TMP/scratch")"
check_equal "each section has measurements" "append calls codec floors growth head logs m4 memory open paced processes rivals stores sustained visible" \
    "$(sed -n 's/.*"section": "\([a-z0-9]*\)".*/\1/p' "$TMP/out/bench.json" | grep -v impact | sort -u | tr '\n' ' ' | sed 's/ $//')"
check_exit "the results are JSON" 0 /usr/bin/python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$TMP/out/bench.json"
check_exit "the plots are XML" 0 /usr/bin/python3 -c '
import sys, xml.etree.ElementTree as tree
for path in sys.argv[1:]: tree.parse(path)' "$TMP"/out/*.svg
check_match "--help lists the sections" '^  append ' "$("$bench" --help)"
check_exit "an unknown section is a usage error" 2 "$bench" frobnicate

# SIGTERM in the middle: no directory stays, and the exit code says why.
"$bench" --quick --json "$TMP/out/ended.json" sustained > /dev/null 2>&1 &
pid=$!
for ((i = 0; i < 100; i++)); do
    [ -n "$(ls "$TMP/scratch")" ] && break
    sleep 0.05
done
kill -TERM "$pid"
wait "$pid"
check_equal "SIGTERM ends it with 143" 143 $?
check_equal "and its stores are gone" "" "$(ls "$TMP/scratch")"
