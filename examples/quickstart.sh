#!/usr/bin/env bash
# What `make quickstart` shows: a real training job recorded at every iteration by four processes, one of them
# killed on the way, the job resumed from its checkpoint, and what the store then gives back. Ends with
# an error when any of it is not as promised.
set -euo pipefail
cd "$(dirname "$0")/.."
export STEPLOG=${STEPLOG:-build/steplog}
digits=${DIGITS:-build/examples/digits}
export STEPLOG_DIR=build/quickstart-store # so that the commands shown can be typed again as they are
unset STEPLOG_RUN_KEY

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
quit() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
show() { # shows a command and runs it
    local word line='$'
    for word in "$@"; do case $word in *[{*?\ ]*) line+=" '$word'" ;; *) line+=" $word" ;; esac; done
    printf '%s\n' "$line"
    "$@"
}
expect_status() { # word
    local runs
    runs=$("$STEPLOG" ls)
    [[ $runs =~ (^|[[:space:]])$1([[:space:]]|$) ]] || quit "ls does not say '$1'"
}

[ -x "$STEPLOG" ] && [ -x "$digits" ] || quit "'$STEPLOG' or '$digits' is not built; make quickstart does both"
rm -rf "$STEPLOG_DIR" "$STEPLOG_DIR.job"

say "1. Four processes train a network on handwritten digits and record every iteration. One of them gets SIGKILL."
code=0
show "$digits" --store "$STEPLOG_DIR" --kill-rank 2 --kill-at 4321 || code=$?
[ "$code" -eq 1 ] || quit "the job with the kill ended with exit code $code, expected 1"

say "2. The run, as it stands: nothing was closed, nothing needs repair."
show "$STEPLOG" ls
expect_status killed
echo
show "$STEPLOG" query @latest 'loss{rank=2}' 'samples_seen{rank=2}' --last 1
acknowledged=$(awk -F'\t' '$1 == 1 && $2 == 2 { print $4 }' "$STEPLOG_DIR.job/acknowledged.tsv")
echo "(rank 2 was told that step $acknowledged is recorded, and died)"

say "3. The job goes on from its checkpoint. The run is rewound to that step; what is replaced is kept, out of sight."
show "$digits" --store "$STEPLOG_DIR" --resume || quit "the resumed job ended with exit code $?"
echo
show "$STEPLOG" ls --cols loss,max:test_accuracy
expect_status finished

cut=$(awk -F'\t' '$1 == 2 && $2 == 2 { print $3 }' "$STEPLOG_DIR.job/acknowledged.tsv")
say "4. Around the cut at step $cut both attempts are there on request."
show "$STEPLOG" query @latest 'loss{rank=2}' 'iteration_us{rank=2}' --attempts --step "$((cut - 2)):$((cut + 3))"

say "5. The loss of all four ranks, through the kill, as one line each."
show "$STEPLOG" plot @latest 'loss{rank=*}' --attempts --log-y

say "6. Every row that was acknowledged is there, once."
show examples/check_recorded.sh "$STEPLOG_DIR" @latest || quit "the store and the ranks do not agree"

say "7. How good the network is on digits that it has not seen, and whether every byte is as written."
show "$STEPLOG" query @latest test_accuracy --last 1
accuracy=$("$STEPLOG" query @latest test_accuracy --last 1 --no-header | awk -F'\t' 'END { print $NF }')
awk -v accuracy="$accuracy" 'BEGIN { exit !(accuracy >= 0.9 && accuracy <= 1) }' \
    || quit "the test accuracy is '$accuracy', expected at least 0.9"
echo
show "$STEPLOG" verify || quit "verify ended with exit code $?"

say "What to try next:"
cat <<END
  export STEPLOG_DIR=$STEPLOG_DIR
  $STEPLOG ls @latest                                       # every series of the run
  $STEPLOG plot @latest 'layer*/weight_grad_norm{rank=0}'   # gradients, layer by layer
  $STEPLOG query @latest 'digit*/f1' --last 1               # how well each digit is known
  $digits --store $STEPLOG_DIR --name again --seed 2   # another run; watch it from a second shell: $STEPLOG tail -f
END
