#!/usr/bin/env bash
# log: what is recorded from a program's output, and what becomes of the output.
. "$(dirname "$0")/../support/cli.sh"

export STEPLOG_DIR=$TMP/store
query() { "$STEPLOG" query --no-header "$@" 2>&1; }
record() { "$STEPLOG" log -q "$@" 2> "$TMP/err"; }

# ---- passing through ----
input=$'step=1 loss=0.5\nhello \x1b[31mworld\n{"step": 2, "loss": 0.25}\nno line end loss=1'
printf '%s' "$input" > "$TMP/input"
"$STEPLOG" log --name pass < "$TMP/input" > "$TMP/output" 2> /dev/null
check "the input passes through unchanged" cmp "$TMP/input" "$TMP/output"
check_equal "the store is created" 1 "$([ -e "$TMP/store/STEPLOG" ] && echo 1)"
check_equal "lines with numbers are recorded, the last one too" $'1\t0.5\n2\t0.25\n3\t1' "$(query pass loss)"
printf 'loss=1\n' > "$TMP/input"
check_equal "-q passes nothing" "" "$("$STEPLOG" log -q < "$TMP/input" 2> /dev/null)"
"$STEPLOG" log --name deaf < <(seq 1 20000 | sed 's/.*/step=& loss=&/') 2> /dev/null | head -1 > /dev/null
check_equal "recording goes on when the reader of stdout goes away" 20000 "$(query deaf loss | wc -l | tr -d ' ')"

mkdir -p "$TMP/foreign" && echo x > "$TMP/foreign/file"
seq 1 50000 | sed 's/.*/step=& loss=&/' > "$TMP/input"
"$STEPLOG" -C "$TMP/foreign" log < "$TMP/input" > "$TMP/output" 2> "$TMP/err"
check_equal "where no store can be the exit code says so at the end" 4 $?
check "and the input has passed all the same" cmp "$TMP/input" "$TMP/output"
check_match "which is said" 'nothing is recorded; the input passes through' "$(cat "$TMP/err")"
cat > "$TMP/pipes.py" << 'EOF'
import os, subprocess, sys, time
lines = open(sys.argv[3], "rb").read()
def unblocked():
    ends = os.pipe()
    for end in ends: os.set_blocking(end, False)
    return ends
reader, writer = unblocked()
if sys.argv[2] == "in": # the program before the pipe is slower than `log`
    child = subprocess.Popen([sys.argv[1], "log", "-q", "--name", "slow"], stdin=reader, stderr=subprocess.DEVNULL)
    for part in (lines[:1000], lines[1000:2000]):
        time.sleep(0.2)
        os.write(writer, part)
    os.close(writer)
    print(child.wait())
else: # the reader is slower
    child = subprocess.Popen([sys.argv[1], "log", "--name", "full"], stdin=open(sys.argv[3]), stdout=writer,
                             stderr=subprocess.DEVNULL)
    os.close(writer)
    time.sleep(0.3)
    os.set_blocking(reader, True)
    count = 0
    while part := os.read(reader, 1 << 16): count += len(part)
    print(child.wait(), count - len(lines))
EOF
check_equal "an input that does not block is waited for" 0 "$(python3 "$TMP/pipes.py" "$STEPLOG" in "$TMP/input")"
check_match "to its end" '^[0-9]{2,}$' "$(query slow loss | wc -l | tr -d ' ')"
check_equal "an output that does not block gets every byte" '0 0' "$(python3 "$TMP/pipes.py" "$STEPLOG" out "$TMP/input")"

# ---- lines ----
printf '{"loss": 3}\n{"loss": 2}\n{"loss": 1}\n' | record --name nostep
check_equal "without a step it is the previous plus 1" $'0\t3\n1\t2\n2\t1' "$(query nostep)"
printf 'step=10 a=1\na=2\nstep=20 a=3\na=4\n' | record --name mixed
check_equal "also after a step was given" $'10\t1\n11\t2\n20\t3\n21\t4' "$(query mixed)"
printf 'step:100/1480 train_loss:10.9 train_time:28926ms\niter 5: loss 2.5\n' | record --name units
check_equal "units and totals are left out" $'100\t10.9\t28926' "$(query units train_loss train_time)"
printf '{"step": 1, "a": {"b": {"c": 1}}, "ok": true, "name": "x", "list": [1], "none": null}\n' | record --name nested
check_equal "nested names are joined, booleans are numbers, the rest is passed over" $'step\ta.b.c\tok\n1\t1\t1' \
    "$("$STEPLOG" query nested 2>&1)"
