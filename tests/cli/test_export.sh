#!/bin/bash
# steplog export: every point, exactly.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export LC_ALL=C.UTF-8 STEPLOG_DIR=$TMP/store

printf 'step,"a,""b""",loss\n1,2,0.1\n2,nan,-0\n3,inf,1e300\n4,,5e-324\n9007199254740993,9007199254740993,nan:7ff8000000000001\n' > a.csv
"$STEPLOG" import -q --run first a.csv
printf '{"step":1,"loss":3,"_timestamp":"2026-01-02T03:04:05.25Z"}\n' > b.jsonl
"$STEPLOG" import -q --run second b.jsonl

out=$("$STEPLOG" export first)
check_equal "CSV has a constant header" 'run_id,run,attempt,writer,seq,metric,labels,step,time_ns,value' "$(head -1 <<< "$out")"
check_match "a point a line" '^[0-9a-f]{32},first,1,[0-9a-f]{32},[0-9]+,loss,rank=0,1,,0.1$' "$out"
check_match "names are quoted" ',"a,""b""",rank=0,1,,2$' "$out"
check_match "nan" ',2,,nan$' "$out"
check_match "-0" 'loss,rank=0,2,,-0$' "$out"
check_match "inf" ',3,,inf$' "$out"
check_match "large numbers as they are shortest" ',3,,1e\+?300$' "$out"
check_match "the smallest number" ',4,,5e-324$' "$out"
check_match "steps beyond 2^53" 'rank=0,9007199254740993,,' "$out"
check_match "NaN with a payload" 'nan:7ff8000000000001$' "$out"
check_equal "each point once" 9 "$(sed 1d <<< "$out" | wc -l)"
check_equal "records in order" "$(sed 1d <<< "$out" | cut -d, -f5)" "$(sed 1d <<< "$out" | cut -d, -f5 | sort -n)"
check_match "known times are nanoseconds" 'loss,rank=0,1,1767323045250000000,3$' "$("$STEPLOG" export second)"
check_equal "without a run: all of them" 10 "$("$STEPLOG" export | sed 1d | wc -l)"
check_equal "--series takes some" 5 "$("$STEPLOG" export --series loss first | sed 1d | wc -l)"

"$STEPLOG" export --jsonl > all.jsonl
check_equal "JSONL begins with the number of its schema" 1 "$(head -1 all.jsonl | python3 -c 'import json, sys; print(json.load(sys.stdin)["schema"])')"
check_equal "all its lines are strict JSON with the same values" 10 "$(python3 -c '
import json, sys
def strict(name): raise ValueError(name)
rows = [json.loads(line, parse_constant=strict) for line in open("all.jsonl")][1:]
assert [r["value"] for r in rows if r["metric"] == "loss" and r["step"] == 1] == [0.1, 3]
assert any(r["value"] == "nan" for r in rows) and any(r["value"] == "inf" for r in rows)
assert any(r["value"] == "nan:7ff8000000000001" for r in rows)
assert all(isinstance(r["step"], str) == (r["step"] not in (1, 2, 3, 4)) for r in rows)
assert [r["time_ns"] for r in rows if r["run"] == "second"] == ["1767323045250000000"]
assert all(r["labels"] == {"rank": 0} for r in rows)
print(len(rows))')"

out=$("$STEPLOG" export --wide first)
check_equal "--wide has a column for each metric" 'run_id,run,attempt,writer,seq,labels,step,time_ns,"a,""b""",loss' "$(head -1 <<< "$out")"
check_equal "and a line for each row" 5 "$(sed 1d <<< "$out" | wc -l)"
check_match "a cell is empty where the row has no point" ',rank=0,4,,,5e-324$' "$out"
check_match "--wide --jsonl keeps a row together" '"values":\{("a,\\"b\\"":2,"loss":0.1|"loss":0.1,"a,\\"b\\"":2)\}' "$("$STEPLOG" export --wide --jsonl first)"

"$STEPLOG" export -o out.csv first
check_equal "-o writes a file" "$("$STEPLOG" export first | md5sum)" "$(md5sum < out.csv)"
check_exit "into a missing directory it cannot" 4 "$STEPLOG" export -o nowhere/out.csv first
check_exit "a full disk is said" 4 bash -c '"$0" export first > /dev/full' "$STEPLOG"
check_exit "no such run" 3 "$STEPLOG" export nothing
check_exit "no store" 3 "$STEPLOG" -C "$TMP/none" export
check_exit "a series that is nowhere: nothing to export" 1 "$STEPLOG" export --series zzz first
check_exit "an unknown option" 2 "$STEPLOG" export --xml
check "help has examples" "$STEPLOG" export --help

# What is exported can be imported: the same bits.
"$STEPLOG" export --wide first | cut -d, -f7- > back.csv
STEPLOG_DIR=$TMP/again "$STEPLOG" import -q back.csv
check_equal "what export wrote import reads, bit for bit" \
    "$("$STEPLOG" export first | sed 1d | rev | cut -d, -f1,3 | rev | sort)" \
    "$("$STEPLOG" -C "$TMP/again" export | sed 1d | rev | cut -d, -f1,3 | rev | sort)"

# ---- ended by a signal ----
mkdir ended
awk 'BEGIN { print "step,a,b,c"; for (i = 0; i < 200000; i++) print i "," i / 7 "," i / 3 "," i / 11 }' > many.csv
"$STEPLOG" -C ended/store import -q many.csv
for signal in INT TERM HUP; do
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$STEPLOG" -C ended/store export -o ended/o.csv &
    child=$!
    for _ in $(seq 500); do
        [ -n "$(find ended -name 'o.csv.part-*')" ] && break
        sleep 0.01
    done
    kill -$signal $child
    wait $child 2> /dev/null
    code=$?
    check_equal "SIG$signal ends an export" 1 "$((code > 128 || code == 0))"
    check_equal "and leaves no half file" "" "$(find ended -name 'o.csv.part-*')"
    rm -f ended/o.csv
done

# ---- without standard error ----
"$STEPLOG" -C closed import -q many.csv
segment=$(find closed -name '*.seg' | head -1)
printf 'XXXX' | dd of="$segment" bs=1 seek=$(($(stat -c %s "$segment") / 2)) conv=notrunc 2> /dev/null
check_exit "an export of a damaged store says so, with nothing to say it to" 1 \
    bash -c '"$0" -C closed export -o closed.csv 2>&-' "$STEPLOG"
check_equal "and what it would say is not in its output" 0 "$(grep -c damaged closed.csv)"
