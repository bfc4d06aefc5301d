#!/usr/bin/env bash
# Which calls of the os table in store/ the fault shim reached, and so made fail: sites.sh [PROGRAM]
set -u
cd "$(dirname "$0")/../.." || exit 1
program=${1:-build/attack/tests/fault/fault}
command -v addr2line > /dev/null || { echo "addr2line is not installed: it comes with binutils"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" --only sites > "$work/out" || { grep -aE '^(not ok|#)' "$work/out"; exit 1; }
grep -aP '^SITE\t' "$work/out" | cut -f2 | addr2line -e "$program" | sed -n 's|.*/\(store/[^ ]*\).*|\1|p' |
    sort -u > "$work/reached"
# Calls of the table, by file and line; what store/os/ itself does is the table, or a loop around it.
grep -noE 'sl_os->[a-z_]+\(' store/*/*.c | grep -v '^store/os/os_' > "$work/all"
awk -F: -v reached="$work/reached" '
    BEGIN { while ((getline line < reached) > 0) { split(line, p, ":"); hit[p[1] ":" p[2]] = 1 } }
    {
        call = $3; sub(/^sl_os->/, "", call); sub(/\($/, "", call)
        # These answer without failing; what close says is not asked for: what counts was synced before.
        if (call ~ /^(close|wall_time_ns|monotonic_time_ns|process_start_time_ns|process_id|sleep_ns|lower_priority)$/) next
        all++
        # A call that spans lines is known by any of its first ones.
        if (($1 ":" $2) in hit || ($1 ":" $2 + 1) in hit || ($1 ":" $2 - 1) in hit) { got++; next }
        # Where these fail in a forked child (tests/scenario), a log that somebody replaced (tests/write), and a merge over
        # a damaged file (tests/store): what no scene does.
        here = $1 ":" call
        if (here ~ /^store\/(write\/writer.c:random|write\/row_log.c:stat|core\/maintain.c:unlink)$/ && !elsewhere[here]++) {
            all--
            next
        }
        print "not reached: " $1 ":" $2 ": " call
    }
    END { printf "%d of %d calls of the os table reached (%.1f%%)\n", got, all, 100 * got / all }' "$work/all"
