#!/usr/bin/env bash
# Fuzzes targets one after another and prints a table: run_fuzz.sh BUILD SECONDS TARGET...
#
# What is found new is kept under BUILD/fuzz/found/TARGET and used again by the next run; what crashes is put into
# BUILD/fuzz/crash. tests/fuzz/corpus is only read. FUZZ_JOBS targets run side by side (1). SECONDS 0 runs nothing.
#
# BUILD/fuzz/ledger/TARGET has a line for each run: a hash of the sources that were linked, CPU seconds (user and system
# time of the target: machines are shared), executions, findings, commit. The table adds up the lines with the hash of
# today's sources: a target begins again at nothing when something that it links has changed. A run may be interrupted;
# what it did by then counts.
set -u
build=$1 seconds=$2
shift 2
cd "$(dirname "$0")/../.." || exit 1
build=$(cd "$build" && pwd)
[[ $seconds =~ ^[0-9]+$ ]] || { echo "run_fuzz.sh: SECONDS is a whole number, not '$seconds'" >&2; exit 2; }
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$build/fuzz/crash" "$build/fuzz/found" "$build/fuzz/log" "$build/fuzz/ledger" "$build/fuzz/running"
rm -f "$build/fuzz/running"/*
commit=$(git rev-parse --short HEAD 2> /dev/null || echo -)

# The sources and headers that a target is made of, by the linker's map and the compiler's lists; all, without a map.
sources_of() { # target
    local objects=$build/fuzz/tests/fuzz map=$build/fuzz/tests/fuzz/$1.map
    if [ ! -s "$map" ]; then
        ls store/*/*.[ch] include/*.h include/*/*.h tools/*.[ch] tests/fuzz/*.[ch] tests/support/*.[ch]
        return
    fi
    { # an archive's members have names of their own, so a name is a list
        echo "$objects/fuzz_$1.d"
        grep -oE 'libsteplog\.a\([^)]+\.o\)' "$map" | sed -E 's/.*\((.*)\.o\)/\1/' | sort -u |
            while read -r name; do ls "$build/fuzz/store"/*/"$name.d"; done
        grep -oE 'shared\.a\([^)]+\.o\)' "$map" | sed -E 's/.*\((.*)\.o\)/\1/' | sort -u |
            while read -r name; do ls "$build/fuzz"/{tools,tests/fuzz,tests/support}/"$name.d" 2> /dev/null; done
    } | xargs cat | tr ' ' '\n' | grep -E '^[^/].*\.[ch]$' | sort -u
}

state_of() { # target
    sources_of "$1" | xargs sha256sum | sha256sum | cut -c1-16
}

run_one() { # target
    local log=$build/fuzz/log/$1 found=$build/fuzz/found/$1 running=$build/fuzz/running/$1 state
    mkdir -p "$found"
    state=$(state_of "$1")
    local TIMEFORMAT='%U %S' cpu
    cpu=$({ time {
        "$build/fuzz/tests/fuzz/$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
            -print_final_stats=1 -artifact_prefix="$build/fuzz/crash/$1-" -max_len=65536 "$found" \
            "tests/fuzz/corpus/$1" > "$log" 2>&1 &
        echo $! > "$running"
        wait $!
        echo $? > "$running.code"
    }; } 2>&1)
    local code findings=0
    code=$(cat "$running.code")
    rm -f "$running" "$running.code"
    grep -aq 'libFuzzer: run interrupted' "$log" && code=0 && kill -TERM $$
    [ "$code" -eq 0 ] || findings=1
    printf '%s\t%s\t%s\t%s\t%s\n' "$state" "$(awk '{ printf "%.2f", $1 + $2 }' <<< "$cpu")" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | grep . || echo 0)" "$findings" "$commit" \
        >> "$build/fuzz/ledger/$1"
    [ "$code" -eq 0 ] && return
    echo "$1: found something:" >&2
    grep -aE 'does not hold|ERROR: |runtime error|Test unit written' "$log" >&2
}

row_of() { # target
    local log=$build/fuzz/log/$1
    printf '%s\t' "$1"
    cat "$build/fuzz/ledger/$1" 2> /dev/null | awk -F'\t' -v state="$(state_of "$1")" '
        $1 == state { cpu += $2; executions += $3; findings += $4; runs++ }
        END { printf "%d\t%.1f\t%d\t%d\t", runs, cpu / 60, executions, findings }'
    printf '%s\t%s\n' "$(grep -aoE ' cov: [0-9]+' "$log" 2> /dev/null | tail -n 1 | grep -oE '[0-9]+' || echo -)" \
        "$(cat "$build/fuzz/found/$1"/* "tests/fuzz/corpus/$1"/* 2> /dev/null | wc -c)"
}

is_over=0
# libFuzzer says what it did when it is interrupted.
trap 'is_over=1; kill -INT $(cat "$build/fuzz/running"/* 2> /dev/null) 2> /dev/null' INT TERM
for target; do
    while [ "$(jobs -rp | wc -l)" -ge "${FUZZ_JOBS:-1}" ]; do wait -n; done
    [ $is_over -eq 0 ] && [ "$seconds" -gt 0 ] || break
    run_one "$target" &
done
while [ "$(jobs -rp | wc -l)" -gt 0 ]; do wait; done
for target; do row_of "$target"; done > "$build/fuzz/table"
{ printf 'target\truns\tcpu minutes\texecutions\tfindings\tedges\tcorpus bytes\n' && cat "$build/fuzz/table"
} | column -t -s "$(printf '\t')"
[ $is_over -eq 0 ] || exit 130
! cut -f 5 "$build/fuzz/table" | grep -qv '^0$'
