#!/usr/bin/env bash
# The example job, small: four ranks are recorded, killed on the way, resumed, and read back.
. "$(dirname "$0")/../support/cli.sh"

build=${STEPLOG_BUILD:-$ROOT/build}
digits=$(dirname "$STEPLOG")/examples/digits # of the same variant as the tool, when that is built
[ -x "$digits" ] || digits=$build/examples/digits
data=$ROOT/examples/data/digits.csv
store=$TMP/store
job() { "$digits" --store "$store" --data "$data" "$@"; }
small=(--epochs 30 --checkpoint-every 250 --seed 1) # 1320 steps
acknowledged() { awk -F'\t' -v a="$1" -v r="$2" '$1 == a && $2 == r { print $'"$3"' }' "$store.job/acknowledged.tsv"; }
last_value() { "$STEPLOG" -C "$store" query "$@" --last 1 --no-header | awk -F'\t' 'END { print $NF }'; }
in_range() { awk -v x="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(x + 0 == x && x >= low && x <= high) }'; }

# ---- the command line ----

check_exit "the job says how it is used" 0 "$digits" --help
check_exit "a job without a store is a usage error" 2 "$digits"
check_exit "three ranks cannot share the batch" 2 "$digits" --store "$store" --ranks 3
check_exit "a rank to kill needs a step to kill it at" 2 "$digits" --store "$store" --kill-rank 1
check_exit "a number must be a number" 2 "$digits" --store "$store" --epochs 3x
check_exit "there is nothing to resume before a start" 4 "$digits" --store "$store" --data "$data" --resume
check_exit "missing data is told" 4 "$digits" --store "$store" --data "$TMP/none.csv"
check "a job that could not begin leaves no store" test ! -e "$store"

# ---- killed, resumed, killed, resumed ----

check_exit "a job of which one rank is killed ends with 1" 1 job "${small[@]}" --kill-rank 2 --kill-at 700
check_match "ls says killed" '\bkilled\b' "$("$STEPLOG" -C "$store" ls)"
first_kill=$(acknowledged 1 2 4)
check "the rank had passed the step to be killed at" test "$first_kill" -ge 700
check "the last acknowledged row of the killed rank is there" \
    in_range "$("$STEPLOG" -C "$store" query @latest 'loss{rank=2}' --last 1 --no-header | cut -f1)" \
    "$first_kill" $((first_kill + 1))
check "verify finds no damage after the kill" "$STEPLOG" -C "$store" verify

check_exit "the resumed job can be killed too" 1 job --resume --kill-rank 0 --kill-at 1100
check_match "ls says killed again" '\bkilled\b' "$("$STEPLOG" -C "$store" ls)"
check "the job goes on from its latest checkpoint" job --resume
check_match "ls says finished" '\bfinished\b' "$("$STEPLOG" -C "$store" ls)"
check_equal "it is one run" 1 "$("$STEPLOG" -C "$store" ls --no-header 2> /dev/null | wc -l)"
check_equal "the first resume began at a checkpoint" 0 $(($(acknowledged 2 2 3) % 250))
check_equal "the last attempt ends at the last step" 1319 "$(acknowledged 3 3 4)"
check "every acknowledged row is there once, and the curves go on as one line" \
    "$ROOT/examples/check_recorded.sh" "$store" @latest
check "verify finds no damage at the end" "$STEPLOG" -C "$store" verify

# ---- what was recorded ----

check "the network has learned" in_range "$(last_value @latest test_accuracy)" 0.9 1
check "f1 of each digit is recorded" in_range "$(last_value @latest digit7/f1)" 0.7 1
series=$("$STEPLOG" -C "$store" ls @latest --no-header | grep -c .)
check "each of four ranks records at least 40 metrics" test "$series" -ge 160
check_match "the parameters are facts of the run" 'hidden1' "$("$STEPLOG" -C "$store" info @latest)"
check_match "the confusion matrix is a blob of the run" 'confusion' "$("$STEPLOG" -C "$store" info @latest)"
plot=$("$STEPLOG" -C "$store" plot @latest 'loss{rank=*}')
check_match "the plot names every rank" 'rank=?3' "$plot"

# ---- the same without a kill ----

check "two ranks train as well" "$digits" --store "$TMP/two" --data "$data" --ranks 2 --epochs 3
check "a job that is not stopped gives the same losses" "$digits" --store "$TMP/whole" --data "$data" "${small[@]}"
check_equal "to the last bit, whatever was killed on the way" \
    "$("$STEPLOG" -C "$TMP/whole" query @latest 'loss{rank=1}' --no-header --csv | cut -d, -f1,2 | cksum)" \
    "$("$STEPLOG" -C "$store" query @latest 'loss{rank=1}' --no-header --csv | cut -d, -f1,2 | cksum)"

# ---- nobody is left behind ----

"$digits" --store "$TMP/orphans" --data "$data" --epochs 100000 > /dev/null 2>&1 &
launcher=$!
wait_status() { # word
    local try
    for try in $(seq 300); do
        [[ $("$STEPLOG" -C "$TMP/orphans" ls 2> /dev/null) == *"$1"* ]] && return 0
        sleep 0.1
    done
    return 1
}
check "ls says running while it runs" wait_status running
kill -9 $launcher
wait $launcher 2> /dev/null
check "the ranks do not outlive a killed launcher" wait_status killed
