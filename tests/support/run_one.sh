#!/usr/bin/env bash
# Runs one part of `make check` and reports it: run_one.sh RESULTS_DIRECTORY KIND VARIANT BUILD PATH
#
# Leaves "passed failed" in RESULTS_DIRECTORY and prints one line, and everything the part said if it
# failed. A part that says of itself that it failed, is ended by a signal or takes too long, or that
# ran nothing, counts as a failure whatever its lines say.
set -u
results=$1 kind=$2 variant=$3 build=$4 path=$5
name=$path
[ "$variant" = - ] || name="$path ($variant)"
key=$(echo "$name" | tr -c 'a-zA-Z0-9\n' _)
out=$results/$key.out tap=$results/$key.tap
: > "$tap"
limit=${STEPLOG_CHECK_SECONDS:-600}

export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=66
export STEPLOG_BUILD=$build STEPLOG_VARIANT=$variant
case $variant in
    asan) export STEPLOG=$build/asan/steplog ;;
    *) export STEPLOG=$build/steplog ;;
esac

within() { timeout -k 10 "$limit" "$@" < /dev/null > "$out" 2>&1; }
begin=$(date +%s%N)
case $kind in
    criterion)
        # A test that hangs is ended by its own name, where this Criterion can do that.
        limits=()
        "$build/$variant/$path/run" --help 2>&1 | grep -q -- --timeout && limits=(--timeout $((limit / 3)))
        within "$build/$variant/$path/run" --jobs 2 --tap="$tap" "${limits[@]}"
        code=$? ;;
    program)
        # The thread sanitizer of older compilers cannot start where addresses are spread very widely.
        still=(setarch "$(uname -m)" -R)
        "${still[@]}" true 2> /dev/null || still=()
        within "${still[@]}" "$build/$variant/${path%.c}"
        code=$?
        # One claim each: it held if the program says so with its exit code.
        if [ $code -eq 0 ]; then echo "ok - $path" > "$tap"; else echo "not ok - $path" > "$tap"; fi ;;
    attack) within "$build/$variant/$path/${path##*/}"; code=$?; cp "$out" "$tap" ;;
    shell) within bash "$path" "$build"; code=$?; cp "$out" "$tap" ;;
    python) within /usr/bin/python3 -B tests/support/run_python.py "$path"; code=$?; cp "$out" "$tap" ;;
esac
took=$((($(date +%s%N) - begin) / 1000000))

passed=$(grep -cE '^ok ' "$tap")
skipped=$(grep -cE '^ok .*# SKIP' "$tap")
failed=$(grep -cE '^not ok ' "$tap")
passed=$((passed - skipped))
reason=
if [ $code -eq 124 ] || [ $code -eq 137 ]; then reason="took longer than $limit s or was killed"
elif [ $code -ne 0 ]; then reason="ended with exit code $code"
elif [ $((passed + failed)) -eq 0 ]; then reason="ran nothing"
# Some ways of running a test swallow the end of the process that a sanitizer stopped.
elif grep -aqE '(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|: runtime error: ' "$out"; then
    reason="a sanitizer complained"
fi
[ -z "$reason" ] || [ "$failed" -gt 0 ] || failed=1

echo "$passed $failed" > "$results/$key.counts"
# Printed in one piece, because parts run side by side.
{
    if [ "$failed" -eq 0 ]; then
        printf '  ok     %4d passed  %6d ms  %s\n' "$passed" "$took" "$name"
    else
        printf '  FAILED %4d passed  %6d ms  %s: %d failed%s\n' "$passed" "$took" "$name" "$failed" "${reason:+, $reason}"
        grep -avE '^ok ' "$out" | tail -n 200 | sed 's/^/    | /'
    fi
} > "$results/$key.report"
cat "$results/$key.report"
exit 0
