#!/usr/bin/env bash
# Runs programs built for gcov and says what they took of store/: coverage.sh BUILD PROGRAM...
#
# Leaves BUILD/coverage.txt: every branch that was never taken, with its reason from reasons.txt or none.
set -u
build=$1
shift
cd "$(dirname "$0")/../.." || exit 1
command -v gcov > /dev/null || { echo "gcov is not installed: it comes with gcc"; exit 1; }
find "$build/gcov" -name '*.gcda' -delete
for program in "$@"; do
    printf '%s\n' "${program#"$build"/}" >&2
    # What a program finds is for make check; here it only has to go everywhere.
    timeout 600 "$program" > "$build/gcov/last.out" 2>&1 < /dev/null || echo "  ended with $?" >&2
done
exec python3 -B tests/coverage/coverage.py "$build"
