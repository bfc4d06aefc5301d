#!/usr/bin/env bash
# Takes what run_fuzz.sh found into tests/fuzz/corpus, as far as it reaches what the corpus does not: keep_found.sh BUILD
# BYTES TARGET... Up to 24 inputs a target of at most 1 KB, the largest first, which reach most; no target's corpus
# grows beyond BYTES.
set -u
build=$1 bytes_max=$2
shift 2
cd "$(dirname "$0")/../.." || exit 1
for target; do
    found=$build/fuzz/found/$target corpus=tests/fuzz/corpus/$target
    fresh=$(mktemp -d) || exit 1
    [ -d "$found" ] && cp "$corpus"/* "$fresh" && "$build/fuzz/tests/fuzz/$target" -set_cover_merge=1 "$fresh" "$found" 2> /dev/null
    kept=0
    for input in $(ls -S "$fresh"); do
        [ -e "$corpus/$input" ] || [ "$(wc -c < "$fresh/$input")" -gt 1024 ] || [ $kept -eq 24 ] && continue
        held=$(cat "$corpus"/* | wc -c)
        [ $((held + $(wc -c < "$fresh/$input"))) -le "$bytes_max" ] && cp "$fresh/$input" "$corpus/found-${input:0:12}" &&
            kept=$((kept + 1))
    done
    echo "$target: $(ls "$corpus" | wc -l) inputs, $(cat "$corpus"/* | wc -c) bytes"
    rm -rf "$fresh"
done
