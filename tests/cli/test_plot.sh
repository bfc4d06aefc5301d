#!/bin/bash
# steplog plot: what is drawn from standard input and from a store.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export LC_ALL=C.UTF-8

plot_lines() { # text, options: a plot of the text
    local text=$1
    shift
    printf -- "$text" | "$STEPLOG" plot "$@" - 2> err
}

# ---- standard input ----
out=$(plot_lines '1\n2\n3\n')
check_equal "a plot in a pipe has 20 lines" 20 "$(printf '%s\n' "$out" | wc -l)"
check_equal "its widest line has 80 columns" 80 "$(printf '%s\n' "$out" | wc -L)"
check_equal "it has no escape sequences" 0 "$(printf '%s\n' "$out" | grep -c "$(printf '\033')")"
check_match "its legend has the last, smallest and largest value" 'last 3 .*min 1 at 0 .*max 3 at 2' "$out"
check_match "it is drawn in braille" '⠤|⣀|⠒|⡠' "$out"

out=$(printf '1\n5\n2\n' | LC_ALL=C "$STEPLOG" plot -)
check_equal "in a locale without UTF-8 it is ASCII" 0 "$(printf '%s' "$out" | LC_ALL=C grep -c '[^ -~]')"
out=$(printf '1\n5\n2\n' | LC_ALL=C "$STEPLOG" plot --braille -)
check_match "--braille draws braille there too" '┤' "$out"
out=$(plot_lines '1\n5\n2\n' --ascii)
check_equal "--ascii is ASCII" 0 "$(printf '%s' "$out" | LC_ALL=C grep -c '[^ -~]')"

out=$(plot_lines '1\nnan\n3\ninf\n-inf\nnan\n4\n')
check_match "NaN is marked on a line of its own" 'NaN │.*×' "$out"
check_match "+Inf is marked on a line of its own" '[+]Inf │.*▲' "$out"
check_match "-Inf is marked on a line of its own" '-Inf │.*▼' "$out"
check_match "the legend counts them" '2 NaN  1 [+]Inf  1 -Inf' "$out"
out=$(plot_lines '1\nnan\n3\ninf\n-inf\n' --ascii)
check_match "in ASCII NaN has its own mark" 'NaN [|] *x' "$out"
check_match "in ASCII +Inf has its own mark" '[+]Inf [|] *\^' "$out"

out=$(awk 'BEGIN { for (i = 0; i < 200000; i++) print i == 123456 ? 1000 : sin(i / 5000) }' | "$STEPLOG" plot --ascii -)
check_equal "a spike of one point in 200,000 is drawn to its full height" 1 \
    "$(printf '%s\n' "$out" | head -1 | grep -c '1000 + *|')"
check_match "and named in the legend" 'max 1000 at 123456' "$out"
out=$(awk 'BEGIN { for (i = 0; i < 2500000; i++) print i == 2222222 ? 50 : i == 77 ? "nan" : 1 }' | "$STEPLOG" plot --ascii -)
check_match "a spike survives the thinning of millions of points" 'max 50 at 2222222 .*1 NaN' "$out"
check_match "in the picture too" '50 [+] *[|]' "$out"

out=$(awk 'BEGIN { for (i = 0; i < 1500000; i++) print sin(i / 50000) }' | "$STEPLOG" plot --ascii --width 120 -)
check_equal "early and late parts of millions of points are drawn alike" 5 \
    "$(printf '%s\n' "$out" | head -1 | cut -d+ -f2 | grep -o '[^ ]\{1,\}' | wc -l)"

check_match "x y lines have their x on the axis" 'min 1 at 100 .*max 9 at 300' "$(plot_lines '100 1\n200 5\n300 9\n')"
out=$(plot_lines 'step\tloss\tval\n0\t1\t\n1\t2\t9\n2\t3\t\n')
check_match "a header names the curves" '^a loss' "$out"
check_match "empty cells are gaps" '^b val .*last 9' "$out"
out=$(plot_lines '# a comment\n\n1\n2\nwhat\n3 4\n5\n')
check_match "comments and empty lines are passed over" 'last 5' "$out"
check_match "bad lines are counted, with the first one" '2 of 5 lines .* line 5' "$(cat err)"

