#!/usr/bin/env bash
# set: facts of a run from outside the job.
. "$(dirname "$0")/../support/cli.sh"

export STEPLOG_DIR=$TMP/store
record() { "$STEPLOG" log -q "$@" 2> /dev/null; }
fact() { "$STEPLOG" info "$1" --json | python3 -c 'import json, sys
d = json.load(sys.stdin)
for key in sys.argv[1].split("."): d = d.get(key, {})
print(d or "none")' "$2"; }

printf 'step=1 x=1\n' | record --name one
printf 'step=1 x=1\n' | record --name two
check "name, project, note, tags and params can be set" "$STEPLOG" set one note='a note: ü' project=p tag.best=yes param.lr=0.1
check_equal "the note is there" 'a note: ü' "$(fact one note)"
check_equal "the project is there" p "$(fact one project)"
check_equal "the tag is there" yes "$(fact one tags.best)"
check_equal "the param is there" 0.1 "$(fact one params.lr)"
check_equal "other runs are as they were" none "$(fact two tags.best)"
check "a value may hold '='" "$STEPLOG" set one tag.best=a=b
check_equal "and the latest counts" a=b "$(fact one tags.best)"
check_match "the older one is history" 'yes' "$("$STEPLOG" info one --history)"
check "--unset takes a fact away" "$STEPLOG" set one --unset tag.best
check_equal "and it is gone" none "$(fact one tags.best)"
check "a run can be renamed" "$STEPLOG" set one name=uno
check "and is found by its new name" "$STEPLOG" info uno
check_exit "not by its old one" 3 "$STEPLOG" info one
check_exit "several runs need --all" 2 "$STEPLOG" set '*' tag.x=1
check "--all sets them all" "$STEPLOG" set '*' --all tag.x=1
check_equal "each of them" "1 1" "$(fact uno tags.x) $(fact two tags.x)"
check_exit "an unknown key is a usage error" 2 "$STEPLOG" set uno frob=1
check_exit "a tag without a name is a usage error" 2 "$STEPLOG" set uno tag.=1
check_exit "an argument without '=' is a usage error" 2 "$STEPLOG" set uno name
check_exit "nothing to set is a usage error" 2 "$STEPLOG" set uno
check_exit "a key twice is a usage error" 2 "$STEPLOG" set uno note=a note=b
check_exit "an unknown run is exit code 3" 3 "$STEPLOG" set nosuch note=a
check_exit "no store is exit code 3" 3 "$STEPLOG" -C "$TMP/nowhere" set uno note=a
check_equal "and none is created" "" "$(ls -d "$TMP/nowhere" 2> /dev/null)"
