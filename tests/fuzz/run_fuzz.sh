#!/usr/bin/env bash
# Fuzzes targets one after another and prints a table: run_fuzz.sh BUILD SECONDS TARGET...
#
# What is found new is kept under BUILD/fuzz/found/TARGET and used again by the next run; what crashes is put into
# BUILD/fuzz/crash. tests/fuzz/corpus is only read. FUZZ_JOBS targets run side by side (1).
set -u
build=$1 seconds=$2
shift 2
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "$build" && pwd)
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$build/fuzz/crash" "$build/fuzz/found" "$build/fuzz/log"

run_one() { # target
    local log=$build/fuzz/log/$1 found=$build/fuzz/found/$1
    mkdir -p "$found"
    local TIMEFORMAT='%U %S' cpu
    cpu=$({ time "$build/fuzz/tests/fuzz/$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$build/fuzz/crash/$1-" -max_len=65536 "$found" \
        "tests/fuzz/corpus/$1" > "$log" 2>&1; } 2>&1)
    local code=$? findings=0
    [ $code -eq 0 ] || findings=1
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$(awk '{ printf "%d", $1 + $2 }' <<< "$cpu")" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(grep -aoE ' cov: [0-9]+' "$log" | tail -n 1 | grep -oE '[0-9]+')" "$findings" \
        "$(cat "$found"/* "tests/fuzz/corpus/$1"/* 2> /dev/null | wc -c)" >> "$build/fuzz/table"
    [ $code -eq 0 ] && return
    echo "$1: found something:" >&2
    grep -aE 'does not hold|ERROR: |runtime error|Test unit written' "$log" >&2
}

: > "$build/fuzz/table"
for target; do
    while [ "$(jobs -rp | wc -l)" -ge "${FUZZ_JOBS:-1}" ]; do wait -n; done
    run_one "$target" &
done
wait
printf 'target\tcpu seconds\texecutions\tedges\tfindings\tcorpus bytes\n' | cat - <(sort "$build/fuzz/table") | column -t -s "$(printf '\t')"
! cut -f 5 "$build/fuzz/table" | grep -qv '^0$'
