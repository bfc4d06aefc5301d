#!/usr/bin/env bash
# query: points of a run, in every form.
. "$(dirname "$0")/../support/cli.sh"

export STEPLOG_DIR=$TMP/store
record() { "$STEPLOG" log -q "$@" 2> /dev/null; }
query() { "$STEPLOG" query "$@" 2>&1; }

{
    for step in $(seq 0 99); do
        printf '{"step": %d, "loss": %d.5, "time": "2026-01-01T00:%02d:%02dZ"' "$step" $((100 - step)) $((step / 60)) $((step % 60))
        [ $((step % 10)) -eq 0 ] && printf ', "val/acc": 0.%02d' "$step"
        printf '}\n'
    done
} | record --name base
printf 'step=1 x=nan\nstep=2 x=-0\nstep=3 x=inf\nstep=4 x=1e-5\nstep=5 x=nan:7ff8000000000001\nstep=9007199254740993 x=0.1\n' |
    record --name odd

# ---- rows and columns ----
check_equal "without series all of them are columns" $'step\tloss\tval/acc' "$(query base | head -1)"
check_equal "each point is there" 101 "$(query base loss | wc -l | tr -d ' ')"
check_equal "series come in the order they are asked for" $'step\tval/acc\tloss' "$(query base val/acc loss | head -1)"
check_equal "a step without a value of a metric has an empty cell" $'1\t99.5\t' "$(query base loss val/acc --step 1 --no-header)"
check_equal "a glob finds series" $'step\tval/acc' "$(query base 'val/*' | head -1)"
check_equal "a sparse series has only its steps" 10 "$(query base val/acc --no-header | wc -l | tr -d ' ')"

printf '{"iter": 4, "step": 40, "time": 5, "attempt": 6, "loss": 7}\n' | record --name own --step-key iter
check_match "a metric named as a column of the row has its label" '"step": 4, .*"step.rank=0.": 40[,}]' "$(query own --jsonl)"
check_match "in JSON too" '"step": 4, .*"step.rank=0.": 40[,}]' "$(query own --json)"
check_match "a name that no column has stays" '"time": 5' "$(query own --jsonl)"
check_match "and gets its label where one has it" '"time": "20.*"attempt": 1.*"attempt.rank=0.": 6.*"time.rank=0.": 5' \
    "$(query own --jsonl --time --attempts)"
check_match "so it is with tail" '"step": 4, "time": "20.*"attempt": 1.*"attempt.rank=0.": 6.*"step.rank=0.": 40, "time.rank=0.": 5' \
    "$("$STEPLOG" tail own --jsonl)"
check_match "and its text" '^step=4 attempt=6 loss=7 step.rank=0.=40 time=5$' "$("$STEPLOG" tail own)"

# ---- which rows ----
check_equal "--step is half-open" $'5\t95.5\n6\t94.5' "$(query base loss --step 5:7 --no-header)"
check_equal "--step A: goes to the end" $'98\t2.5\n99\t1.5' "$(query base loss --step 98: --no-header)"
check_equal "--step :B begins at the beginning" $'0\t100.5' "$(query base loss --step :1 --no-header)"
check_equal "--step A is that step" $'7\t93.5' "$(query base loss --step 7 --no-header)"
check_equal "--last gives the last rows" $'98\t2.5\n99\t1.5' "$(query base loss --last 2 --no-header)"
check_equal "--last counts within --step" $'8\t92.5\n9\t91.5' "$(query base loss --step :10 --last 2 --no-header)"
check_equal "--limit gives the first rows" $'0\t100.5\n1\t99.5' "$(query base loss -n 2 --no-header)"
check_equal "--around is symmetric" $'49\t51.5\n50\t50.5\n51\t49.5' "$(query base loss --around 50 --window 1 --no-header)"
check_equal "--at-time takes the row at that time" $'61\t39.5' "$(query base loss --at-time 2026-01-01T00:01:01Z --no-header)"
check_equal "--at-time takes the row before it otherwise" $'61\t39.5' "$(query base loss --at-time 2026-01-01T01:01:01.9+01:00 --at-time 2026-01-01T00:01:01.999Z --no-header)"
check_exit "--at-time before the first row matches nothing" 1 "$STEPLOG" query base loss --at-time 2025-01-01
check_exit "a range without rows is exit code 1" 1 "$STEPLOG" query base loss --step 1000:
check_exit "--step and --around exclude each other" 2 "$STEPLOG" query base --step 1 --around 1
check_exit "--last 0 is a usage error" 2 "$STEPLOG" query base --last 0