for text in '7\n' '7\n7\n7\n' 'nan\nnan\n' '1e308\n-1.7e308\n1.7e308\n' '5e-324\n1e-323\n' '5e-324\n' \
    '1.7976931348623157e308\n' '-1.7976931348623157e308\n' '-0\n0\n' '1 1\n1e308 2\n-1e308 3\n' 'inf\n' '1\r\n2\r\n' \
    '9223372036854775807 1\n-9223372036854775808 2\n' '0.1\n0.10000000000000002\n'; do
    for width in 10 80; do
        for option in --log-y --log-x --smooth=0.5 --ascii --height=1; do
            printf -- "$text" > input
            "$STEPLOG" plot --width $width $option - < input > out 2> err
            code=$?
            widest=$(wc -L < out)
            if [ $code -gt 1 ] || [ "$widest" -gt $((width < 32 ? 32 : width)) ]; then
                fails "plot draws $text at width $width with $option" "exit code $code, widest line $widest" "$(cat err)"
            fi
        done
    done
done
passes "single points, equal values, NaN alone, huge and tiny values are drawn at every width"

check_exit "nothing on standard input is exit code 1" 1 "$STEPLOG" plot -
check_match "a value of 0 or below on a log axis is marked and counted" '2 not above 0' "$(plot_lines '0\n-1\n10\n100\n' --log-y)"
check_match "on a line of its own" '<=0 │▽' "$(plot_lines '0\n-1\n10\n100\n' --log-y)"
check_match "--log-x says what is left of the axis" '1 left of the axis' "$(plot_lines '0 5\n1 1\n10 2\n' --log-x)"
check_match "--title is the first line" '^my title$' "$(plot_lines '1\n2\n' --title 'my title' | head -1)"
check_equal "control characters in a title are harmless" 0 \
    "$(plot_lines '1\n2\n' --title "$(printf 'a\033[31mb')" | grep -c "$(printf '\033')")"
check_match "--step cuts x" 'min 3 at 2 .*max 5 at 4' "$(plot_lines '1\n2\n3\n4\n5\n6\n' --step 2:5)"
# TensorBoard: 0.5 * 0 + 0.5 * 1 = 0.5, / (1 - 0.5) = 1; 0.5 * 0.5 + 0.5 * 3 = 1.75, / (1 - 0.25) = 2.3333
check_match "--smooth is the debiased average of TensorBoard" 'smoothed 2.3333' "$(plot_lines '1\n3\n' --smooth 0.5)"

check_exit "an unknown option is exit code 2" 2 "$STEPLOG" plot --nonsense -
check_exit "no operand is exit code 2" 2 "$STEPLOG" plot
check_exit "--smooth 1 is exit code 2" 2 "$STEPLOG" plot --smooth 1 -
check_exit "--width 3 is exit code 2" 2 "$STEPLOG" plot --width 3 -
check_exit "--ascii and --braille together are exit code 2" 2 "$STEPLOG" plot --ascii --braille -
check "plot --help is exit code 0" "$STEPLOG" plot --help

# ---- a store ----
export STEPLOG_DIR=$TMP/store
awk 'BEGIN { print "step,loss,acc"
    for (i = 0; i < 20000; i++) printf "%d,%s,%.6f\n", i, i == 7777 ? 50 : i == 9000 ? "nan" : 3 * exp(-i / 4000) + 0.1, i / 20000
}' > one.csv
sed 's/,50,/,60,/' one.csv > two.csv
for run in one two; do "$STEPLOG" import --run $run $run.csv > import.out 2>&1 || fails "import" "$(cat import.out)"; done

