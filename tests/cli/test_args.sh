#!/usr/bin/env bash
# The command line itself: verbs, options, help, exit codes, where the store is, how output is written.
. "$(dirname "$0")/../support/cli.sh"

cd "$TMP" || exit 1
printf 'step=1 loss=0.5\nstep=2 loss=0.25\nstep=3 loss=0.125\n' | "$STEPLOG" log -q --name base 2> /dev/null

# ---- verbs and help ----
check_match "--version prints the version" '^steplog [0-9]+\.[0-9]+\.[0-9]+$' "$("$STEPLOG" --version)"
check_equal "behind a verb too" "$("$STEPLOG" --version)" "$("$STEPLOG" ls --version)"
check_match "--help lists the verbs" '^  query ' "$("$STEPLOG" --help)"
check_exit "no verb at all is a usage error" 2 "$STEPLOG"
check_exit "an unknown verb is a usage error" 2 "$STEPLOG" frobnicate
check_match "a near miss of a verb is named" "did you mean 'query'" "$("$STEPLOG" qurey 2>&1)"
check_exit "an unknown global option is a usage error" 2 "$STEPLOG" --frobnicate ls
for verb in ls info query tail log set; do
    help=$("$STEPLOG" "$verb" --help)
    check_match "$verb --help begins with a usage line" "^usage: steplog $verb " "$help"
    check_match "$verb --help has examples" "^examples:" "$help"
    check_equal "help $verb is $verb --help" "$help" "$("$STEPLOG" help "$verb")"
    check_exit "$verb refuses an unknown option" 2 "$STEPLOG" "$verb" --frobnicate
    check_match "$verb shows its usage line then" "^usage: steplog $verb " "$("$STEPLOG" "$verb" --frobnicate 2>&1)"
done
check_match "a near miss of an option is named" "did you mean '--last'" "$("$STEPLOG" query base --lats 1 2>&1)"

# ---- options and values ----
query() { "$STEPLOG" query base loss --no-header "$@" 2>&1; }
check_equal "a value may be joined with '='" $'2\t0.25' "$(query --step=2:3)"
check_equal "a value may be the next argument" $'2\t0.25' "$(query --step 2:3)"
check_equal "a short option takes its value joined" $'2\t0.25' "$(query -s2)"
check_equal "a value may begin with a dash" 3 "$(query --step -5: | wc -l | tr -d ' ')"
check_equal "a value may begin with a dash after '='" 3 "$(query --step=-5: | wc -l | tr -d ' ')"
check_exit "an option without its value is a usage error" 2 "$STEPLOG" query base --step
check_exit "a value for an option that takes none is a usage error" 2 "$STEPLOG" query base --json=yes
check_exit "a range that is no range is a usage error" 2 "$STEPLOG" query base --step 5:x
check_exit "a range that ends before it begins is a usage error" 2 "$STEPLOG" query base --step 5:3
check_match "it says what was expected and found" "wants steps A:B.*not '5:x'" "$("$STEPLOG" query base --step 5:x 2>&1)"
check_equal "options may follow operands, -- ends them" $'1\t0.5' "$("$STEPLOG" query --no-header -n 1 -- base loss)"

# ---- the store ----
check_equal "the store is ./steplog-store" 3 "$(query | wc -l | tr -d ' ')"
mv steplog-store elsewhere
check_equal "-C names the store before the verb" 3 "$("$STEPLOG" -C elsewhere query base --no-header | wc -l | tr -d ' ')"
check_equal "-C names the store after the verb" 3 "$("$STEPLOG" query base --no-header -C elsewhere | wc -l | tr -d ' ')"
check_equal "STEPLOG_DIR names the store" 3 "$(STEPLOG_DIR=elsewhere "$STEPLOG" query base --no-header | wc -l | tr -d ' ')"
check_exit "-C wins over STEPLOG_DIR" 3 env STEPLOG_DIR=elsewhere "$STEPLOG" -C nowhere ls
check_exit "no store is exit code 3" 3 "$STEPLOG" ls
check_equal "reading does not create one" 0 "$([ -e steplog-store ]; echo $((1 - $?)))"
mkdir foreign && echo hello > foreign/file
check_exit "a directory that is not a store is not read" 3 "$STEPLOG" -C foreign ls
check_exit "a directory that is not a store is not written to" 4 "$STEPLOG" -C foreign log
check_equal "and stays as it was" file "$(ls foreign)"
echo hello > plain
"$STEPLOG" -C plain ls > /dev/null 2>&1
check_equal "a file in place of a store is refused" 1 "$(($? >= 3))"
check_exit "an unknown run is exit code 3" 3 "$STEPLOG" -C elsewhere query nosuch
check_exit "an unknown series is exit code 3" 3 "$STEPLOG" -C elsewhere query base nosuch
export STEPLOG_DIR=elsewhere

# ---- output ----
check "-o writes a file" "$STEPLOG" query base loss -o out.tsv
check_equal "with all rows" 4 "$(wc -l < out.tsv | tr -d ' ')"
check_exit "a failed command leaves no file" 3 "$STEPLOG" query base nosuch -o never.tsv
check_equal "not even a part of one" "" "$(find . -name 'never*')"
check_exit "a directory cannot be written over" 4 "$STEPLOG" query base loss -o foreign
check_exit "nor a file in no directory" 4 "$STEPLOG" query base loss -o no/where.tsv
if [ -e /dev/full ]; then
    "$STEPLOG" query base loss > /dev/full 2> err
    check_equal "a full disk under stdout is exit code 4" 4 $?
    check_match "and is said" "No space" "$(cat err)"
fi
seq 1 20000 | sed 's/.*/step=& loss=&/' | "$STEPLOG" log -q --name big 2> /dev/null
check_equal "a reader that goes away is met in silence" "step" "$({ "$STEPLOG" query big | head -1 | cut -f1; } 2>&1)"
check_equal "no colour and no escape in a pipe" 0 "$("$STEPLOG" ls | grep -c $'\033')"
