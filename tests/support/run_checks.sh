#!/usr/bin/env bash
# The body of `make check`: builds everything, runs every part, counts. run_checks.sh MAKE BUILD JOBS
#
# STEPLOG_CHECK_ONLY=REGEX runs only the parts whose name matches, for work on one of them.
set -u
make=$1 build=$2 jobs=$3
cd "$(dirname "$0")/../.." || exit 1
begin=$(date +%s)

echo "building libraries, tools and tests"
mkdir -p "$build" || exit 1
build=$(cd "$build" && pwd)
export WERROR=-Werror B=$build
quiet_make() { "$make" --no-print-directory WERROR="$WERROR" B="$B" "$@"; }
failed_builds=0
if ! quiet_make -k -j"$jobs" check-build > "$build/check-build.log" 2>&1; then
    failed_builds=$(grep -cE '^make.*: \*\*\* \[' "$build/check-build.log")
    [ "$failed_builds" -gt 0 ] || failed_builds=1
    echo "the build failed; what does not depend on that is tested all the same:"
    grep -avE '^(cc|ar|link) +[^ ]+$' "$build/check-build.log" | head -n 60
fi
echo "built in $(($(date +%s) - begin)) s"
# A program that could not be built anew must not be tested as it was before.
is_built() { [ -e "$1" ] && { [ "$failed_builds" -eq 0 ] || quiet_make -q "$1" > /dev/null 2>&1; }; }

results=$build/check
rm -rf "$results"
mkdir -p "$results" || exit 1
parts=$results/parts
: > "$parts"
part() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >> "$parts"; }
shell_parts() { # variant, tool
    is_built "$2" || return 0
    local path
    for path in tests/scenario/test_*.sh tests/cli/test_*.sh; do part shell "$1" "$path"; done
}
criterion_parts() { # variant
    local program path
    for program in "$build/$1"/tests/*/run "$build/$1"/tests/*/*/run; do
        path=${program#"$build/$1"/}
        path=${path%/run}
        # A program whose sources are gone is left over from an earlier build.
        compgen -G "$path/test_*.c" > /dev/null && is_built "$program" && part criterion "$1" "$path"
    done
}

shopt -s nullglob
# The longest first, so that no core is idle at the end.
for path in tests/stress/*.c; do
    is_built "$build/tsan/${path%.c}" && part program tsan "$path"
done
for path in tests/*/main.c; do
    path=${path%/main.c}
    for variant in asan attack; do
        is_built "$build/$variant/$path/${path##*/}" && part attack "$variant" "$path"
    done
done
shell_parts asan "$build/asan/steplog"
criterion_parts asan
part shell asan tests/fuzz/test_fuzz.sh
part shell - tests/bugs/test_patches.sh
shell_parts release "$build/steplog"
criterion_parts debug
for path in tests/format_reader/test_*.py; do part python - "$path"; done
part shell - tests/support/check_headers.sh
part shell - tests/support/check_api_used.sh
is_built "$build/libsteplog.so.0" && part shell - tests/support/check_symbols.sh

[ -z "${STEPLOG_CHECK_ONLY:-}" ] || { grep -E "$STEPLOG_CHECK_ONLY" "$parts" > "$parts.some"; mv "$parts.some" "$parts"; }
tr '\t\n' '\0\0' < "$parts" | xargs -0 -n 3 -P "$jobs" bash -c \
    'exec tests/support/run_one.sh "$0" "$2" "$3" "$1" "$4"' "$results" "$build"

read -r passed failed < <(cat "$results"/*.counts | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
expected=$(wc -l < "$parts")
found=$(ls "$results" | grep -c '\.counts$')
[ "$expected" -eq "$found" ] || failed=$((failed + expected - found))
failed=$((failed + failed_builds))
echo "took $(($(date +%s) - begin)) s"
if [ "$failed" -gt 0 ]; then
    echo "failed:"
    [ "$failed_builds" -eq 0 ] || echo "  $failed_builds targets did not build, see above"
    grep -ahE '^  FAILED' "$results"/*.report
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
