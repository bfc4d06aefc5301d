#!/usr/bin/env bash
# Makes the golden stores of one format version anew, with the tool alone. A golden store is never made again once it
# is committed: it stays as the bytes that this version wrote. So this refuses to touch a store that is there.
#
#   tests/golden/make.sh [NAME...]     makes the named stores, or those that are missing
#
# Beside each store NAME/ stands NAME.csv.gz, what `steplog export` said of it then. A log of a killed writer is kept
# as *.log.gz (it is mostly zeros); whoever reads the store unpacks it first. A store holds the name of the host: ours
# were made under a neutral one, with `unshare --uts`.
set -euo pipefail
cd "$(dirname "$0")"
steplog=${STEPLOG:-../../build/steplog}
digits=${DIGITS:-../../build/examples/digits}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset STEPLOG_RUN_KEY STEPLOG_DIR

quit() { printf 'make.sh: %s\n' "$*" >&2; exit 1; }
expect() { "$steplog" -C "$store" "$@" > "$work/out" 2>&1 || quit "steplog $* ended with exit code $?"; }

# Feeds the lines of a file to a `steplog log` and kills it once all of them are recorded. It waits before the last two
# lines, so that the log has a mark.
log_and_kill() { # file, options of log
    local file=$1 points=$2 pid
    shift 2
    mkfifo "$work/pipe"
    "$steplog" -C "$store" log -q "$@" < "$work/pipe" &
    pid=$!
    exec 9> "$work/pipe"
    head -n -2 "$file" >&9
    sleep 2.5
    tail -n 2 "$file" >&9
    for ((i = 0; i < 200; i++)); do
        [ "$("$steplog" -C "$store" export 2> "$work/errors" | wc -l)" -gt "$points" ] && break
        sleep 0.1
    done
    kill -KILL "$pid"
    wait "$pid" 2> "$work/errors" || true
    exec 9>&-
    rm "$work/pipe"
    [ "$i" -lt 200 ] || quit "the killed log never showed $points points"
}

# Every codec and every special value: no row is like another.
make_values() {
    cat > "$work/special.csv" <<'END'
step,nan,zero,infinite,tiny,whole
1,nan:7ff0000000000001,-0,inf,5e-324,9007199254740993
2,nan:fff8000000000123,0,-inf,-5e-324,-9223372036854775808
3,nan,-0.0,inf,2.2250738585072014e-308,18446744073709551615
4,-nan,0,1.7976931348623157e308,1e-320,0.1
9223372036854775807,nan:7fffffffffffffff,-0,-1.7976931348623157e308,0,1e22
-9223372036854775807,1,-0,0,-1e-320,1e23
END
    awk 'BEGIN {
        srand(7); loss = 8
        print "step,loss,lr,ratio,constant,zero,count,counter,noise,wild,rare,half,single"
        for (i = 0; i < 1100; i++) {
            loss = loss * 0.9993 + 0.01 * rand()
            line = sprintf("%d,%.4f,%.9g,%.17g", i * 10, loss, 0.0003 * (i < 100 ? i / 100 : 1), 1 / (i + 1))
            line = line sprintf(",0.25,0,%d,%d,%.17g", int(rand() * 5), i * 512, rand() - 0.5)
            line = line sprintf(",%s", i % 97 == 3 ? "nan" : i % 97 == 4 ? "inf" : sprintf("%.2f", rand()))
            line = line sprintf(",%s,%s,%s", i % 500 == 0 ? i / 8 : "", i % 2 ? rand() : "", i == 900 ? "0.1" : "")
            print line
        }
    }' > "$work/long.csv"
    expect import --run special "$work/special.csv"
    expect import --run long "$work/long.csv"
}