printf '{"step": 1, "x": NaN, "y": -Infinity, "z": "nan:7ff8000000000001"}\n' | record --name special
check_equal "NaN and infinities are values" $'1\tnan\t-inf\tnan:7ff8000000000001' "$(query special)"
printf '{"_step": 3, "_timestamp": 1700000000.25, "loss": 1}\n' | record --name stamped
check_equal "a time key gives the wall time" $'3\t2023-11-14T22:13:20.25Z\t1' "$(query stamped --time)"
printf '{"step": 1, "time": 3.5}\n' | record --name duration
check_equal "a time that is no date is a metric" $'1\t3.5' "$(query duration time)"
printf '{"epoch": 2, "batch": 7, "loss": 1}\n' | record --name keyed --step-key batch
check_equal "--step-key names the step" $'step\tepoch\tloss\n7\t2\t1' "$("$STEPLOG" query keyed 2>&1)"
printf 'step=9007199254740993 x=1\nstep=-5 x=2\n' | record --name wide
check_equal "steps are exact and may be negative" $'-5\t2\n9007199254740993\t1' "$(query wide)"
printf 'step=1 x=1\rstep=2 x=2\rstep=3 x=3\r\n' | record --name bar
check_equal "a carriage return ends a line" 3 "$(query bar | wc -l | tr -d ' ')"
printf '{"step": 1, "a": 1, "a": 2}\n' | record --name twice
check_equal "of a repeated key the last value counts" $'1\t2' "$(query twice)"

# ---- bad input ----
printf 'step=1 loss=0,693 acc=1\nstep 2: loss 1,25, acc 2\n' | record --name comma
check_equal "a number with a decimal comma is no number" $'step\tacc\n1\t1\n2\t2' "$("$STEPLOG" query comma 2>&1)"
check_match "the first is told" 'line 1: a number with a comma' "$(cat "$TMP/err")"
check_match "and all are counted" '2 lines or names were not' "$(cat "$TMP/err")"
printf '{"step": 1, "x": 1}\n{"step": 2, "x"\n{bad}\nstep=3 x=3\n' | record --name bad
check_equal "lines that are not JSON are passed over" $'1\t1\n3\t3' "$(query bad)"
check_match "and the first is named" 'line 2: not JSON at byte' "$(cat "$TMP/err")"
check_match "and all are counted" '2 lines or names were not understood' "$(cat "$TMP/err")"
printf '{"step": 1, "\xff\xfe": 1, "ok": 2}\n' | record --name utf8
check_equal "a name that is not UTF-8 costs only itself" $'1\t2' "$(query utf8 ok)"
printf 'only words here\n' | record --name words
check_equal "no metric at all is exit code 1" 1 $?
head -c 17000000 /dev/zero | tr '\0' x > "$TMP/long"
{ cat "$TMP/long"; printf '\nstep=1 x=1\n'; } | record --name long
check_equal "an endless line is passed over" $'1\t1' "$(query long)"
check_exit "an operand is a usage error" 2 "$STEPLOG" log file.csv
check_exit "a label without '=' is a usage error" 2 "$STEPLOG" log --label x
check_exit "a rank that is no number is a usage error" 2 "$STEPLOG" log --rank x

# ---- facts ----
printf 'step=1 loss=1\n' | record --name facts --project p1 --param lr=0.1 --param 'k=a=b' --tag t=v --label split=val --rank 3
info=$("$STEPLOG" info facts --json)
check_equal "name, project, params, tags are recorded" "facts p1 0.1 a=b v" "$(printf '%s' "$info" | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["name"], d["project"], d["params"]["lr"], d["params"]["k"], d["tags"]["t"])')"
check_equal "rank and labels are part of the series" $'1\t1' "$(query facts 'loss{rank=3,split=val}')"
check_match "the end of input finishes the run" '"status": "finished"' "$info"

# ---- ends ----
mkfifo "$TMP/pipe"
"$STEPLOG" log -q --name live < "$TMP/pipe" 2> /dev/null &
logger=$!
exec 9> "$TMP/pipe"
printf 'step=1 loss=1\nstep=2 loss=2\n' >&9
for _ in $(seq 100); do
    [ "$(query live loss 2> /dev/null | wc -l | tr -d ' ')" = 2 ] && break
    sleep 0.05
done
check_equal "rows are visible while the writer lives" $'1\t1\n2\t2' "$(query live loss)"
check_match "and the run is running" running "$("$STEPLOG" ls --name live)"
{ kill -9 "$logger"; wait "$logger"; } 2> /dev/null
exec 9>&-
check_equal "kill -9 loses nothing" $'1\t1\n2\t2' "$(query live loss)"
check_match "and shows as killed" killed "$("$STEPLOG" ls --name live)"

"$STEPLOG" log -q --name stopped < "$TMP/pipe" 2> /dev/null &
logger=$!
exec 9> "$TMP/pipe"
printf 'step=1 loss=1\nstep=2 lo' >&9
for _ in $(seq 100); do
    [ -n "$(query stopped loss 2> /dev/null | grep '^1')" ] && break
    sleep 0.05
done
kill -TERM "$logger"
wait "$logger"
check_equal "SIGTERM ends it cleanly" 0 $?
exec 9>&-
check_match "and the run did not finish" failed "$("$STEPLOG" ls --name stopped)"

# ---- a restart ----
printf 'loss=%d\n' 10 11 12 13 | record --run-key again --name again
printf 'loss=%d\n' 22 23 24 | record --run-key again --resume 2 --attempt 2
check_equal "lines without a step go on at the step of --resume" $'0\t10\n1\t11\n2\t22\n3\t23\n4\t24' "$(query again loss)"
