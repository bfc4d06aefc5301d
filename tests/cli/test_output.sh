#!/usr/bin/env bash
# Output: names of any characters through every command and format: nothing reaches a terminal that it obeys, and JSON,
# JSONL, CSV and TSV give back each name. STEPLOG_TEST_SEED=N repeats what was made of a seed.
. "$(dirname "$0")/../support/cli.sh"
library=$ROOT/build/libsteplog.so.0
[ -e "${STEPLOG_BUILD:-$ROOT/build}/libsteplog.so.0" ] && library=${STEPLOG_BUILD:-$ROOT/build}/libsteplog.so.0
python3 -B "$ROOT/tests/cli/output.py" "$STEPLOG" "$library" "$TMP" "${STEPLOG_TEST_SEED:-1}"
check_equal "output.py comes to its end and finds nothing" 0 $?