out=$("$STEPLOG" plot one loss)
check_equal "the run's name is the title" "one" "$(printf '%s\n' "$out" | head -1)"
check_match "the legend has the spike and the NaN" '^loss  last 0\.12.* max 50 at 7777  1 NaN$' "$out"
check_match "the NaN has its mark" 'NaN │.*×' "$out"
check_match "without SERIES the loss is drawn" '^loss  last' "$("$STEPLOG" plot one)"
out=$("$STEPLOG" plot one,two loss)
check_equal "several runs share the metric as title" "loss" "$(printf '%s\n' "$out" | head -1)"
check_match "and are named in the legend" '^b two .*max 60 at 7777' "$out"
check_match "a glob takes several runs" '^b (one|two) ' "$("$STEPLOG" plot '*' loss)"
check_match "several series are told apart by letters" '^b acc ' "$("$STEPLOG" plot one loss acc)"
check_match "smoothing streams the points" 'max 50 at 7777 .*smoothed 0\.' "$("$STEPLOG" plot one loss --smooth 0.9 --width 120)"
check_match "a log step axis too" '1 left of the axis' "$("$STEPLOG" plot one loss --log-x --width 120)"
check_match "a range of steps is cut out" 'max 50 at 7777' "$("$STEPLOG" plot one loss --step 7700:7800)"
check_match "half-open" 'max 0.[0-9]+ at 7770' "$("$STEPLOG" plot one loss --step 7770:7777)"
check_equal "a run drawn from the store is the run drawn from its points" \
    "$("$STEPLOG" plot one loss --title t --step 7700:7800)" \
    "$("$STEPLOG" query one loss --step 7700:7800 --tsv | "$STEPLOG" plot --title t -)"
check_match "more curves than fit are said" 'showing the first 1 curves, 1 more' "$("$STEPLOG" plot one loss acc --curves 1 2>&1)"
check_exit "no points in the range is exit code 1" 1 "$STEPLOG" plot one loss --step 50000:
check_exit "an unknown run is exit code 3" 3 "$STEPLOG" plot nosuch loss
check_exit "an unknown run among others too" 3 "$STEPLOG" plot one,nosuch loss
check_exit "an unknown series is exit code 3" 3 "$STEPLOG" plot one nosuch
check_exit "a store that is not there is exit code 3" 3 "$STEPLOG" -C nowhere plot one loss

job() { # rank, first step, last step, further options of log
    local rank=$1 from=$2 to=$3
    shift 3
    awk -v r="$rank" -v from="$from" -v to="$to" 'BEGIN { for (i = from; i < to; i++) print "step=" i, "loss=" i + r }' |
        "$STEPLOG" log -q --run-key job --name job --rank "$rank" "$@"
}
job 0 0 100
job 1 0 100
job 0 60 150 --resume 60 --attempt 2
job 1 60 150 --resume 60 --attempt 2
out=$("$STEPLOG" plot job loss --attempts)
check_match "--attempts says where an attempt begins" 'attempt 2 from step 60' "$out"
check_match "and draws a line there" '┊' "$out"
check_match "ranks are curves of their own" '^b loss[{]rank=1[}] .* max 150 at 149' "$out"
check_match "one rank can be chosen" 'max 149 at 149' "$("$STEPLOG" plot job 'loss{rank=0}')"
check_match "each step is drawn once" 'min 0 at 0 ' "$("$STEPLOG" plot job 'loss{rank=0}')"

# ---- damage ----
awk 'BEGIN { print "step,loss"; for (i = 0; i < 5000; i++) print i "," i / 7 }' > damaged.csv
export STEPLOG_DIR=$TMP/damaged
"$STEPLOG" import -q damaged.csv
"$STEPLOG" compact > /dev/null
check "a sound store is drawn" "$STEPLOG" plot @latest loss
python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(2000)
    byte = file.read(1)
    file.seek(2000)
    file.write(bytes([byte[0] ^ 255]))' "$(find "$STEPLOG_DIR/seg" -name '*.seg')"
check_match "what a damaged one still has is drawn" 'loss' "$("$STEPLOG" plot @latest loss 2> err)"
check_match "damage is said" 'damaged:' "$(cat err)"
check_exit "and is exit code 1" 1 "$STEPLOG" plot @latest loss
