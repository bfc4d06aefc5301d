#!/usr/bin/env bash
# Runs the tests, built for gcov, in their short form and says what they took of store/: coverage.sh BUILD
#
# Leaves BUILD/coverage.txt: every branch that was never taken, with its reason from reasons.txt or none; ends with 1 when one
# has none. --told-only: of what was counted already.
set -u
told_only=0
[ "${1:-}" = --told-only ] && told_only=1 && shift
build=$1
cd "$(dirname "$0")/../.." || exit 1
command -v gcov > /dev/null || { echo "gcov is not installed: it comes with gcc"; exit 1; }
[ $told_only -eq 1 ] && exec python3 -B tests/coverage/coverage.py "$build"
find "$build/gcov" -name '*.gcda' -delete
out=$build/gcov/out
mkdir -p "$out"
shopt -s nullglob

# What a program finds is for make check; here it only has to go everywhere. A program that is killed leaves no counts.
run() { # name, command...
    local begin=$SECONDS
    "${@:2}" > "$out/${1//\//_}" 2>&1 < /dev/null
    printf '%4d s  exit %3d  %s\n' $((SECONDS - begin)) $? "$1" >&2
}
for program in "$build"/gcov/tests/*/run; do run "${program#"$build/gcov/"}" "$program"; done
for main in tests/*/main.c; do
    name=$(basename "$(dirname "$main")")
    run "tests/$name" "$build/gcov/tests/$name/$name"
done
for source in tests/fuzz/fuzz_*.c; do
    name=${source#tests/fuzz/fuzz_} name=${name%.c}
    run "tests/fuzz $name" "$build/gcov/tests/fuzz/$name" --runs 300 "tests/fuzz/corpus/$name"
done
for script in tests/cli/test_*.sh tests/scenario/test_*.sh; do
    run "$script" env STEPLOG="$PWD/$build/gcov/steplog" bash "$script" "$build"
done
exec python3 -B tests/coverage/coverage.py "$build"
