#!/bin/bash
# steplog rm: runs, series, steps; and back again.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
printf 'step,loss,acc\n1,10,0.1\n2,20,0.2\n3,30,0.3\n4,40,0.4\n' > a.csv
for run in one two; do "$STEPLOG" import --run $run a.csv > /dev/null 2>&1; sed -i 's/,10,/,11,/' a.csv; done
all=$("$STEPLOG" query one --tsv)

check_match "--dry-run says what would go" 'would remove 8 points of 2 series' "$("$STEPLOG" rm one --dry-run)"
check_equal "and removes nothing" "$all" "$("$STEPLOG" query one --tsv)"

check_match "a range of steps of a series can be removed" 'removed 2 points of 1 series' "$("$STEPLOG" rm one loss --step 2:4 2> err)"
check_equal "it is gone from queries" "10 40" "$("$STEPLOG" query one loss --tsv --no-header | cut -f2 | xargs)"
check_equal "other series stay" "0.1 0.2 0.3 0.4" "$("$STEPLOG" query one acc --tsv --no-header | cut -f2 | xargs)"
check_match "the way back is said" "rm --undo [0-9a-f]{32}" "$(cat err)"
check "--undo takes it back" "$STEPLOG" rm one --undo
check_equal "every point is there again" "$all" "$("$STEPLOG" query one --tsv)"
check_exit "there is nothing more to take back" 3 "$STEPLOG" rm one --undo

check "a series can be removed" "$STEPLOG" rm one acc
check_exit "it is gone" 3 "$STEPLOG" query one acc
check "the series comes back" "$STEPLOG" rm one --undo
check_equal "whole" "$all" "$("$STEPLOG" query one --tsv)"

check_exit "one of several series that is not there is exit code 3" 3 "$STEPLOG" rm one loss tpyo
check_equal "and then nothing is removed" "$all" "$("$STEPLOG" query one --tsv)"
check_match "series may be named twice" 'removed 4 points of 1 series' "$("$STEPLOG" rm one loss 'lo*' 2> /dev/null)"
check "and come back" "$STEPLOG" rm one --undo
check_equal "with every point that they had" "$all" "$("$STEPLOG" query one --tsv)"

id=$("$STEPLOG" rm two 2> /dev/null | grep -o '[0-9a-f]\{32\}')
check_exit "a removed run is not found" 3 "$STEPLOG" query two
check "its id takes it back" "$STEPLOG" rm --undo "$id"
check "and it is there again" "$STEPLOG" query two
check "the store is sound" "$STEPLOG" verify

check_exit "several runs are refused" 2 "$STEPLOG" rm '*'
check "unless --all says so" "$STEPLOG" rm '*' --all
check_exit "a run that is not there is exit code 3" 3 "$STEPLOG" rm nosuch
check "--json is JSON" sh -c '"$0" rm --undo "$1" --json | python3 -c "import json, sys
assert json.load(sys.stdin)[\"runs\"][0][\"taken_back\"] > 0"' "$STEPLOG" "$id"
check_exit "a series that is not there is exit code 3" 3 "$STEPLOG" rm two nosuch
check_exit "no run is exit code 2" 2 "$STEPLOG" rm
check_exit "a range that ends before the last step of all is refused, as it would take that too" 2 \
    "$STEPLOG" rm two loss --step 1:9223372036854775807
check_exit "--undo with a series is exit code 2" 2 "$STEPLOG" rm --undo two loss

# ---- what compact --now freed, and what it did not ----
# Rows with 'only' alone go whole when it is freed; that must not stand in the way of later removals.
{ printf 'step=%d loss=%d\n' 1 10 2 20; printf 'step=%d only=%d\n' 3 30 4 40; } | "$STEPLOG" log -q --name three 2> /dev/null
"$STEPLOG" rm three only > /dev/null 2>&1
"$STEPLOG" compact --now > /dev/null 2>&1
check_exit "what compact --now freed does not come back" 3 "$STEPLOG" rm --undo three
"$STEPLOG" rm three loss > /dev/null 2>&1
check "what was removed after that does" "$STEPLOG" rm --undo "$("$STEPLOG" ls --no-header --name three | cut -f1)"
check_equal "with every point" "10 20" "$("$STEPLOG" query three --tsv --no-header | cut -f2 | xargs)"
