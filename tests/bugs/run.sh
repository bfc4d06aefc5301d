#!/usr/bin/env bash
# The bug bank: each tests/bugs/NN-name.patch plants one bug in store/; the tests have to find it.
#
# run.sh [--build DIR] [--all] [--trust] [--list] [NAME...]. NAME: only the bugs whose file names contain it. Works in a copy of
# the tree below DIR/bug-bank, where only what a patch changes is built again. A patch begins with two lines:
#   # P2: what is wrong              the promise that it breaks
#   # detectors: crash write         the tests to run, the most likely first
# A bug is done with when two detectors have found it; --all runs every detector for every bug; --trust does
# not look first whether they are silent without one. Exit 1 when a test fails
# without any bug, a patch does not apply or build, a bug is not found, or fewer than 30 are found by two.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD build=build all=0 trust=0 list=0 names=()
limit=400 unit_limit=120 # seconds that a detector may take; one that takes longer hangs, and has found the bug
found_least=40 twice_least=30

detectors=(format write read store core compact os base index scenario
    crash crash-enumerated model fault-calls fault-pairs fault-memory fault-budget fault-syncs
    damage-bits damage-bytes damage-lengths damage-blocks damage-files
    damage-bits-resealed damage-bytes-resealed damage-lengths-resealed damage-blocks-resealed damage-files-resealed
    kill-watched kill-points kill-moments kill-late kill-stopped kill-thought_dead kill-crowd
    forks-at_every_call forks-dead_parent forks-in_loops forks-quiet_parent forks-generations forks-in_callbacks
    forks-signals forks-terminated forks-guest forks-no_allocation
    places-objects places-foreign places-paths places-closed places-descriptors places-limits places-removed
    places-clock places-readonly places-network places-full-tmpfs places-full-ext4 places-failed-sync)

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; printf 'detectors: %s\n' "${detectors[*]}"; }
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=${2:?} && shift ;;
        --all) all=1 ;;
        --trust) trust=1 ;;
        --list) list=1 ;;
        --help) usage && exit 0 ;;
        -*) usage >&2 && exit 2 ;;
        *) names+=("$1") ;;
    esac
    shift
done

# What a detector is: its program below the build directory, then its arguments.
command_of() {
    local area=${1%%-*} only=${1#*-}
    case $1 in
        crash) echo "attack/tests/crash/crash --only sampled" ;;
        model) echo "attack/tests/model/model" ;;
        scenario) echo "debug/tests/scenario/run --jobs 1 --filter f*_*/*" ;; # full disks, failed syncs
        *-*) echo "attack/tests/$area/$area --only $only" ;;
        *) echo "debug/tests/$1/run --jobs 1" ;;
    esac
}

mkdir -p "$build/bug-bank/tree" || exit 1
bank=$(cd "$build/bug-bank" && pwd)
tree=$bank/tree
temporary=$bank/tmp
[ ! -w /dev/shm ] || temporary=/dev/shm/steplog-bug-bank.$$
trap 'rm -rf "$temporary"' EXIT
results=$bank/results.tsv

# The copy: what differs from the tree is replaced, so that make builds no more than that.
copy_tree() {
    local path
    (cd "$root" && find Makefile FORMAT.md include store tools tests -type f ! -path 'tests/data/*' ! -path 'tests/fuzz/corpus/*') |
        sort > "$bank/wanted"
    (cd "$tree" && find . -type f ! -path './build/*' -printf '%P\n') | sort > "$bank/there"
    comm -13 "$bank/wanted" "$bank/there" | while read -r path; do rm -f "$tree/$path"; done
    while read -r path; do
        cmp -s "$root/$path" "$tree/$path" || { mkdir -p "$tree/${path%/*}" && cp "$root/$path" "$tree/$path"; } || return 1
    done < <(grep / "$bank/wanted")
    for path in Makefile FORMAT.md; do cmp -s "$root/$path" "$tree/$path" || cp "$root/$path" "$tree/$path" || return 1; done
}

build_detectors() { # names
    local name command programs=()
    for name in "$@"; do
        command=$(command_of "$name")
        programs+=("build/${command%% *}")
    done
    "${MAKE:-make}" -C "$tree" --no-print-directory B=build WERROR= "${programs[@]}" > "$bank/build.log" 2>&1
}

limit_of() { # name
    case $1 in *-* | crash | model | scenario) echo $limit ;; *) echo $unit_limit ;; esac
}

# What a detector prints as soon as it has found something, and not only at its end.
says='^not ok|^# [a-z]+/[a-z_-]+ seed |^\[FAIL\]'

