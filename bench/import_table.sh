#!/bin/bash
# Prints what importing real logs costs: file, format, points, time, bytes a point after `compact`.
#
#   bench/import_table.sh STEPLOG DATA_DIR
#
# Each file goes into a store of its own, so that its bytes are its own; the last line is all files in one store.
# bytes/point counts every byte of the store's files; source/point what the file itself takes.
set -u
if [ $# -ne 2 ] || [ ! -x "$1" ] || [ ! -d "$2" ]; then
    echo "usage: $0 STEPLOG DATA_DIR" >&2
    exit 2
fi
steplog=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
data=$(cd "$2" && pwd)
directory=$(mktemp -d "${TMPDIR:-/tmp}/steplog-table.XXXXXX") || exit 4
trap 'rm -rf "$directory"' EXIT
export LC_ALL=C
unset STEPLOG_DIR STEPLOG_RUN_KEY

field() { # name, JSON line
    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p" <<< "$2"
}
store_bytes() {
    find "$1" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'
}
line() { # name, format, points, seconds, stored bytes, source bytes
    awk -v name="$1" -v format="$2" -v points="$3" -v seconds="$4" -v stored="$5" -v source="$6" 'BEGIN {
        if (length(name) > 60) name = "..." substr(name, length(name) - 56)
        printf "%-60s %-13s %9d %8.3f %9.2f %9.2f\n", name, format, points, seconds,
               points ? stored / points : 0, points ? source / points : 0 }'
}
import() { # store, files: sets $report, $seconds
    local store=$1 begin end
    shift
    begin=$(date +%s.%N)
    report=$("$steplog" -C "$store" import -q --json "$@") || true
    end=$(date +%s.%N)
    seconds=$(awk "BEGIN { print $end - $begin }")
    "$steplog" -C "$store" compact > /dev/null || exit 4
}

cd "$data" || exit 4
mapfile -d '' files < <(find . -type f \( -name '*.csv' -o -name '*.tsv' -o -name '*.jsonl' -o -name '*.log' -o \
    -name 'result.json' -o -name 'trainer_state.json' -o -name '*.txt' \) -not -path './digits/*' -printf '%P\0' | sort -z)
printf '%-60s %-13s %9s %8s %9s %9s\n' file format points seconds bytes/pt source/pt
for file in "${files[@]}"; do
    import "$directory/one" "$file"
    line "$file" "$(field format "$report")" "$(field points "$report")" "$seconds" "$(store_bytes "$directory/one")" \
        "$(stat -c %s "$file")"
    rm -rf "$directory/one"
done
import "$directory/all" "${files[@]}"
points=$(sed -n 's/.*"new_points":\([0-9]*\).*/\1/p' <<< "$report" | awk '{ sum += $1 } END { print sum + 0 }')
source=$(stat -c %s "${files[@]}" | awk '{ sum += $1 } END { print sum }')
line "all ${#files[@]} files in one store" "" "$points" "$seconds" "$(store_bytes "$directory/all")" "$source"
