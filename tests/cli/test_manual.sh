#!/bin/bash
# The manual page and the bash completion say what the tool says.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
manual=$(sed 's/\\-/-/g; s/\\f[BIR]//g' "$ROOT/tools/steplog.1")

verbs=$("$STEPLOG" --help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p')
check_match "the tool's help lists its verbs" 'plot' "$verbs"
missing=
for verb in $verbs; do
    section=$(printf '%s\n' "$manual" | awk -v name="$verb" '/^\.S[SH] / { in_verb = $0 == ".SS steplog " name } in_verb')
    [ -n "$section" ] || missing="$missing $verb"
    for option in $("$STEPLOG" "$verb" --help | sed -n '/^options:/,/^examples:/s/^  *\(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p'); do
        case $option in --store | --no-color | --help | --version) continue ;; esac
        printf '%s\n' "$section" | grep -q -- "^\(-., \)\{0,1\}$option\( \|$\)" || missing="$missing $verb:$option"
    done
    check_match "$verb --help has examples" '^examples:' "$("$STEPLOG" "$verb" --help)"
done
check_equal "the manual has every verb and each of its options" "" "$missing"

missing=
while read -r name number; do
    printf '%s\n' "$manual" | grep -q "^$name $number$" || missing="$missing $name"
done < <(sed -n 's/^ *X(\([A-Z]*\), \(-\{0,1\}[0-9]*\), ".*/\1 \2/p' "$ROOT/include/steplog/status.h")
check_equal "the manual has every status with its number" "" "$missing"
check_match "the manual is of this version" \
    "steplog $(sed -n 's/^#define STEPLOG_VERSION "\(.*\)"/\1/p' "$ROOT/include/steplog/types.h")" "$manual"
if command -v groff > /dev/null; then
    check_equal "groff finds nothing wrong with the manual" "" "$(groff -man -Tascii -ww "$ROOT/tools/steplog.1" 2>&1 > /dev/null)"
fi

# ---- completion ----
complete_line() { # words: completes the last of them
    (
        . "$ROOT/tools/steplog.bash-completion"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _steplog "$STEPLOG" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2> /dev/null
        printf '%s\n' "${COMPREPLY[@]}"
    )
}
check_equal "completion knows the verbs" "plot" "$(complete_line steplog pl)"
check_equal "completion knows a verb's options" "--smooth" "$(complete_line steplog plot --smo)"
printf 'step,loss,lr\n1,2,3\n2,1,3\n' > a.csv
"$STEPLOG" -C store import --run first-run a.csv > /dev/null 2>&1
check_equal "completion knows the runs of the store" "first-run" "$(complete_line steplog -C store query fir)"
check_equal "completion knows the series of a run" "loss" "$(complete_line steplog -C store plot first-run lo)"
check_equal "also of one given with '='" "first-run" "$(complete_line steplog --store = store query fir)"
check_equal "as one word too" "first-run" "$(complete_line steplog --store=store query fir)"
check_equal "or below the home directory" "first-run" "$(HOME=$PWD complete_line steplog -C '~/store' query fir)"
check_equal "other options with '=' are no operands" "loss" \
    "$(complete_line steplog plot -C store --smooth = 0.5 first-run lo)"
