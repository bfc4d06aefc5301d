#!/bin/bash
# steplog rewind: a new attempt hides what it replaces, and can be taken back.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
printf 'step,loss\n1,10\n2,20\n3,30\n4,40\n' > a.csv
"$STEPLOG" import --run one a.csv > /dev/null 2>&1
steps() { "$STEPLOG" query one loss --tsv --no-header "$@" | cut -f1 | xargs; }
out=$("$STEPLOG" rewind one 3)
check_match "the new attempt is said" '^attempt 2 of run [0-9a-f]{32} begins at step 3$' "$out"
check_equal "steps from there on leave the default view" "1 2" "$(steps)"
check_match "--attempts still shows them" '40' "$("$STEPLOG" query one loss --attempts --tsv)"
check_match "plot --attempts marks no step beyond the curve" 'loss' "$("$STEPLOG" plot one loss --attempts)"
check_match "a second rewind is a further attempt" '^attempt 3 ' "$("$STEPLOG" rewind one 2)"
check_equal "that hides more" "1" "$(steps)"
check_match "--undo takes the latest back" '^attempt 3 .* is taken back$' "$("$STEPLOG" rewind --undo one)"
check_equal "what it hid returns" "1 2" "$(steps)"
check_match "--undo again takes back the one before" '^attempt 2 .* is taken back$' "$("$STEPLOG" rewind one --undo)"
check_equal "and all is there" "1 2 3 4" "$(steps)"
check_exit "then there is nothing to take back" 3 "$STEPLOG" rewind one --undo
check_match "--json is one object" '"attempt": [0-9]+, "undone": false, "step": 4}' "$("$STEPLOG" rewind one 4 --json)"
check "negative steps are steps" "$STEPLOG" rewind one -5
check "the store is sound" "$STEPLOG" verify
check_exit "a step that is no number is exit code 2" 2 "$STEPLOG" rewind one abc
check_exit "a missing step is exit code 2" 2 "$STEPLOG" rewind one
check_exit "a run that is not there is exit code 3" 3 "$STEPLOG" rewind nosuch 1
