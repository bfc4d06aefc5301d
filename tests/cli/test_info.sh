#!/usr/bin/env bash
# info: a run in full, the store in full.
. "$(dirname "$0")/../support/cli.sh"

export STEPLOG_DIR=$TMP/store
record() { "$STEPLOG" log -q "$@" 2> /dev/null; }
get() { python3 -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1], {"d": d}))' "$1"; }

printf 'step=1 loss=3\nstep=2 loss=2\nstep=3 loss=1\n' | record --run-key k --name base --param lr=0.1 --tag t=v
printf 'step=3 loss=10\nstep=4 loss=9\n' | record --run-key k --attempt 2 --resume 3 --rank 0
"$STEPLOG" set base note=$'two\nlines'

text=$("$STEPLOG" info base)
check_match "the name is shown" '^name +base$' "$text"
check_match "the status is shown" '^status +finished$' "$text"
check_match "the last step is shown" '^last_step +4$' "$text"
check_match "params are shown" '^  lr = 0\.1$' "$text"
check_match "tags are shown" '^  t = v$' "$text"
check_match "a note stays on one line" '^note +two\\nlines$' "$text"
check_match "writers are shown" '^writers$' "$text"

json=$("$STEPLOG" info base --json)
check_equal "--json has a schema number" 1 "$(get 'd["schema"]' <<< "$json")"
check_equal "points of all attempts are counted" 5 "$(get 'd["points"]' <<< "$json")"
check_equal "attempts are counted" '2 2' "$(get '"%d %d" % (d["attempt"], d["attempts"])' <<< "$json")"
check_equal "each writer is listed" 2 "$(get 'len(d["writers"])' <<< "$json")"
check_equal "with how it ended and where it resumed" "ended 0 3" \
    "$(get '"%s %d %d" % (d["writers"][1]["state"], d["writers"][1]["exit"], d["writers"][1]["resumed_at"])' <<< "$json")"
check_equal "the note is exact" $'two\nlines' "$(get 'd["note"]' <<< "$json")"
check_match "--history lists every record" '^set ' "$("$STEPLOG" info base --history | sed -n '/^history/,$p')"
check "--history --json is JSON" python3 -c 'import json, sys; json.loads(sys.argv[1])["history"]' "$("$STEPLOG" info base --history --json)"

store=$("$STEPLOG" info)
check_match "without a run the store is described" '^runs +1$' "$store"
check_match "with how logs are written" '^log_mode +(mapped|pwrite)$' "$store"
check_equal "--json of the store" '1 1 5' "$("$STEPLOG" info --json | get '"%d %d %d" % (d["schema"], d["runs"], d["points"])')"
check_exit "an unknown run is exit code 3" 3 "$STEPLOG" info nosuch
check_exit "two runs are a usage error" 2 "$STEPLOG" info base base
check "-o writes a file" "$STEPLOG" info base --json -o "$TMP/info.json"
check "that is complete" python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$TMP/info.json"
