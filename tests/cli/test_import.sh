#!/bin/bash
# steplog import: what files become, and that importing again adds only what is new.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export LC_ALL=C.UTF-8
number=0

fresh() { # a store of its own for what follows
    number=$((number + 1))
    export STEPLOG_DIR=$TMP/store$number
}
# The points of the store: metric@step[/time]=value, a line each, in the order recorded.
points() {
    "$STEPLOG" export | python3 -c '
import csv, sys
for r in list(csv.reader(sys.stdin))[1:]:
    print("%s@%s%s=%s" % (r[5], r[7], "/" + r[8] if r[8] else "", r[9]))'
}
flat() { tr '\n' ' ' | sed 's/ $//'; }
# Text, file name, options: imports it into a fresh store; $out is what it printed, $err what it said.
import_text() {
    local text=$1 file=$2
    shift 2
    fresh
    printf -- "$text" > "$file"
    out=$("$STEPLOG" import "$@" "$file" 2> err)
    code=$?
    err=$(cat err)
}
param() { # the latest value of a param of the only run
    "$STEPLOG" info --json "$("$STEPLOG" export | sed -n '2s/,.*//p')" | python3 -c '
import json, sys
def find(value):
    if isinstance(value, dict):
        for key, member in value.items():
            if key in (sys.argv[1], "param." + sys.argv[1]): return member
            if find(member) is not None: return find(member)
    if isinstance(value, list):
        for member in value:
            if find(member) is not None: return find(member)
print(find(json.load(sys.stdin)))' "$1"
}

# ---- CSV ----
import_text 'step,loss\n1,0.5\n2,0.25\n' a.csv
check_equal "CSV with a step column is recorded at its steps" 'loss@1=0.5 loss@2=0.25' "$(points | flat)"
check_match "and says how many rows and points" '2 rows, 2 points' "$out"

import_text 'loss\n0.5\n0.25\n' a.csv
check_equal "without one the record number is the step" 'loss@0=0.5 loss@1=0.25' "$(points | flat)"
check_match "which is said" 'record number' "$err"

import_text '   epoch,   train/loss ,val\n  0,  1.5,  2\n  1,  1.25,\n' a.csv
check_equal "padded headers and cells are trimmed, empty cells are missing" \
    'train/loss@0=1.5 val@0=2 train/loss@1=1.25' "$(points | flat)"

import_text 'global_step,epoch,step,loss\n10,0,1,0.5\n20,0,2,0.25\n' a.csv
check_match "the first of the list of step names is the step" 'loss@1=0.5' "$(points | flat)"
check_match "and the others stay metrics" 'global_step@1=10' "$(points | flat)"
import_text 'global_step,epoch,loss\n10,0,0.5\n20,0,0.25\n' a.csv --step-col epoch
check_match "--step-col takes another" 'loss@0=0.5.*loss@0=0.25' "$(points | flat)"
import_text 'step,loss\n7,0.5\n' a.csv --step-col '#'
check_match "--step-col '#' takes the record number" 'loss@0=0.5' "$(points | flat)"
import_text 'step,loss\n7,0.5\n' a.csv --step-col iter
check_equal "a step column that is not there is not found" 3 "$code"

import_text 'Step,loss\n0/1480,0.5\n1/1480,28926ms\n' a.csv
check_equal "N/M is step N, and a number may have a unit" 'loss@0=0.5 loss@1=28926' "$(points | flat)"

import_text '\xef\xbb\xbfstep,"a ""b"", c"\r\n1,"2"\r\n\r\n2,3\r\n' a.csv
check_equal "a byte order mark, quotes, CR LF and blank lines are understood" 'a "b", c@1=2 a "b", c@2=3' "$(points | flat)"

import_text 'step,v\n1,nan\n2,NaN\n3,-inf\n4,Infinity\n5,-0\n6,True\n7,false\n8,-nan(ind)\n9,None\n' a.csv
check_equal "NaN spellings, infinities, -0, booleans" \
    'v@1=nan v@2=nan v@3=-inf v@4=inf v@5=-0 v@6=1 v@7=0 v@8=nan' "$(points | flat)"

