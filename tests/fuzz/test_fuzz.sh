#!/usr/bin/env bash
# Replays the corpus of every fuzz target, and mutations of it that are always the same, under gcc's sanitizers.
#
# test_fuzz.sh BUILD [TARGET]. A target that fails says with which seed; BUILD/asan/tests/fuzz/TARGET --runs 1 --seed S
# tests/fuzz/corpus/TARGET repeats it, and with --write FILE keeps that input.
cd "$(dirname "$0")/../.." || exit 1
build=$1
failed=0
# How many mutations: so that each target takes a second or two.
runs_of() {
    case $1 in
        store) echo 500 ;;
        args) echo 1000 ;;
        segment | pages) echo 1500 ;;
        *) echo 5000 ;;
    esac
}
for source in tests/fuzz/fuzz_*.c; do
    target=${source#tests/fuzz/fuzz_} target=${target%.c}
    [ -z "${2:-}" ] || [ "$target" = "$2" ] || continue
    runs=$(runs_of "$target")
    if said=$("$build/asan/tests/fuzz/$target" --runs "$runs" "tests/fuzz/corpus/$target" 2>&1); then
        echo "ok - $target: ${said##*$'\n'}"
        violations=0
    else
        echo "not ok - $target: failed, repeat as said below"
        printf '%s\n' "$said" | tail -n 60
        violations=1 failed=1
    fi
    printf 'RESULT\tfuzz/%s\truns=%d\tstates=%d\tviolations=%d\tseeds=1-%d\n' "$target" "$runs" \
        "$(ls "tests/fuzz/corpus/$target" | wc -l)" $violations "$runs"
done
exit $failed
