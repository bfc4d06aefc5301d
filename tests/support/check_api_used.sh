#!/usr/bin/env bash
# Every exported function is used in at least one test.
cd "$(dirname "$0")/../.." || exit 1
functions=$(grep -ohE '\bsteplog_[a-z0-9_]+\(' include/steplog/*.h | tr -d '(' | sort -u)
missing=0 count=0
for name in $functions; do
    # A declaration, not a mention in a comment.
    grep -qzE "STEPLOG_API[^;]*\b$name\(" include/steplog/*.h || continue
    count=$((count + 1))
    grep -rqE "\b$name\(" --include='*.c' tests || { echo "not ok - $name is used in a test"; missing=$((missing + 1)); }
done
[ "$count" -gt 50 ] || { echo "not ok - the headers are understood"; exit 1; }
[ "$missing" -eq 0 ] && echo "ok - all $count exported functions are used in tests"