import_text 'step,a,b\n1,2\n2,3,4,5\n3,6,7\n' a.csv
check_equal "ragged rows give what they have" 'a@1=2 a@2=3 b@2=4 a@3=6 b@3=7' "$(points | flat)"
check_match "and are counted, with the first line" '2 rows are longer or shorter.*line 2' "$err"

import_text 'step,gpu_name,date,list,loss\n1,gpu1,x,"[1, 2]",0.5\n2,gpu1,y,"[3]",0.25\n' a.csv
check_equal "text and lists are no points" 'loss@1=0.5 loss@2=0.25' "$(points | flat)"
check_match "changing text is counted and named" '2 cells of text.*date' "$err"
check_match "so are lists" '2 cells of lists.*list' "$err"
check_equal "constant text is a param" gpu1 "$(param gpu_name)"

import_text '#{"t_start": 1614619328.36, "env_id": "Acrobot-v1"}\nr,l,t\n-457.0,458,4.28\n' 0.monitor.csv
check_equal "a comment line is not data" 'l@0=458 r@0=-457 t@0=4.28' "$(points | sort | flat)"
check_equal "an object in it gives params" Acrobot-v1 "$(param env_id)"

import_text '5,6\n7,8\n' a.csv
check_equal "without a header columns are numbered" \
    'column_1@0=5 column_2@0=6 column_1@1=7 column_2@1=8' "$(points | flat)"

import_text 'step,loss,loss\n1,2,3\n' a.csv
check_equal "a column name twice gives two series" 2 "$(points | cut -d@ -f1 | sort -u | wc -l)"

import_text 'timestamp,value\n2014-02-14 14:30:00,0.132\n2014-02-14 14:35:00,0.134\n' a.csv
check_equal "dates are wall times" \
    'value@0/1392388200000000000=0.132 value@1/1392388500000000000=0.134' "$(points | flat)"
import_text 'step,timestamp,v\n1,1579602523.123456789,2\n' a.csv
check_match "seconds since 1970 are wall times, exactly" 'v@1/1579602523123456789=2' "$(points | flat)"
check_match "and stay a metric" 'timestamp@1' "$(points | flat)"
import_text 'step,time,v\n1,12.5,2\n' a.csv
check_equal "seconds since the start are no wall times" 'time@1=12.5 v@1=2' "$(points | sort | flat)"

import_text 'step\tloss\n1\t0.5\n' a.tsv
check_equal "TSV" 'loss@1=0.5' "$(points | flat)"
import_text 'step;loss\n1;0.5\n2;0.4\n' a.csv
check_equal "semicolons" 'loss@1=0.5 loss@2=0.4' "$(points | flat)"
import_text 'step,loss,b\n1,"0.5,2\n2,3,4\n3,4,5\n' a.csv
check_equal "a quote that never closes harms what follows it, not the tool" 0 "$((code == 0 || code == 1 ? 0 : code))"
check_match "and is said" 'could not be read|longer or shorter' "$err"
import_text 'step,lo\xffss\n1,2\n' a.csv
check_equal "a column name that is not UTF-8 is refused" 4 "$code"
check_match "with the place" 'line 1.*column 2.*byte 2' "$err"
awk 'BEGIN { srand(3); print "step,a,b,c,d,e,f,g,h"
    for (i = 0; i < 2000; i++) { printf "%d", i; for (k = 0; k < 8; k++) printf ",%s", rand() < 0.5 ? "" : i * 8 + k; print "" } }' > sparse.csv
fresh
"$STEPLOG" import -q sparse.csv
check_equal "cells empty at random are neither lost nor invented" \
    "$(awk -F, 'NR > 1 { for (k = 2; k <= 9; k++) if ($k != "") print substr("abcdefgh", k - 1, 1) "@" $1 "=" $k }' sparse.csv | sort | md5sum)" \
    "$(points | sort | md5sum)"

# A record is not over while its quote is open.
whole='step,loss,note\n100,2,"multi\nline"\n200,3,x\n300,4,y\n'
for part in '"' '"m' '"multi' '"multi\n' '"multi\nli' '"multi\nline'; do
    import_text 'step,loss,note\n100,2,'"$part" cut.csv
    case $part in *n) ;; *) check_equal "a record cut within its quote ($part) is not recorded" 1 "$code" ;; esac
    printf "$whole" > cut.csv
    "$STEPLOG" import -q cut.csv
    check_equal "and the whole file finds its steps" '1 loss@100=2 loss@200=3 loss@300=4' \
        "$("$STEPLOG" ls --tsv --no-header | wc -l) $(points | flat)"
