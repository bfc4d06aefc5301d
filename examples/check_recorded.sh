#!/usr/bin/env bash
# Compares what the ranks of the example job were told is kept with what the store gives back.
#
#     check_recorded.sh STORE RUN [JOB]
#
# JOB is the job's directory (STORE.job), where the launcher wrote acknowledged.tsv: for each attempt and
# rank the steps whose append returned OK. Checked for each rank:
#   - every attempt is there from its first step to its last acknowledged one, each step once; a killed rank
#     may have one row more, for an append that was done but had not returned;
#   - the default view is one line: every step from 0 to the last once, each from the latest attempt that has it;
#   - where a resumed attempt repeats steps the loss is the same to the last bit (the job is deterministic).
# Prints a line for each attempt and rank; exits 1 when something is not so.
set -euo pipefail
store=$1 run=$2 job=${3:-${1%/}.job}
steplog=${STEPLOG:-$(dirname "$0")/../build/steplog}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/steplog-check.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# iteration_us is a measured time, so it tells the attempts apart where the loss cannot.
curve() { # rank, options...
    local rank=$1
    shift
    "$steplog" -C "$store" query "$run" "loss{rank=$rank}" "iteration_us{rank=$rank}" "$@" \
        || { echo "steplog query of rank $rank ended with exit code $?" >&2; exit 1; }
}

failed=0
rank_count=$(awk -F'\t' 'NR > 1 && $2 + 1 > n { n = $2 + 1 } END { print n + 0 }' "$job/acknowledged.tsv")
[ "$rank_count" -gt 0 ] || { echo "no rank in '$job/acknowledged.tsv'" >&2; exit 1; }
for ((rank = 0; rank < rank_count; rank++)); do
    curve "$rank" --attempts > "$scratch/all"
    curve "$rank" > "$scratch/default"
    awk -F'\t' -v rank="$rank" '
        function complain(text) { if (bad++ < 20) print "rank " rank ": " text }
        function columns(   i) {
            step = attempt = loss = mark = 0
            for (i = 1; i <= NF; i++) {
                if ($i == "step") step = i
                else if ($i == "attempt") attempt = i
                else if ($i ~ /^loss/) loss = i
                else if ($i ~ /^iteration_us/) mark = i
            }
            if (!step || !loss || !mark) { complain("columns missing in: " $0); exit }
        }
        FNR == 1 { file++ }
        file == 1 { # acknowledged.tsv
            if (FNR > 1 && $2 == rank) {
                first[$1] = $3; last[$1] = $4; rows[$1] = $5; refused[$1] = $6; ended[$1] = $7
                if ($1 > attempts) attempts = $1
            }
            next
        }
        FNR == 1 {
            columns()
            if (file == 2 && !attempt) { complain("no attempt column in: " $0); exit }
            next
        }
        file == 2 { # all attempts
            a = $attempt; s = $step
            if (!(a in count) || s < low[a]) low[a] = s
            if (!(a in count) || s > high[a]) high[a] = s
            count[a]++
            if ((a, s) in marks) complain("attempt " a " has step " s " twice")
            marks[a, s] = $mark; losses[a, s] = $loss
            if (!(a in first)) complain("attempt " a " was never acknowledged")
            next
        }
        { # the default view
            if ($step != expected) complain("step " $step " where " expected + 0 " was expected")
            expected = $step + 1
            a = attempts
            while (a > 1 && !((a, $step) in marks)) a--
            if ($mark != marks[a, $step]) complain("step " $step " is not that of attempt " a)
            for (b = 1; b < a; b++)
                if ((b, $step) in losses) {
                    repeated++
                    if (losses[b, $step] != $loss) complain("the loss of step " $step " changed")
                }
        }
        END {
            for (a = 1; a <= attempts; a++) {
                if (!(a in first)) continue # nothing of it is in the store either, or it was told above
                if (refused[a] != 0) complain("attempt " a ": the store refused " refused[a] " rows")
                more = high[a] - last[a]
                if (low[a] != first[a] || count[a] != high[a] - low[a] + 1) complain("attempt " a " has holes")
                if (more < 0) complain("attempt " a ": " -more " acknowledged rows are lost")
                if (more > (ended[a] == "lost")) complain("attempt " a " has rows that nobody appended")
                if (rows[a] + (more > 0) > count[a]) complain("attempt " a " lacks acknowledged rows")
                printf "rank %d attempt %d (%s): %d rows acknowledged, %d found, steps %d to %d\n", \
                    rank, a, ended[a], rows[a], count[a], low[a], high[a]
            }
            if (expected != high[attempts] + 1) complain("the default view ends at step " expected - 1)
            if (!bad)
                printf "rank %d: one line of %d steps, each once; %d repeated steps have the same loss\n", \
                    rank, expected, repeated
            exit bad > 0
        }' "$job/acknowledged.tsv" "$scratch/all" "$scratch/default" || failed=1
done
exit $failed
