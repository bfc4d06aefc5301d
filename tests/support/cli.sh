# Sourced by the shell tests: . "$(dirname "$0")/../support/cli.sh"
#
#   $STEPLOG   absolute path of the tool under test (make check sets it; else build/steplog)
#   $TMP       a fresh directory, removed at the end
#   $ROOT      the top of the project
#   check       "claim" command...                 the command exits 0
#   check_exit  "claim" CODE command...            the command exits CODE
#   check_equal "claim" "expected" "actual"
#   check_match "claim" REGEX "actual"             REGEX (extended) is found in actual
#
# Each prints `ok - claim` or `not ok - claim` with what was seen, and the script goes on. A script that
# ends before its time, or that checked nothing, has failed.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STEPLOG=${STEPLOG:-$ROOT/build/steplog}
case $STEPLOG in /*) ;; *) STEPLOG=$PWD/$STEPLOG ;; esac
TMP=$(mktemp -d "${TMPDIR:-/tmp}/steplog-test.XXXXXX") || exit 1
unset STEPLOG_DIR STEPLOG_RUN_KEY
checks_passed=0
checks_failed=0

checks_end() {
    local code=$?
    local child
    for child in $(jobs -p); do
        kill -9 "$child" && wait "$child"
    done 2> /dev/null
    chmod -R u+rwX "$TMP" 2> /dev/null
    rm -rf "$TMP"
    if [ $code -ne 0 ]; then
        echo "not ok - $(basename "$0") runs to its end (it stopped with exit code $code)"
        exit 1
    fi
    [ $checks_failed -eq 0 ] && [ $checks_passed -gt 0 ] || exit 1
}
trap checks_end EXIT

passes() {
    checks_passed=$((checks_passed + 1))
    echo "ok - $1"
}
fails() { # claim, detail lines
    checks_failed=$((checks_failed + 1))
    echo "not ok - $1"
    shift
    printf '%s\n' "$@" | head -c 4000 | sed 's/^/    /'
}

check_exit() {
    local claim=$1 expected=$2 actual
    shift 2
    local out
    out=$("$@" 2>&1 < /dev/null)
    actual=$?
    if [ "$actual" = "$expected" ]; then passes "$claim"
    else fails "$claim" "command:  $*" "expected: exit code $expected" "found:    exit code $actual, saying:" "$out"
    fi
}
check() {
    local claim=$1
    shift
    check_exit "$claim" 0 "$@"
}
check_equal() {
    if [ "$2" = "$3" ]; then passes "$1"
    else fails "$1" "expected: $2" "found:    $3"
    fi
}
check_match() {
    if printf '%s\n' "$3" | grep -Eq -- "$2"; then passes "$1"
    else fails "$1" "expected: something that matches $2" "found:    $3"
    fi
}
