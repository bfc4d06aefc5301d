#!/bin/bash
# steplog fork: a run that begins as another did.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
printf 'step,loss\n1,10\n2,20\n3,30\n4,40\n' > a.csv
"$STEPLOG" import --run one a.csv > /dev/null 2>&1
steps() { "$STEPLOG" query "$1" loss --tsv --no-header | cut -f1 | xargs; }
id=$("$STEPLOG" fork one 3 --name two)
check_match "the new run's id is printed alone" '^[0-9a-f]{32}$' "$id"
check_equal "the fork sees the parent's points below the step" "1 2" "$(steps "$id")"
check_equal "under its name too" "1 2" "$(steps two)"
check_equal "the parent is as it was" "1 2 3 4" "$(steps one)"
"$STEPLOG" rewind one 1 > /dev/null
check_equal "what the parent does later does not change the fork" "1 2" "$(steps two)"
check "a fork with a key" "$STEPLOG" fork one 2 --run-key experiment7
check_exit "a key that is taken is refused" 2 "$STEPLOG" fork one 2 --run-key experiment7
check_match "--json is one object" '"parent": "[0-9a-f]{32}", "step": 2}' "$("$STEPLOG" fork one 2 --json)"
check "the store is sound" "$STEPLOG" verify
check_exit "a missing step is exit code 2" 2 "$STEPLOG" fork one
check_exit "a run that is not there is exit code 3" 3 "$STEPLOG" fork nosuch 1
