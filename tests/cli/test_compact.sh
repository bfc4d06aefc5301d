#!/bin/bash
# steplog compact: fewer files, the same points.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
for run in 1 2 3 4 5 6 7 8 9 10 11 12; do
    awk -v r=$run 'BEGIN { print "step,loss"; for (i = 0; i < 300; i++) printf "%d,%.6f\n", i, r / (i + 1) }' > "$run.csv"
    "$STEPLOG" import --run "run$run" "$run.csv" > /dev/null 2>&1
done
points() { for run in 1 2 3 4 5 6 7 8 9 10 11 12; do "$STEPLOG" query "run$run" --tsv; done; }
before=$(points)
files_before=$(find store -type f | wc -l)
out=$("$STEPLOG" compact)
check_match "files and bytes are said before and after" '^files [0-9]+ -> [0-9]+, bytes .* -> ' "$out"
check "there are fewer files" test "$(find store -type f | wc -l)" -lt "$files_before"
check_equal "every point is still there" "$before" "$(points)"
check "the store is sound" "$STEPLOG" verify
check "compacting again is fine" "$STEPLOG" compact
check "--json is JSON" sh -c '"$0" compact --json | python3 -c "import json, sys
d = json.load(sys.stdin)
assert d[\"schema\"] == 1 and d[\"files_after\"] <= d[\"files_before\"]"' "$STEPLOG"

"$STEPLOG" rm run1 > /dev/null 2>&1
check_match "--now frees what was removed" 'points freed for good: 300' "$("$STEPLOG" compact --now)"
check_exit "and it is gone" 3 "$STEPLOG" query run1
check_exit "operands are exit code 2" 2 "$STEPLOG" compact store
check_exit "a store that is not there is exit code 3" 3 "$STEPLOG" -C nowhere compact
check_equal "and is not made" 0 "$(find . -name nowhere | wc -l)"

# Files of several runs: what is said of one run is its own.
for n in 1 2 3; do printf '{"step": %d, "time": "2024-0%d-01T00:00:00Z", "m%d": %d}\n' $n $n $n $n | "$STEPLOG" log -q --name "t$n" 2> /dev/null; done
facts() { "$STEPLOG" ls --name 't*' --tsv | cut -f1-8; "$STEPLOG" info t2 | grep -E '^(first|last)_(step|time)|^rows|^points' | sed 's/ (.*//'; }
before=$(facts)
check "runs are compacted together" "$STEPLOG" compact
check_equal "and ls and info say the same of each as before" "$before" "$(facts)"
check_match "with its own times" '^t2 .*2024-02-01T00:00:00' "$("$STEPLOG" ls --name t2 --tsv --no-header | cut -f2- | tr '\t' ' ')"