done
import_text 'step,loss,note\n100,2,x\n200,3,"multi\n5,' cut.csv
check_match "what is left out is said" '1 lines could not be read .a quote that is not closed before the file ends.*line 3' "$err"
printf 'step,loss,note\n100,2,x\n200,3,"multi\n5,6,7"\n' > cut.csv
"$STEPLOG" import -q cut.csv
check_equal "and comes when the file is whole" 'loss@100=2 loss@200=3' "$(points | flat)"
printf 'step,loss,note\n%s' "$(seq 1 500 | sed 's/.*/&,1,x/; 11s/x/"x/')" > stray.csv
fresh
"$STEPLOG" import -q stray.csv 2> /dev/null
check_equal "a stray quote in a file without a last line end costs no line" 500 "$(points | wc -l)"
{
    printf 'step,loss,note\n'
    seq 100 19999 | sed 's/.*/&,1,shortxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/' | head -c 1048000
    printf '\n20000,2,"'
    seq 100000 100300 | sed 's/^/line /;s/$/,x/'
    printf '"\n20001,3,x\n'
} > quoted.csv
fresh
"$STEPLOG" import -q quoted.csv
check_match "a field of many lines across the end of the head costs no steps" 'loss@20000=2 loss@20001=3$' "$(points | tail -3 | flat)"

# Where no number is in the first MiB, more is looked at.
awk 'BEGIN { long = sprintf("%06000d", 0); gsub("0", "x", long)
    printf "foo,step"; for (i = 0; i < 200; i++) printf ",m%d_%s", i, long; print ""
    for (r = 5; r < 8; r++) { printf "%d,%d", r * 2, r * 100; for (i = 0; i < 200; i++) printf ","; print "" } }' > wide-header.csv
{
    printf '{"config":"%s"}\n' "$(head -c 1200000 /dev/zero | tr '\0' x)"
    printf '{"step":%d,"tok":%d,"loss":%d}\n' 500 5 5 600 6 6 700 7 7
} > late-number.jsonl
fresh
"$STEPLOG" import -q wide-header.csv
check_equal "steps are found behind a header of more than a MiB" 'foo@500=10 foo@600=12 foo@700=14' "$(points | flat)"
fresh
check_exit "--step-col is looked for there too" 3 "$STEPLOG" import --step-col nowhere wide-header.csv
"$STEPLOG" import -q --step-col foo wide-header.csv
check_equal "and is taken" 'step@10=500 step@12=600 step@14=700' "$(points | flat)"
fresh
"$STEPLOG" import -q late-number.jsonl
check_equal "so are steps that come after more than a MiB without a number" \
    'loss@500=5 tok@500=5 loss@600=6 tok@600=6 loss@700=7 tok@700=7' "$(points | flat)"
fresh
"$STEPLOG" import -q --step-col tok late-number.jsonl
check_match "and --step-col" 'loss@5=5.*loss@6=6.*loss@7=7' "$(points | flat)"

# ---- JSON lines ----
import_text '{"step":1,"info":{"lr":1e-3,"ok":true},"x":null,"l":[1]}\n{"step":2,"info":{"lr":"NaN"}}\n' a.jsonl
check_equal "JSON lines: nested names are joined, null is missing" \
    'info.lr@1=0.001 info.ok@1=1 info.lr@2=nan' "$(points | flat)"
import_text '{"step":9007199254740993,"a":1}\nnot json\n{"step":9007199254740994,"a":NaN}\n' a.jsonl
check_equal "steps beyond 2^53 are exact, broken lines passed over" \
    'a@9007199254740993=1 a@9007199254740994=nan' "$(points | flat)"
check_match "and counted" '1 lines could not be read.*line 2' "$err"

# ---- text ----
import_text 'hello\nstep:0/1480 val_loss:10.8 train_time:28926ms step_avg:nanms\nstep:1/1480 train_time:29246ms\npeak memory: 34239 MiB\n' a.txt
check_equal "key:value lines with N/M, units and nanms" \
    'step_avg@0=nan train_time@0=28926 val_loss@0=10.8 train_time@1=29246 peak_memory@1=34239' \
    "$( (points | grep @0 | sort; points | grep -v @0) | flat)"