# 0: the test has something to say. what: "name", or "name (hangs)".
is_found_by() { # name
    local command code pid
    read -ra command <<< "$(command_of "$1")"
    what=$1
    rm -rf "$temporary" && mkdir -p "$temporary"
    (cd "$tree" && TMPDIR=$temporary exec timeout -k 5 "$(limit_of "$1")" "build/${command[0]}" "${command[@]:1}") \
        < /dev/null > "$bank/$1.out" 2>&1 &
    pid=$!
    while sleep 0.2 && kill -0 $pid 2> /dev/null; do
        ! grep -aqE "$says" "$bank/$1.out" || { kill $pid; break; } 2> /dev/null
    done
    wait $pid 2> /dev/null
    code=$?
    if grep -aqE "$says" "$bank/$1.out"; then code=1
    elif [ $code -eq 124 ] || [ $code -eq 137 ]; then what="$1 (hangs)"
    fi
    chmod -R u+rwx "$temporary" 2> /dev/null
    rm -rf "$temporary"
    [ $code -ne 0 ]
}

wanted_patch() {
    local name
    [ ${#names[@]} -gt 0 ] || return 0
    for name in "${names[@]}"; do [[ ${1##*/} != *"$name"* ]] || return 0; done
    return 1
}

patches=()
for patch in tests/bugs/*.patch; do ! wanted_patch "$patch" || patches+=("$patch"); done
[ ${#patches[@]} -gt 0 ] || { echo "no such bug" >&2; exit 2; }
header() { sed -n "$2p" "$1" | sed "s/^# $3//"; }
if [ $list -eq 1 ]; then
    for patch in "${patches[@]}"; do printf '%s\t%s\n' "$(basename "$patch" .patch)" "$(header "$patch" 1 '')"; done
    exit 0
fi

copy_tree || exit 1
for patch in "${patches[@]}"; do
    patch -p1 --fuzz=0 --dry-run -s -d "$tree" < "$patch" > /dev/null || { echo "$patch does not apply"; exit 1; }
done

used=$(for patch in "${patches[@]}"; do header "$patch" 2 'detectors: '; done | tr ' ' '\n' | sort -u)
[ $all -eq 0 ] || used="${detectors[*]}"
# shellcheck disable=SC2086 # a list of words
build_detectors $used || { tail -n 20 "$bank/build.log"; echo "the tree does not build"; exit 1; }
for name in $used; do
    [ $trust -eq 0 ] || break
    if is_found_by "$name"; then
        tail -n 20 "$bank/$name.out"
        echo "$what fails without any bug"
        exit 1
    fi
done
[ $trust -eq 1 ] || echo "without a bug $(wc -w <<< "$used") detectors are silent"

found=0 twice=0 bad=0
: > "$results"
printf '%-34s %-7s %5s  %s\n' bug promise count 'found by'
for patch in "${patches[@]}"; do
    bug=$(basename "$patch" .patch) promise=$(sed -n '1s/^# \(P[0-9]*\):.*/\1/p' "$patch")
    list=$(header "$patch" 2 'detectors: ')
    [ $all -eq 0 ] || list="${detectors[*]}"
    patch -p1 --fuzz=0 -s -d "$tree" < "$patch" || { echo "$bug does not apply"; exit 1; }
    by=() count=0
    for name in $list; do # what an earlier one has found need not be built
        build_detectors "$name" || { by=("does not build") bad=1; break; }
        is_found_by "$name" || continue
        by+=("$what")
        count=$((count + 1))
        [ $all -eq 1 ] || [ $count -lt 2 ] || break
    done
    patch -p1 --fuzz=0 -s -R -d "$tree" < "$patch" || exit 1
    text=$(printf '%s, ' "${by[@]}")
    printf '%-34s %-7s %5d  %s\n' "$bug" "$promise" $count "${text%, }"
    printf '%s\t%s\t%d\t%s\n' "$bug" "$promise" $count "${text%, }" >> "$results"
    [ $count -lt 1 ] || found=$((found + 1))
    [ $count -lt 2 ] || twice=$((twice + 1))
done
echo "${#patches[@]} bugs, $found found, $twice by at least two tests"
printf 'RESULT\tbugs/bank\truns=%d\tstates=%d\tviolations=%d\tseeds=-\n' ${#patches[@]} $twice $((${#patches[@]} - found))
[ $bad -eq 0 ] && [ $found -eq ${#patches[@]} ] || exit 1
[ ${#names[@]} -gt 0 ] || { [ $found -ge $found_least ] && [ $twice -ge $twice_least ]; }
