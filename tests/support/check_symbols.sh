#!/usr/bin/env bash
# What the built library exports, and what it asks of its host: check_symbols.sh BUILD_DIRECTORY
cd "$(dirname "$0")/../.." || exit 1
build=$1
status=0
claim() { # claim, then what stands against it (nothing: it holds)
    if [ -z "$2" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        printf '%s\n' "$2" | head -n 40 | sed 's/^/    /'
        status=1
    fi
}

shared=$(echo "$build"/libsteplog.so.[0-9]*)
exported=$(nm -D --defined-only "$shared" | awk '{ print $3 }' | sed 's/@.*//' | sort -u)
claim "the shared library exports only steplog_ names" "$(grep -v '^steplog_' <<< "$exported")"

declared=$(cat include/steplog/*.h | tr '\n' ' ' | grep -oE 'STEPLOG_API [^;]*;' | sed 's/(.*//' |
    grep -oE 'steplog_[a-z0-9_]+ *$' | tr -d ' ' | sort -u)
claim "every function that the headers declare is exported" "$(comm -23 <(echo "$declared") <(echo "$exported"))"
claim "every exported function is declared in a header" "$(comm -13 <(echo "$declared") <(echo "$exported"))"

undefined=$(nm "$shared" | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | sort -u)
claim "the shared library lacks nothing of its own" "$(grep -E '^(sl|steplog)_' <<< "$undefined")"
# A guest in somebody's training job: no printing, no ending the process, no changing what belongs to all of it.
claim "the library neither prints, ends its host nor changes its state" "$(grep -xE \
    '(__)?(v?f?printf|puts|putchar|perror|fwrite|fputs|fputc)(_chk)?|_?exit|_Exit|abort|quick_exit|__assert_fail|signal|sigaction|sigprocmask|chdir|fchdir|umask|setlocale|setenv|putenv|unsetenv|atexit|system|strtok|srand|rand' \
    <<< "$undefined")"
exit $status
