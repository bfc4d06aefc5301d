#!/usr/bin/env bash
# tail: the last rows, and following a run through the end of its writers.
. "$(dirname "$0")/../support/cli.sh"

export STEPLOG_DIR=$TMP/store
record() { "$STEPLOG" log -q "$@" 2> /dev/null; }
# Waits until a file holds a text, at most 10 seconds.
wait_for() {
    for _ in $(seq 200); do
        grep -q -- "$2" "$1" 2> /dev/null && return 0
        sleep 0.05
    done
    return 1
}

seq 1 100 | sed 's/.*/step=& loss=&.5 lr=0.1/' | record --name old
sleep 0.01
seq 1 30 | sed 's/.*/step=& loss=&/' | record --name base
check_equal "the default is the last 10 rows of the latest run" 10 "$("$STEPLOG" tail | wc -l | tr -d ' ')"
check_equal "each a line of names and values" "step=30 loss=30" "$("$STEPLOG" tail | tail -1)"
check_equal "-n says how many" $'step=29 loss=29\nstep=30 loss=30' "$("$STEPLOG" tail -n 2 base)"
check_equal "a run and series may be named" "step=100 lr=0.1" "$("$STEPLOG" tail -n 1 old lr)"
check_equal "--jsonl prints objects" "100 0.1" "$("$STEPLOG" tail -n 1 --jsonl old lr |
    python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["step"], d["lr"])')"
check_match "--time shows the wall time" '^step=30 time=20[0-9-]+T[0-9:.]+Z loss=30$' "$("$STEPLOG" tail -n 1 --time base)"
check_exit "an unknown run is exit code 3" 3 "$STEPLOG" tail nosuch
check_exit "an unknown series is exit code 3" 3 "$STEPLOG" tail base nosuch
check_exit "--exit-when-done needs --follow" 2 "$STEPLOG" tail --exit-when-done
check_equal "following a finished run can end" 3 "$(timeout 20 "$STEPLOG" tail -f --exit-when-done -n 3 base | wc -l | tr -d ' ')"

# ---- following ----
mkfifo "$TMP/pipe"
"$STEPLOG" log -q --run-key live --name live < "$TMP/pipe" 2> /dev/null &
logger=$!
exec 9> "$TMP/pipe"
printf 'step=1 loss=1\nstep=2 loss=2 acc=0.5\n' >&9
for _ in $(seq 200); do
    [ "$("$STEPLOG" query live --no-header 2> /dev/null | wc -l)" -eq 2 ] && break
    sleep 0.05
done
"$STEPLOG" tail -f -n 1 live > "$TMP/all" 2> "$TMP/all.err" &
"$STEPLOG" tail -f --jsonl live acc 'lo*' > "$TMP/some" 2> /dev/null &
check "the last rows come first" wait_for "$TMP/all" 'step=2'
printf 'step=3 loss=3\nstep=4 late=7\n' >&9
check "new rows come as they are recorded" wait_for "$TMP/all" '^step=3 loss=3$'
check "with series that appear later" wait_for "$TMP/all" '^step=4 late=7$'
{ kill -9 "$logger"; wait "$logger"; } 2> /dev/null
exec 9>&-
printf 'step=3 loss=30\nstep=4 loss=40\n' | record --run-key live --attempt 2 --resume 3
check "following goes on with the next writer" wait_for "$TMP/all" '^step=4 loss=40$'
check_match "and says that another attempt began" 'attempt 2 goes on at step 3' "$(cat "$TMP/all.err")"
check_equal "each row once, in order" $'step=2 acc=0.5 loss=2\nstep=3 loss=3\nstep=4 late=7\nstep=3 loss=30\nstep=4 loss=40' "$(cat "$TMP/all")"
check "several selectors follow together" wait_for "$TMP/some" '"step": 4, .*"loss": 40'
check_equal "and leave other series out" 5 "$(wc -l < "$TMP/some" | tr -d ' ')"

check_exit "a store that is not there is exit code 3" 3 "$STEPLOG" -C "$TMP/nowhere" tail -f
