#!/bin/bash
# steplog merge: copying what other stores hold, once.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
for name in a b c; do
    awk -v n=$name 'BEGIN { print "step,loss"; for (i = 0; i < 100; i++) printf "%d,%d\n", i, i * length(n) }' > $name.csv
    "$STEPLOG" -C store-$name import --run run-$name $name.csv > /dev/null 2>&1
done
expected=$("$STEPLOG" -C store-b query run-b --tsv)
out=$("$STEPLOG" -C store-a merge store-b store-c)
check_match "each store is said with what was copied" '^store-b: [1-9][0-9]* files copied' "$out"
check_match "all of them" '^store-c: [1-9][0-9]* files copied' "$out"
check_equal "the points are there" "$expected" "$("$STEPLOG" -C store-a query run-b --tsv)"
check "the store is sound" "$STEPLOG" -C store-a verify
before=$("$STEPLOG" -C store-a info --json | grep -o '"point[^,]*')
check_match "merging again copies nothing" '^store-b: 0 files copied' "$("$STEPLOG" -C store-a merge store-b)"
check_equal "and changes nothing" "$before" "$("$STEPLOG" -C store-a info --json | grep -o '"point[^,]*')"
check "--json is JSON" sh -c '"$0" -C store-a merge --json store-b store-c | python3 -c "import json, sys
assert len(json.load(sys.stdin)[\"stores\"]) == 2"' "$STEPLOG"
check_exit "a store cannot be merged into itself" 2 "$STEPLOG" -C store-a merge ./store-a
check_exit "a source that is not there is exit code 3" 3 "$STEPLOG" -C store-a merge nowhere
mkdir no-store && touch no-store/file
check_exit "a source that is no store is exit code 3" 3 "$STEPLOG" -C store-a merge no-store
check_exit "a target that is not there is exit code 3" 3 "$STEPLOG" -C nowhere merge store-a
check_exit "no source is exit code 2" 2 "$STEPLOG" -C store-a merge
for n in 1 2 3; do
    echo "step=1 loss=$n" | "$STEPLOG" -C store-d log --quiet --run-key "run-$n" 2> /dev/null
done
first=$(find store-d/seg -name '*.seg' | sort | head -n 1)
head -c 40 /dev/zero > "$first"
out=$("$STEPLOG" -C store-a merge store-d store-b 2> errors)
check_equal "a file that cannot be read is exit code 1" 1 $?
check_match "it is named" "$(basename "$first")" "$(cat errors)"
check_match "the others are copied" '^store-d: 2 files copied' "$out"
check_match "and the next store" '^store-b: 0 files copied' "$out"
