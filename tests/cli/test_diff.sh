#!/bin/bash
# steplog diff: the first step and series where two runs differ.
. "$(dirname "$0")/../support/cli.sh"
cd "$TMP" || exit 1
export STEPLOG_DIR=$TMP/store
import() { # name, csv text
    printf "$2" > "$1.csv"
    "$STEPLOG" import --run "$1" "$1.csv" > import.out 2>&1 || fails "import of $1" "$(cat import.out)"
}
import base 'step,loss,acc\n1,2.5,0.1\n2,2.25,0.2\n3,2,0.3\n4,1.75,0.4\n'
import same 'step,loss,acc\n1,2.5,0.1\n2,2.25,0.2\n3,2,0.3\n4,1.75,0.4\n'
import later 'step,loss,acc\n1,2.5,0.1\n2,2.25,0.2\n3,2.0000000000000004,0.3\n4,9,0.4\n'
import short 'step,loss,acc\n1,2.5,0.1\n2,2.25,0.2\n3,2,\n'
import other 'step,loss,lr\n1,2.5,0.1\n2,2.25,0.2\n3,2,0.3\n4,1.75,0.4\n'
import minus 'step,x,y\n1,0,nan\n2,1,inf\n'
import plus 'step,x,y\n1,-0,nan\n2,1,inf\n'
import nan1 'step,x\n1,nan\n'
import nan2 'step,x\n1,nan:7ff8000000000001\n'

check "equal runs are exit code 0" "$STEPLOG" diff base same
check_equal "equal runs are said to be equal" "equal: 2 series, 8 points" "$("$STEPLOG" diff base same)"
check "a run equals itself" "$STEPLOG" diff base base
check_exit "different runs are exit code 1" 1 "$STEPLOG" diff base later
check_equal "the first difference is named, to the last bit" "step 3  loss: 2 against 2.0000000000000004" \
    "$("$STEPLOG" diff base later | head -1)"
check_equal "and counted" "1 of 2 series differ" "$("$STEPLOG" diff base later | tail -1)"
check "series can be chosen" "$STEPLOG" diff base later acc
check "steps can be chosen" "$STEPLOG" diff base later --step 1:3
check_equal "--tolerance passes over small differences" "step 4  loss: 1.75 against 9" \
    "$("$STEPLOG" diff base later --tolerance 1e-9 | head -1)"
check_equal "missing points are differences" "step 3  acc: 0.3 against nothing" "$("$STEPLOG" diff base short | head -1)"
check_match "with --all every series is listed" 'step 4  loss: 1.75 against nothing' "$("$STEPLOG" diff base short --all)"
out=$("$STEPLOG" diff base other --all)
check_match "series that one run lacks are differences" 'step 1  acc: only in the first run' "$out"
check_match "on both sides" 'step 1  lr: only in the second run' "$out"
check_equal "-0 is not 0" "step 1  x: 0 against -0" "$("$STEPLOG" diff minus plus | head -1)"
check "with a tolerance it is, and NaN equals NaN" "$STEPLOG" diff minus plus --tolerance 0
check_equal "NaN payloads are compared" "step 1  x: nan against nan:7ff8000000000001" \
    "$("$STEPLOG" diff nan1 nan2 | head -1)"

"$STEPLOG" -C store2 import --run base base.csv > /dev/null 2>&1
check "--store2 takes the second run from another store" "$STEPLOG" diff --store2 store2 same base

json=$("$STEPLOG" diff base short --json)
check_exit "--json has the exit code too" 1 "$STEPLOG" diff base short --json
check "--json is JSON" python3 -c 'import json, sys; json.loads(sys.argv[1])' "$json"
check_equal "--json names series, step and values" "acc 3 0.3 None" "$(python3 -c 'import json, sys
d = json.loads(sys.argv[1])["differences"][0]
print(d["metric"], d["step"], d["first"], d["second"])' "$json")"

check_exit "an unknown run is exit code 3" 3 "$STEPLOG" diff base nosuch
check_exit "a series of neither run is exit code 3" 3 "$STEPLOG" diff base same nosuch
check_exit "one run is exit code 2" 2 "$STEPLOG" diff base
check_exit "a tolerance below 0 is exit code 2" 2 "$STEPLOG" diff base same --tolerance=-1
check_exit "a store that is not there is exit code 3" 3 "$STEPLOG" -C nowhere diff base same