import_text 's:0 tel:11.0\ns:0 trl:11.1 lr:0.000001 norm:14.9\ns:1 trl:10.9 lr:0.000002 norm:15\n' main.log
check_match "llm.c: validation and training lines share a step" 'tel@0=11.*trl@0=11.1.*trl@1=10.9' "$(points | flat)"
import_text 'step 0: train loss 4.28, val loss 4.27\niter 0: loss 4.26, time 31234.5ms, mfu -100.00%%\niter 1: loss 4.1, time 40ms\n' a.log
check_equal "iter N: loss X, time Yms" \
    'loss@0=4.26 loss@1=4.1 mfu@0=-100 time@0=31234.5 time@1=40 train_loss@0=4.28 val_loss@0=4.27' "$(points | sort | flat)"
import_text '[2023-04-20 02:01:12,345] [INFO] [a.py:77:log] [Rank 0] step=10, skipped=2, lr=[1e-3, 2e-3], mom=[(0.9, 0.95)]\n' a.log
check_equal "key=value with lists and a date" 'skipped@10/1681956072345000000=2' "$(points | flat)"
import_text ':::MLLOG {"time_ms": 1683423394976, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.5, "metadata": {"lineno": 3, "step": 7}}\nxx\n{"loss": 2}\n' a.log
check_equal "JSON in free text" 'eval_accuracy@7/1683423394976000000=0.5 loss@7=2' "$(points | flat)"
import_text "{'loss': 2.4, 'learning_rate': 5e-05, 'epoch': 0.1}\n{'loss': 2.3, 'learning_rate': 4e-05, 'epoch': 0.2}\n" a.log
check_match "a printed Python dict" 'loss@0=2.4.*loss@1=2.3' "$(points | flat)"
import_text 'step=1 loss=0,693 acc=1\nstep=2 loss: 0,5 acc: 2\nstep 3: loss 1,25, acc 3\n' a.log
check_equal "a number with a decimal comma is no number" 'acc@1=1 acc@2=2 acc@3=3' "$(points | flat)"
check_match "which is counted and said" 'left out 3 cells of text.*loss' "$err"
import_text 'step=1 loss=nan:7ff8000000000001 acc: nan:7ff8000000000002\ntrainer.py:77: x:1\n' a.log
check_equal "NaN with their bits, as export and tail write them" \
    'acc@1=nan:7ff8000000000002 loss@1=nan:7ff8000000000001 x@1=1' "$(points | sort | flat)"
import_text 'model=gpt2 step=1 loss=2\nmodel=gpt2 step=2 loss=1\n' a.log
check_equal "text that never changes is a param" gpt2 "$(param model)"
import_text 'nothing here\nat all\n' a.log
check_equal "a file without a number is nothing: exit code 1" 1 "$code"
import_text '' empty.csv
check_equal "so is an empty one" 1 "$code"

# ---- again, longer, interrupted ----
import_text 'step,loss\n1,0.5\n2,0.25\n' a.csv
check_match "importing a file again adds nothing" 'nothing new, 2 rows' "$("$STEPLOG" import a.csv 2> /dev/null)"
check_equal "and changes nothing" 'loss@1=0.5 loss@2=0.25' "$(points | flat)"
mkdir -p copy && printf 'step,loss\n1,0.5\n2,0.25\n3,0.125\n' > copy/longer.csv
check_match "a longer copy of another name adds what is new" '1 rows, 1 points.*after 2 rows' "$("$STEPLOG" import copy/longer.csv 2> /dev/null)"
check_equal "to the same run" 'loss@1=0.5 loss@2=0.25 loss@3=0.125' "$(points | flat)"
check_match "the shorter one then adds nothing" 'nothing new, 2 rows' "$("$STEPLOG" import a.csv 2> /dev/null)"
printf 'step,loss\n1,0.5\n2,0.75\n' > other.csv
"$STEPLOG" import -q other.csv
check_equal "a file that only begins alike is another run" 2 "$("$STEPLOG" export | cut -d, -f1 | sed 1d | sort -u | wc -l)"
"$STEPLOG" import -q other.csv a.csv
check_equal "and is found again" 5 "$(points | wc -l)"

