#!/bin/bash
# steplog verify: what is damaged is found and named; nothing is changed.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
awk 'BEGIN { print "step,loss,acc"; for (i = 0; i < 5000; i++) printf "%d,%.6f,%.6f\n", i, 1 / (i + 1), sin(i) }' > a.csv
"$STEPLOG" import --run base a.csv > /dev/null 2>&1

state() { (cd store && find . -type f -print0 | sort -z | xargs -0 sha256sum && find . -printf '%p %s %T@\n' | sort); }
before=$(state)
check "a sound store is exit code 0" "$STEPLOG" verify
check_match "the summary counts files and points" '^ok: [0-9]+ files, .* 10000 points; 0 damaged' "$("$STEPLOG" verify | tail -1)"
check_equal "verify changes nothing" "$before" "$(state)"
check_equal "-q prints nothing" "" "$("$STEPLOG" verify -q)"
check_match "--json says the same" '"state": "ok".*"points": 10000' "$("$STEPLOG" verify --json)"
check "--json is JSON" python3 -c 'import json, sys; json.loads(sys.argv[1])' "$("$STEPLOG" verify --json)"

segment=$(cd store && find seg -name '*.seg' | head -1)
if [ -n "$segment" ]; then
    size=$(stat -c %s "store/$segment")
    printf '\377\377\377\377' | dd of="store/$segment" bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
    out=$("$STEPLOG" verify)
    check_exit "damage is exit code 1" 1 "$STEPLOG" verify
    check_match "the finding names the file and the offset" "^damaged  $segment at [0-9]+" "$out"
    check_match "and the run" 'run [0-9a-f]{32}' "$out"
    check_match "the summary says it" '^damaged: .* [1-9][0-9]* damaged' "$(printf '%s\n' "$out" | tail -1)"
    check_match "--json names the file" "\"notice\": false, \"file\": \"$segment\"" "$("$STEPLOG" verify --json)"
    check_exit "-q says it with the exit code" 1 "$STEPLOG" verify -q
else
    fails "the import made a segment" "$(find store)"
fi

mkdir foreign && echo hello > foreign/file
check_exit "a directory that is no store is refused" 3 "$STEPLOG" -C foreign verify
check_exit "a store that is not there is exit code 3" 3 "$STEPLOG" -C nowhere verify
check_exit "operands are exit code 2" 2 "$STEPLOG" verify something
