#!/bin/bash
# steplog dump: every file field by field.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
awk 'BEGIN { print "step,loss,acc"; for (i = 0; i < 3000; i++) printf "%d,%.6f,%d\n", i, 1 / (i + 1), i % 7 }' > a.csv
"$STEPLOG" import --run base a.csv > /dev/null 2>&1

check "a sound store is exit code 0" "$STEPLOG" dump
out=$("$STEPLOG" dump)
check_match "every file has its heading" '^STEPLOG$' "$out"
check_equal "each of them" "$(cd store && find . -type f | sed 's|^\./||' | sort)" \
    "$(printf '%s\n' "$out" | grep -v '^ ' | grep . | sort)"
check_match "a field has offset, bytes, name and value" '^ +0 +[0-9]+  [a-z_ ]+ = ' "$out"
check_equal "one file can be named" "STEPLOG" "$("$STEPLOG" dump STEPLOG | grep -v '^ ')"
check_equal "by its path from here too" "STEPLOG" "$("$STEPLOG" dump "$TMP/store/STEPLOG" | grep -v '^ ')"
plain=$("$STEPLOG" dump | wc -l)
values=$("$STEPLOG" dump --values | wc -l)
check "--values prints more" test "$values" -gt "$plain"
check "--json is JSON" sh -c '"$0" dump --json | python3 -c "import json, sys
d = json.load(sys.stdin)
assert d[\"schema\"] == 1 and d[\"damaged\"] == 0 and len(d[\"fields\"]) > 10"' "$STEPLOG"

segment=$(cd store && find seg -name '*.seg' | head -1)
size=$(stat -c %s "store/$segment")
printf '\377\377\377\377' | dd of="store/$segment" bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
check_exit "a damaged store is exit code 1" 1 "$STEPLOG" dump
check_match "the damage is shown where it is" 'DAMAGED: ' "$("$STEPLOG" dump)"
check_match "in JSON too" '"damaged": true' "$("$STEPLOG" dump --json)"
check_exit "a file that is not there is exit code 3" 3 "$STEPLOG" dump log/nothing.log
check_exit "a path out of the store is refused" 1 sh -c '"$0" dump ../a.csv; test $? -eq 0' "$STEPLOG"
check_exit "a store that is not there is exit code 3" 3 "$STEPLOG" -C nowhere dump
