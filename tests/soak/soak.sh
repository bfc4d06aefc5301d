#!/usr/bin/env bash
# The long form of the programs that attack the store: soak.sh BUILD HOURS PROGRAM...
#
# Time is spent evenly, in slices; each slice goes on with the seeds after the last one's. What was done is added up in
# BUILD/soak/ while store/ stays as it is: another store begins again at nothing. May be interrupted at any time; the
# table is printed then too.
set -u
build=$1 hours=$2
shift 2
cd "$(dirname "$0")/../.." || exit 1
[[ $hours =~ ^[0-9]+([.][0-9]+)?$ ]] || { echo "soak: HOURS is a number, not '$hours'" >&2; exit 2; }

state=$(cat store/*/*.c store/*/*.h include/*.h include/*/*.h | sha256sum | cut -c1-16)
results=$build/soak/$state
mkdir -p "$results" || exit 1
commit=$(git rev-parse --short HEAD 2> /dev/null || echo -)
slice=${SOAK_SLICE:-300}
end=$(awk -v now="$(date +%s)" -v hours="$hours" 'BEGIN { printf "%d", now + hours * 3600 }')

table() {
    echo
    printf '%-28s %12s %14s %10s  %-22s %s\n' test runs states violations seeds commits
    cat "$results"/*.results 2> /dev/null | awk -F'\t' '
        $1 == "RESULT" {
            name = $2
            for (i = 3; i <= NF; i++) {
                if (split($i, f, "=") != 2) continue
                if (f[1] == "runs") runs[name] += f[2]
                if (f[1] == "states") states[name] += f[2]
                if (f[1] == "violations") bad[name] += f[2]
                if (f[1] == "seeds") {
                    split(f[2], ends, "-")
                    if (!(name in low) || ends[1] + 0 < low[name]) low[name] = ends[1] + 0
                    if (ends[2] + 0 > high[name]) high[name] = ends[2] + 0
                }
                if (f[1] == "commit" && !((name, f[2]) in seen)) {
                    seen[name, f[2]] = 1
                    commits[name] = commits[name] (commits[name] ? "," : "") f[2]
                }
            }
            names[name] = 1
        }
        END {
            for (name in names)
                printf "%-28s %12d %14d %10d  %-22s %s\n", name, runs[name], states[name], bad[name],
                    low[name] "-" high[name], commits[name] | "sort"
            close("sort")
            for (name in bad) all += bad[name]
            exit all > 0
        }'
}
trap 'kill "$child" 2> /dev/null; wait "$child" 2> /dev/null; table; exit 130' INT TERM
child=

failed=0
while [ "$(date +%s)" -lt "$end" ]; do
    for name in "$@"; do
        left=$((end - $(date +%s)))
        [ "$left" -gt 0 ] || break
        [ "$left" -lt "$slice" ] && seconds=$left || seconds=$slice
        next=$results/$name.seed
        seed=$(cat "$next" 2> /dev/null || echo 1)
        # Seeds of one slice never reach those of the next.
        echo $((seed + 1000000)) > "$next"
        echo "$(date '+%H:%M:%S') $name, seed $seed, $seconds s" >&2
        "$build/attack/tests/$name/$name" --seed "$seed" --seconds "$seconds" > "$results/last.out" &
        child=$!
        wait "$child"
        code=$?
        child=
        grep -aE '^(#|not ok)' "$results/last.out"
        grep -aP '^RESULT\t' "$results/last.out" | sed "s/\$/\tcommit=$commit/" >> "$results/$name.results"
        if [ "$code" -ne 0 ]; then
            failed=1
            echo "$name ended with $code: kept as $results/$name-$seed.out"
            cp "$results/last.out" "$results/$name-$seed.out"
        fi
    done
done
table || failed=1
exit $failed
