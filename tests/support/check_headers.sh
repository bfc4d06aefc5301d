#!/usr/bin/env bash
# Each public header compiles alone, as C and as C++, with every compiler there is; each internal one
# alone as C; and the example in steplog.h compiles as it stands.
cd "$(dirname "$0")/../.." || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
status=0

compiles() { # claim, compiler and arguments
    local claim=$1
    shift
    if "$@" -fsyntax-only > "$scratch/out" 2>&1; then
        echo "ok - $claim"
    else
        echo "not ok - $claim"
        head -n 20 "$scratch/out" | sed 's/^/    /'
        status=1
    fi
}

c_flags=(-std=c11 -pedantic -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wundef -Werror -Iinclude -x c)
cxx_flags=(-std=c++11 -pedantic -Wall -Wextra -Wundef -Werror -Iinclude -x c++)
for header in include/steplog.h include/steplog/*.h; do
    echo "#include \"${header#include/}\"" > "$scratch/alone.c"
    for compiler in gcc clang; do
        command -v $compiler > /dev/null || continue
        compiles "${header#include/} compiles alone as C with $compiler" $compiler "${c_flags[@]}" "$scratch/alone.c"
    done
    for compiler in g++ clang++; do
        command -v $compiler > /dev/null || continue
        compiles "${header#include/} compiles alone as C++ with $compiler" $compiler "${cxx_flags[@]}" "$scratch/alone.c"
    done
done

for header in store/*/*.h; do
    echo "#include \"${header#store/}\"" > "$scratch/alone.c"
    compiles "${header#store/} compiles alone" "${CC:-cc}" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-function -Werror \
        -Iinclude -Istore -x c "$scratch/alone.c"
done

sed -n 's/^ \*     //p; s/^ \*$//p; /^#ifndef/q' include/steplog.h > "$scratch/example.c"
compiles "the example in steplog.h compiles" "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -Iinclude -x c "$scratch/example.c"
exit $status