import_text 'step,loss\n1,0.5\n2,0.2' a.csv
check_equal "a last line without an end is recorded" 'loss@1=0.5 loss@2=0.2' "$(points | flat)"
printf 'step,loss\n1,0.5\n2,0.25\n3,0.125\n' > a.csv
"$STEPLOG" import -q a.csv
check_equal "when it was half a line, the rest goes to the same run" 'loss@1=0.5 loss@2=0.2 loss@2=0.25 loss@3=0.125' "$(points | flat)"
check_match "and is known from then on" 'nothing new' "$("$STEPLOG" import a.csv 2> /dev/null)"

fresh
printf 'step,loss\n1,0.5\n2,0.25\n' > a.csv
printf 'step,loss\n1,0.5\n2,0.75\n' > b.csv
"$STEPLOG" import -q --run both a.csv b.csv
check_equal "--run puts files into one run" 1 "$("$STEPLOG" export | cut -d, -f1 | sed 1d | sort -u | wc -l)"
"$STEPLOG" import -q --run both a.csv b.csv
check_equal "and again adds nothing" 4 "$(points | wc -l)"
printf 'step,loss\n1,0.5\n2,0.9\n' > a.csv
check_exit "a file that was changed is refused there" 4 "$STEPLOG" import --run both a.csv
check_equal "and nothing of it recorded" 4 "$(points | wc -l)"
fresh
"$STEPLOG" import -q --run-key K --param seed=17 --project p b.csv
check_equal "--param sets a param" 17 "$(param seed)"
STEPLOG_RUN_KEY=K "$STEPLOG" log -q <<< 'step=5 x=1' > /dev/null 2>&1
check_equal "--run-key is the run of that key" 1 "$("$STEPLOG" export | cut -d, -f1 | sed 1d | sort -u | wc -l)"

awk 'BEGIN { print "step,loss"; for (i = 0; i < 300000; i++) printf "%d,%.6f\n", i, 1 / (i + 1) }' > long.csv
fresh
"$STEPLOG" import -q long.csv &
child=$!
sleep 0.15
kill -INT $child 2> /dev/null
wait $child
"$STEPLOG" import -q long.csv
check_equal "after an interrupt importing again completes it, each row once" "$(sed 1d long.csv | awk -F, '{ printf "loss@%s=%s\n", $1, $2 + 0 == $2 ? $2 : $2 }' | wc -l)" "$(points | sort -u | wc -l)"
check_equal "none twice" 300000 "$(points | wc -l)"
fresh
"$STEPLOG" import -q long.csv &
child=$!
sleep 0.1
kill -KILL $child 2> /dev/null
wait $child 2> /dev/null
"$STEPLOG" import -q long.csv
check_equal "the same after a kill" 300000 "$(points | wc -l)"

# ---- what is hidden is not imported anew ----
awk 'BEGIN { print "step,a,b"; for (i = 0; i < 5000; i++) print i "," i / 7 "," i / 3 }' > hidden.csv
run_count() { "$STEPLOG" ls --tsv --no-header | wc -l; }
for options in "" "--run both"; do
    fresh
    "$STEPLOG" import -q $options hidden.csv
    "$STEPLOG" compact > /dev/null
    segment=$(find "$STEPLOG_DIR/seg" -name '*.seg')
    cp "$segment" sound.seg
    python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(3000)
    byte = file.read(1)
    file.seek(3000)
    file.write(bytes([byte[0] ^ 255]))' "$segment"
    said=$("$STEPLOG" import $options hidden.csv 2>&1)
    check_equal "a file whose rows lie in a damaged block is refused${options:+ with --run}" 4 $?
    check_match "which says that they are damaged" "damaged: '.*\\.seg'.*rows are damaged.*nothing was recorded" "$(flat <<< "$said")"
    check_equal "and makes no second run" 1 "$(run_count)"
    cp sound.seg "$segment"
    check_match "once the block is whole again the file is known" 'nothing new, 5000 rows' "$("$STEPLOG" import $options hidden.csv 2> /dev/null)"
    id=$("$STEPLOG" ls --tsv --no-header | cut -f1)
    for removed in b '--step :2' '--step 4000:'; do
        "$STEPLOG" rm "$id" $removed > /dev/null 2>&1
        before=$(points | md5sum)
        said=$("$STEPLOG" import $options hidden.csv 2>&1)
        check_equal "so is one of which '$removed' was removed" 4 $?
        check_match "which says so" 'rows were removed.*nothing was recorded' "$said"
        check_equal "and changes nothing" "1 $before" "$(run_count) $(points | md5sum)"
        "$STEPLOG" rm --undo "$id" > /dev/null
        check_match "a removal taken back hides nothing" 'nothing new, 5000 rows' "$("$STEPLOG" import $options hidden.csv 2> /dev/null)"
    done
    "$STEPLOG" rm "$id" b > /dev/null 2>&1
    check "a run of its own takes the file" "$STEPLOG" import -q --run anew hidden.csv
    sed '3s/$/5/' hidden.csv > other.csv
    check_exit "a file that only begins alike may be the one that was removed" 4 "$STEPLOG" import $options other.csv
