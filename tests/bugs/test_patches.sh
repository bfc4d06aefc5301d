#!/usr/bin/env bash
# Every planted bug still fits the tree and says which promise it breaks and who finds it. `make bug-bank` looks whether
# that is so.
cd "$(dirname "$0")/../.." || exit 1
failed=0 count=0
known=" $(tests/bugs/run.sh --help | sed -n 's/^detectors: //p') "
for patch in tests/bugs/*.patch; do
    count=$((count + 1)) wrong=
    patch -p1 --fuzz=0 --dry-run -s < "$patch" > /dev/null 2>&1 || wrong="does not apply"
    sed -n 1p "$patch" | grep -qE '^# P([1-9]|1[0-2]): .' || wrong="its first line names no promise"
    ! sed -n 's/^+++ b\///p' "$patch" | grep -qv '^store/' || wrong="it changes more than store/"
    detectors=$(sed -n '2s/^# detectors: //p' "$patch")
    [ -n "$detectors" ] || wrong="its second line names no detectors"
    for name in $detectors; do [[ $known == *" $name "* ]] || wrong="there is no detector $name"; done
    [ -n "$wrong" ] || continue
    echo "not ok - ${patch##*/}: $wrong"
    failed=$((failed + 1))
done
[ $failed -gt 0 ] || echo "ok - patches: $count planted bugs apply to the tree"
[ $count -ge 40 ] || { echo "not ok - patches: $count planted bugs, expected at least 40"; failed=$((failed + 1)); }
printf 'RESULT\tbugs/patches\truns=%d\tstates=%d\tviolations=%d\tseeds=-\n' $count $count $failed
[ $failed -eq 0 ]
