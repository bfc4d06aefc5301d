#!/usr/bin/env bash
# Prints what of each decoder the inputs of tests/fuzz/corpus reach: coverage.sh DIRECTORY 'TARGET...' SOURCE...
set -u
directory=$1 targets=$2
shift 2
cd "$(dirname "$0")/../.." || exit 1
# The tools come under plain names or with clang's version behind them.
version=$(clang --version | sed -n 's/.*clang version \([0-9]*\).*/\1/p' | head -n 1)
tool() { command -v "$1" || command -v "$1-$version"; }
profdata=$(tool llvm-profdata) cov=$(tool llvm-cov) || { echo "llvm-cov is not installed" >&2; exit 1; }
objects=()
for target in $targets; do
    LLVM_PROFILE_FILE=$directory/$target.raw \
        "$directory/$target" --runs "${RUNS:-0}" "tests/fuzz/corpus/$target" > /dev/null || exit 1
    objects+=(-object "$directory/$target")
done
"$profdata" merge -sparse -o "$directory/all.profile" "$directory"/*.raw || exit 1
rm -f "$directory"/*.raw
"$cov" report -instr-profile "$directory/all.profile" "${objects[@]:1}" "$@" 2> /dev/null |
    awk 'BEGIN { print "file regions missed reached lines missed reached branches missed reached" }
         NR > 1 && /%/ { print $1, $2, $3, $4, $8, $9, $10, $11, $12, $13 }' | column -t
