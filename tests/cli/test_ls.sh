#!/usr/bin/env bash
# ls: runs with filters, columns and order; the series of a run.
. "$(dirname "$0")/../support/cli.sh"

export STEPLOG_DIR=$TMP/store
record() { "$STEPLOG" log -q "$@" 2> /dev/null; }
ls_() { "$STEPLOG" ls --no-header "$@" 2>&1; }
names() { ls_ "$@" | cut -f2 | paste -sd' '; }

printf 'step=1 loss=3 acc=0.1\nstep=2 loss=1 acc=0.9\n' | record --name alpha --project p1 --param lr=0.1 --tag best=yes
sleep 0.01
printf 'step=1 loss=0.5 acc=0.2\n' | record --name beta --project p2 --param lr=0.2
sleep 0.01
printf 'step=1 loss=nan\nstep=2 loss=2\nstep=3 loss=inf\n' | record --name gamma --project p1
check_equal "the header names the columns" \
    $'run\tname\tproject\tstatus\tattempt\tstep\tpoints\ttime\tbytes' "$("$STEPLOG" ls | head -1)"
check_equal "runs come newest first" "gamma beta alpha" "$(names)"
check_equal "steps and points are counted" $'alpha\tp1\tfinished\t1\t2\t4' "$(ls_ --name alpha | cut -f2-7)"
check_equal "ids are complete in a pipe" 32 "$(ls_ --name alpha | cut -f1 | tr -d '\n' | wc -c | tr -d ' ')"

# ---- columns ----
check_equal "--cols adds last values" $'alpha\t1\t0.9' "$("$STEPLOG" ls --name alpha --cols loss,acc --no-header | cut -f2,8,9)"
check_equal "HOW:METRIC adds others" $'3\t1' "$(ls_ --name alpha --cols max:loss,min:loss | cut -f8,9)"
check_equal "a metric that a run lacks is empty" "" "$(ls_ --name gamma --cols acc | cut -f8)"
check_equal "min and max pass over NaN and Inf" $'2\t2' "$(ls_ --name gamma --cols min:loss,max:loss | cut -f8,9)"

# ---- order ----
check_equal "--sort name" "alpha beta gamma" "$(names --sort name)"
check_equal "--sort min:loss puts the smallest first" "beta alpha gamma" "$(names --sort min:loss)"
check_equal "--sort max:acc puts the largest first, runs without it last" "alpha beta gamma" "$(names --sort max:acc)"
check_equal "--reverse turns it round, runs without it stay last" "beta alpha gamma" "$(names --sort max:acc --reverse)"
check_equal "--sort steps puts the longest first" gamma "$(names --sort steps | cut -d' ' -f1)"
check_equal "--sort points" alpha "$(names --sort points | cut -d' ' -f1)"
check_equal "--sort age puts the newest first" "gamma beta alpha" "$(names --sort age)"
check_equal "-n cuts the list" "gamma beta" "$(names -n 2)"
check_exit "an unknown sort key is a usage error" 2 "$STEPLOG" ls --sort frobs

# ---- filters ----
check_equal "--project" "gamma alpha" "$(names --project p1)"
check_equal "--name takes a glob" "gamma alpha" "$(names --name '*[am]ma' --name '*a' --project p1)"
check_equal "--param K=V" alpha "$(names --param lr=0.1)"
check_equal "--param K" "beta alpha" "$(names --param lr)"
check_equal "--param K=GLOB" "beta alpha" "$(names --param 'lr=0.*')"
check_equal "--tag" alpha "$(names --tag best)"
check_equal "--status" "gamma beta alpha" "$(names --status finished,killed)"
check_exit "an unknown status is a usage error" 2 "$STEPLOG" ls --status dead
check_equal "--since" "gamma beta alpha" "$(names --since -1h)"
check_exit "nothing that matches is exit code 1" 1 "$STEPLOG" ls --name nosuch
check_exit "also in time" 1 "$STEPLOG" ls --since 2200-01-01

# ---- formats ----
check_equal "--json has a schema number and the same columns" "1 3 gamma 3" "$("$STEPLOG" ls --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["schema"], len(d["runs"]), d["runs"][0]["name"], d["runs"][0]["points"])')"
check_equal "--jsonl is an object a line" 3 "$("$STEPLOG" ls --jsonl | wc -l | tr -d ' ')"
check_match "--csv" '^run,name,project,status,' "$("$STEPLOG" ls --csv | head -1)"

seq 1100 | awk '{ text = text sep "\"m" $1 "\": " ($1 == 999 ? 5 : 1200 - $1); sep = ", " } END { print "{\"time\": 7, \"bytes\": 8, " text "}" }' |
    "$STEPLOG" -C "$TMP/wide" log -q 2> /dev/null
check_equal "min and count take all series, also more than a thousand" $'5\t1100' \
    "$("$STEPLOG" -C "$TMP/wide" ls --tsv --no-header --cols 'min:m*,count:m*' | cut -f8,9)"
check_equal "a metric named as a column of the line itself hides nothing" "True 7 True 8" \
    "$("$STEPLOG" -C "$TMP/wide" ls --cols time,bytes --json | python3 -c '
import json, sys
r = json.load(sys.stdin)["runs"][0]
print("T" in r["time"], r["last:time"], r["bytes"] > 99, r["last:bytes"])' 2>&1)"

# ---- series ----
check_equal "ls RUN lists its series" $'acc\nloss' "$(ls_ alpha | cut -f1)"
check_equal "with counts, steps and values" $'loss\t0\t\t2\t1\t2\t1\t1\t3\t0\t0' "$(ls_ alpha loss)"
check_equal "NaN and Inf are counted" $'loss\t0\t\t3\t1\t3\tinf\t2\t2\t1\t1' "$(ls_ gamma)"
check_equal "--sort min" $'acc\nloss' "$(ls_ alpha --sort min | cut -f1)"
check_equal "--sort last --reverse" $'loss\nacc' "$(ls_ alpha --sort last --reverse | cut -f1)"
check_exit "series do not sort by frobs" 2 "$STEPLOG" ls alpha --sort frobs
check_exit "an unknown run is exit code 3" 3 "$STEPLOG" ls nosuch
check_equal "a run is found by a prefix of its id" $'acc\nloss' "$(ls_ "$(ls_ --name alpha | cut -c1-8)" | cut -f1)"
check_equal "@latest is the newest" 'loss' "$(ls_ @latest | cut -f1)"

# ---- names ----
printf 'step=1 x=1\n' | record --name $'evil\x1b]0;title\x07\nname'
check_equal "control bytes in names are harmless" 'evil\x1b]0;title\x07\nname' "$(ls_ -n 1 | cut -f2)"
printf 'step=1 x=1\n' | record --name alpha
check_match "of several runs of a name the newest is taken, with a word" 'note: 2 runs match' "$("$STEPLOG" ls alpha 2>&1 > /dev/null)"
if command -v script > /dev/null; then
    terminal=$(script -qec "$STEPLOG ls" /dev/null < /dev/null)
    check_match "a terminal gets ages and short ids" '^[0-9a-f]{8}  .* ago ' "$(printf '%s' "$terminal" | sed 's/\x1b\[[0-9;]*m//g')"
    check_equal "NO_COLOR takes colour away" 0 "$(NO_COLOR=1 script -qec "$STEPLOG ls" /dev/null < /dev/null | grep -c $'\033')"
fi