done

# ---- rows of many shapes ----
schemas() { # of the store, once compacted
    "$STEPLOG" compact > /dev/null
    (cd "$STEPLOG_DIR" && find seg -name '*.seg') | while read -r segment; do
        "$STEPLOG" dump "$segment"
    done | grep -c 'kind name = SCHEMA$'
}
# Rows as JSON lines on stdin: the points they hold, as points() prints them, sorted.
json_points() {
    python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    for name in row:
        if name != "step": print("%s@%d=%s" % (name, row["step"], row[name]))' | sort
}
is_all_there() { cmp <(json_points < "$1") <(points | sort); } # every point of the file, once

# Row i has the columns c0 ... ci.
awk 'BEGIN { for (i = 0; i < 120; i++) { printf "{\"step\":%d", i; for (k = 0; k <= i; k++) printf ",\"c%d\":%d", k, i * k; print "}" } }' > growing.jsonl
fresh
head -70 growing.jsonl > part.jsonl
"$STEPLOG" import -q part.jsonl
check_equal "columns that appear one after another share one schema" 1 "$(schemas)"
check "with every value" is_all_there part.jsonl
check_match "importing them again adds nothing" 'nothing new, 70 rows' "$("$STEPLOG" import part.jsonl 2> /dev/null)"
check_match "a longer copy adds the rest" '50 rows, 4775 points.*after 70 rows' "$("$STEPLOG" import growing.jsonl 2> /dev/null)"
check "and no more" is_all_there growing.jsonl
check_equal "with one schema more" 2 "$(schemas)"

# A row of each tenth step has another shape, so does each twentieth; 30 others have one of their own.
awk 'BEGIN { for (i = 0; i < 600; i++) { printf "{\"step\":%d", i
    if (i % 20 == 0) printf ",\"rare%d\":%d", i, i; else if (i % 10 == 0) printf ",\"val\":%d", i; else printf ",\"a\":%d,\"b\":%d", i, -i
    print "}" } }' > shapes.jsonl
fresh
"$STEPLOG" import -q shapes.jsonl
check_equal "shapes of many rows have schemas of their own, all others share one" 3 "$(schemas)"
check "with every value" is_all_there shapes.jsonl
check_match "in the order of the file" 'nothing new, 600 rows' "$("$STEPLOG" import shapes.jsonl 2> /dev/null)"

# New columns come again and again after rows were appended.
awk 'BEGIN { for (i = 0; i < 10000; i++) { printf "{\"step\":%d,\"a\":%d", i, i; if (i >= 5000 && i % 50 == 0) printf ",\"c%d\":%d", i, i; print "}" } }' > late.jsonl
fresh
"$STEPLOG" import -q late.jsonl
check_equal "100 columns that come late give 3 schemas" 3 "$(schemas)"
check "with every value" is_all_there late.jsonl
check_match "in the order of the file" 'nothing new, 10000 rows' "$("$STEPLOG" import late.jsonl 2> /dev/null)"

# More columns than a schema holds (4096).
awk 'BEGIN { for (i = 0; i < 1500; i++) printf "{\"step\":%d,\"a%d\":1,\"b%d\":%d,\"c%d\":3,\"d%d\":4}\n", i, i, i, i, i, i }' > wide.jsonl
fresh
"$STEPLOG" import -q wide.jsonl
check_equal "6000 columns in rows of 4 take two schemas" 2 "$(schemas)"
check "with every value" is_all_there wide.jsonl
check_match "in the order of the file" 'nothing new, 1500 rows' "$("$STEPLOG" import wide.jsonl 2> /dev/null)"