# Names and labels of all kinds, ranks, times, parts of a row, points at a step that was there before.
make_names() {
    {
        printf '%s' '{"step": 1, "loss": 0.5, "Verlust/Größe": 1, "損失": 2, "a,b \"c\"": 3, '
        printf '%s\n' '"emoji \ud83d\ude00": 4}'
        printf '%s\n' '{"step": 2, "loss": 0.25, "timestamp": 1700000000.125}' '{"step": 2, "loss": 0.125}'
        printf '%s\n' '{"step": 1, "loss": 0.75, "nested": {"deep": {"er": 5}}}' '{"step": -3, "only": -1.5}'
    } > "$work/names.jsonl"
    for rank in 0 1; do
        "$steplog" -C "$store" log -q --name 'Übung "eins", x' --project 'pröjekt' --run-key names --rank "$rank" \
            --label 'split=va,l=\x' --label 'größe=µ' --param lr=3e-4 --param 'long=a = b' --tag 'paper=fig 2' \
            < "$work/names.jsonl" 2> "$work/errors"
    done
    seq 1 40 | awk '{ print "step=" int($1 / 4) " single=" $1 / 7 }' \
        | "$steplog" -C "$store" log -q --name single 2> "$work/errors"
}

# Attempts: resumed ranks, rewinds, one taken back, forks of forks, settings.
make_attempts() {
    lines() { seq "$1" "$2" | awk -v a="$3" '{ print "step=" $1 " loss=" a + 1 / $1 " acc=" $1 / 100 }'; }
    for rank in 0 1; do
        lines 1 60 0 | "$steplog" -C "$store" log -q --name job --run-key job --rank "$rank"
    done 2> "$work/errors"
    for rank in 0 1; do
        lines 41 80 10 | "$steplog" -C "$store" log -q --run-key job --rank "$rank" --attempt 2 --resume $((41 - rank))
    done 2> "$work/errors"
    expect rewind job 70
    lines 70 75 20 | "$steplog" -C "$store" log -q --run-key job --attempt 3 2> "$work/errors"
    expect fork job 50 --name child --run-key child
    lines 50 55 30 | "$steplog" -C "$store" log -q --run-key child 2> "$work/errors"
    expect fork child 53 --name grandchild --run-key grandchild
    lines 53 54 40 | "$steplog" -C "$store" log -q --run-key grandchild 2> "$work/errors"
    expect rewind job 20
    expect rewind --undo job
    expect set job param.lr=0.1 tag.paper=fig2 note='ünï
zwei Zeilen' name=renamed
    expect set renamed param.lr=0.2
    expect set renamed --unset tag.paper
}

# What rm leaves, before and after compaction; a removal taken back.
make_removed() {
    awk 'BEGIN {
        print "step,loss,debug/a,debug/b"
        for (i = 0; i < 1500; i++) print i "," 1 / (i + 1) "," i % 7 "," i
    }' > "$work/removed.csv"
    expect import --run kept "$work/removed.csv"
    head -n 30 "$work/removed.csv" > "$work/gone.csv"
    expect import --run gone --name gone "$work/gone.csv"
    sed 's/$/1/' "$work/gone.csv" > "$work/back.csv"
    expect import --run back "$work/back.csv"
    expect rm gone
    expect rm kept 'debug/b'
    expect rm kept loss --step 100:200
    expect rm kept --step 1400:
    expect rm back --step 5:9
    expect rm back --undo
    expect compact --now
    expect rm kept loss --step 300:310
}