# ---- reductions ----
check_equal "--every takes the mean of each stretch" $'0\t96\n10\t86' "$(query base loss --step :20 --every 10 --no-header)"
check_equal "--agg min" $'0\t91.5' "$(query base loss --step :10 --every 10 --agg min --no-header)"
check_equal "--agg max" $'0\t100.5' "$(query base loss --step :10 --every 10 --agg max --no-header)"
check_equal "--agg last" $'0\t91.5' "$(query base loss --step :10 --every 10 --agg last --no-header)"
check_equal "--agg count counts points, not rows" $'0\t10\t1' "$(query base loss val/acc --step :10 --every 10 --agg count --no-header)"
check_equal "several aggregates are several columns" $'step\tloss:min\tloss:max' "$(query base loss --every 50 --agg min,max | head -1)"
check_equal "a stretch begins at a multiple, below zero too" $'90\t1.5' "$(query base loss --step 95: --every 30 --agg min --no-header)"
check_equal "a mean with a NaN is NaN" $'0\tnan' "$(query odd x --step :3 --every 10 --no-header)"
printf 'step=0 x=1.7e308 y=1e308 z=inf\nstep=1 x=1.7e308 y=1.5e308 z=1.7e308\nstep=2 x=-1.7e308 y=1e308 z=1\n' | record --name huge
check_equal "a mean does not overflow" $'0\t1.7e+308\t1.25e+308' "$(query huge x y --step :2 --every 10 --no-header)"
check_equal "nor where the sum comes back" $'0\t5.666666666666667e+307' "$(query huge x --every 10 --no-header)"
check_equal "an infinity stays one" $'0\tinf' "$(query huge z --every 10 --no-header)"
check_equal "min and max pass over NaN" $'0\t-0' "$(query odd x --step :3 --every 10 --agg max --no-header)"
check_exit "--agg without --every is a usage error" 2 "$STEPLOG" query base --agg min
check_exit "an unknown aggregate is a usage error" 2 "$STEPLOG" query base --every 5 --agg median
check_exit "--every 0 is a usage error" 2 "$STEPLOG" query base --every 0

# ---- values ----
check_equal "special values are exact" $'nan\n-0\ninf\n1e-05\nnan:7ff8000000000001\n0.1' "$(query odd x --no-header | cut -f2)"
check_equal "steps beyond 2^53 are exact" 9007199254740993 "$(query odd x --last 1 --no-header | cut -f1)"

# ---- formats ----
check_equal "--csv" $'step,loss\n7,93.5' "$(query base loss --step 7 --csv)"
check_equal "--jsonl" '{"step": 7, "loss": 93.5}' "$(query base loss --step 7 --jsonl)"
check_equal "a gap is an absent key in JSON" '{"step": 7, "loss": 93.5}' "$(query base loss val/acc --step 7 --jsonl)"
json=$(query odd x --json)
check_equal "--json has a schema number, non-finite values and large integers as strings" \
    '[1, "nan", "-inf?no", true]' "$(printf '%s' "$json" | python3 -c '
import json, sys
d = json.load(sys.stdin)
p = d["points"]
print(json.dumps([d["schema"], p[0]["x"], "-inf?no", p[2]["x"] == "inf" and p[4]["x"] == "nan:7ff8000000000001"
                  and p[5]["step"] == "9007199254740993" and str(p[1]["x"]) == "-0.0"]))')"
check_equal "--time shows the wall time" $'7\t2026-01-01T00:00:07Z\t93.5' "$(query base loss --step 7 --time --no-header)"
check_equal "--json of nothing is still JSON" 0 "$("$STEPLOG" query base loss --step 1000: --json 2> /dev/null | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["points"]))')"

# ---- ranks and attempts ----
for rank in 0 1 2; do
    printf 'step=1 loss=%d\nstep=2 loss=%d.5\n' $rank $rank | record --run-key job --name job --rank $rank
done
check_equal "ranks are columns" $'step\tloss{rank=0}\tloss{rank=1}\tloss{rank=2}' "$(query job loss | head -1)"
check_equal "joined by step" $'1\t0\t1\t2\n2\t0.5\t1.5\t2.5' "$(query job loss --no-header)"
check_equal "a label picks one" $'1\t1\n2\t1.5' "$(query job 'loss{rank=1}' --no-header)"
printf 'step=1 loss=5\nstep=2 loss=4\nstep=3 loss=3\n' | record --run-key again --name again
printf 'step=2 loss=40\nstep=3 loss=30\n' | record --run-key again --attempt 2 --resume 2
check_equal "the default view is one line" $'1\t5\n2\t40\n3\t30' "$(query again loss --no-header)"
check_equal "--attempts shows what was replaced" $'1\t1\t5\n2\t1\t4\n2\t2\t40\n3\t1\t3\n3\t2\t30' "$(query again loss --attempts --no-header)"

# ---- hostile names ----
printf '{"step": 1, "a\\u001b[31m\\tb\\\\c": 1}\n' | record --name 'evil'
check_equal "escapes in names are harmless" 'step	a\x1b[31m\tb\\c' "$(query evil | head -1)"
check_equal "names are exact in JSON" 'a\u001b[31m\tb\\c' "$(query evil --jsonl | sed 's/.*, "\(.*\)": 1}/\1/')"
check_exit "a malformed selector is a usage error" 2 "$STEPLOG" query base 'loss{rank'