# A row that no schema can hold ends the import; what came before it is kept.
giant=$(awk 'BEGIN { printf "{\"step\":1000000"; for (k = 0; k < 4097; k++) printf ",\"g%d\":%d", k, k; print "}" }')
for rows in 50 5000; do # while rows are held back, and after
    { head -$rows late.jsonl; echo "$giant"; tail -100 late.jsonl; } > giant.jsonl
    fresh
    "$STEPLOG" import giant.jsonl 2> err
    check_equal "a row of 4097 numbers after $rows rows cannot be imported" 4 $?
    check_match "the rows before it are recorded, which is said" "4097 metrics.*note: $rows rows before that" "$(flat < err)"
    check_equal "and true" "$rows" "$(points | wc -l)"
    check_exit "again it fails there" 4 "$STEPLOG" import giant.jsonl
    check_equal "and adds no row" "$rows" "$(points | wc -l)"
done
"$STEPLOG" import -q late.jsonl
check "a file that begins alike goes on there" is_all_there late.jsonl

# ---- what cannot be ----
check_exit "a missing file is not found" 3 "$STEPLOG" import nowhere.csv
check_exit "a directory cannot be read" 4 "$STEPLOG" import .
check_exit "no file is a mistake" 2 "$STEPLOG" import
check_exit "so is an unknown format" 2 "$STEPLOG" import --format xml a.csv
fresh
printf 'step,loss\n1,0.5\n' | "$STEPLOG" import -q - 2> err
check_equal "a pipe can be imported" 'loss@1=0.5' "$(points | flat)"
mkfifo held
for signal in INT TERM; do
    fresh
    # A shell's background jobs have SIGINT ignored: Python gives it its usual effect again. What does not end is ended.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.alarm(60)
os.execv(sys.argv[1], sys.argv[1:])' "$STEPLOG" import -q - < held 2> err &
    child=$!
    exec 9> held
    printf 'step,loss\n1,0.5\n' >&9
    for _ in $(seq 200); do
        [ -e "$STEPLOG_DIR/STEPLOG" ] && break
        sleep 0.05
    done
    sleep 0.3
    kill -$signal $child
    wait $child
    check_equal "SIG$signal ends an import that waits for a pipe" 4 $?
    exec 9>&-
    check_match "which says so" 'stopped while reading' "$(cat err)"
    check_equal "and records nothing" 0 "$(points 2> /dev/null | wc -l)"
done
printf '{"log_history": [{"step": 1, "loss": 2' > trainer_state.json
check_exit "a truncated trainer_state.json cannot be read" 4 "$STEPLOG" import trainer_state.json
check "help has examples" "$STEPLOG" import --help

# ---- real logs ----
check "real logs agree with what others read in them" python3 "$ROOT/tests/cli/import_facts.py" "$STEPLOG" "$ROOT/tests/data"

# ---- a long stretch without a number ----
fresh
printf 'step: 1 loss: 2\nstep: 2 loss: 3\n' > long.log
truncate -s 64G long.log # no disk is used for that
printf 'step,loss\n1,0.5\n' > after.csv
timeout -s KILL 30 "$STEPLOG" import long.log after.csv > /dev/null 2> err &
child=$!
for _ in $(seq 200); do
    [ -e "$STEPLOG_DIR/STEPLOG" ] && break
    sleep 0.05
done
sleep 0.3
kill -TERM "$(pgrep -P $child)" 2> /dev/null
wait $child
check_equal "a signal ends an import there too" 4 $?
check_match "which says what is left" "stopped before 'after.csv'" "$(cat err)"
check_equal "and keeps what was recorded" 'loss@1=2 loss@2=3' "$(points | flat)"
rm -f long.log

# ---- standard input that somebody has read from ----
fresh
printf 'words for somebody else\nstep,loss\n1,0.5\n' > part.csv
{ read -r _; "$STEPLOG" import -q --format csv -; } < part.csv 2> err
check_equal "standard input is taken from where it stands" 'loss@1=0.5' "$(points | flat)"