# Two stores made one, then compacted: the same records in several files on the way.
make_merged() {
    local whole=$store part
    for part in one two; do
        store=$work/$part
        for attempt in 1 2 3; do
            seq 1 400 | awk -v a="$attempt" '{ print "step=" $1 " loss=" a / $1 (($1 % 9) ? "" : " val=0." $1) }' \
                | "$steplog" -C "$store" log -q --name "$part" --run-key "$part" --attempt "$attempt" 2> "$work/errors"
        done
    done
    store=$whole
    seq 1 10 | awk '{ print "step=" $1 " loss=" $1 }' \
        | "$steplog" -C "$store" log -q --name three --run-key three 2> "$work/errors"
    expect merge "$work/one" "$work/two"
    expect compact
    seq 401 420 | awk '{ print "step=" $1 " loss=" $1 }' \
        | "$steplog" -C "$work/one" log -q --run-key one --attempt 4 2> "$work/errors"
    expect merge "$work/one"
    # The small segments of one come back beside the compacted one: each record is there twice.
    cp "$work"/one/seg/0/*.seg "$store/seg/0/"
}

# A writer that was killed: its log is left, with rows, points, points at the same step, and a late name.
make_killed() {
    {
        seq 1 30 | awk '{ print "step=" $1 " loss=" 1 / $1 " acc=" $1 / 100 }'
        seq 1 12 | awk '{ print "step=" 30 + int($1 / 5) " grad=" $1 / 8 }'
        printf '%s\n' '{"step": 40, "loss": NaN, "spät": -0.0}' 'step=41 acc=inf'
    } > "$work/killed.txt"
    seq 1 20 | awk '{ print "step=" $1 " loss=" $1 }' \
        | "$steplog" -C "$store" log -q --run-key killed --rank 1 --label 'split=train' 2> "$work/errors"
    log_and_kill "$work/killed.txt" 95 --name killed --run-key killed --label 'split=train' --param seed=7
}

# Blobs: the training example logs a picture of what it has learnt.
make_blobs() {
    "$digits" --store "$store" --job "$work/job" --data ../../examples/data/digits.csv --ranks 1 --epochs 1 \
        > "$work/errors" 2>&1 || quit "digits ended with exit code $?"
}

# A group with statistics: values that were removed, of a whole chunk too, no numbers, infinite, equal; steps that go back;
# and one so far from the others that nothing is known of its chunk.
make_statistics() {
    awk 'BEGIN {
        srand(11)
        print "step,loss,most,odd"
        for (i = 0; i < 4700; i++) {
            step = i * 3 - (i >= 1500 && i < 1600 ? 600 : 0) + (i == 3500 ? 5000000000 : 0)
            odd = i < 2048 ? "nan" : i % 500 == 0 ? "inf" : i % 300 == 0 ? "-inf" : i % 4 == 0 ? "-0" : 0
            printf "%.0f,%.4f,%d,%s\n", step, i == 3500 ? 99 : 2 + rand(), i / 16, odd
        }
    }' > "$work/statistics.csv"
    expect import --run statistics "$work/statistics.csv"
    expect rm statistics most --step 2700:6300
    expect rm statistics most --step 9000:9900
    expect compact --now
}

# Nothing but the file STEPLOG and a run without points.
make_empty() {
    "$steplog" -C "$store" log -q --name empty < /dev/null 2> "$work/errors" || true
}

make_example() { # the store of FORMAT.md, section 17
    {
        printf '%s\n' '{"step": 10, "loss": 0.5, "acc": 0.1}' '{"step": 20, "loss": 0.25}'
        printf '%s\n' '{"step": 30, "loss": 0.125, "acc": 0.3}'
    } > "$work/example.jsonl"
    "$steplog" -C "$store" log -q --run-key demo < "$work/example.jsonl" 2> "$work/errors"
    printf 'step=40 loss=0.1\nstep=40 loss=0.2\nstep=50 loss=0.3 acc=0.4\n' > "$work/example.txt"
    log_and_kill "$work/example.txt" 9 --run-key demo --attempt 2
}

for name in "${@:-values names attempts removed merged killed blobs statistics empty example}"; do
    for name in $name; do
        if [ -e "$name" ]; then
            echo "$name is there"
            continue
        fi
        store=$work/$name
        "make_$name"
        store=$work/$name
        "$steplog" -C "$store" export > "$work/$name.csv" || [ "$(wc -l < "$work/$name.csv")" -le 1 ] \
            || quit "export of $name ended with exit code $?"
        rm -rf "$store"/lock*
        find "$store" -name '*.log' -exec gzip -9 -n {} +
        cp -r "$store" .
        gzip -9 -n -c "$work/$name.csv" > "$name.csv.gz"
        echo "$name: $(wc -l < "$work/$name.csv") lines, $(du -sb "$name" | cut -f1) bytes"
    done
done
