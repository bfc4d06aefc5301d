#!/usr/bin/env bash
# The C program that README.md shows is compiled and run as it stands there; the one in steplog.h and the
# one in examples/ are the same.
. "$(dirname "$0")/../support/cli.sh"

build=${STEPLOG_BUILD:-$ROOT/build}
example=$ROOT/examples/ten_lines.c
program_of() { sed -n '/^#include <steplog.h>$/,/^}$/p'; }

# The first ```c block of README.md that includes steplog.h.
awk '/^```c$/ { inside = 1; text = ""; next }
     /^```/ { if (inside && text ~ /#include <steplog.h>/) { printf "%s", text; exit } inside = 0; next }
     inside { text = text $0 "\n" }' "$ROOT/README.md" > "$TMP/readme.c"

check "README.md shows a C program that includes steplog.h" test -s "$TMP/readme.c"
check_equal "README.md shows examples/ten_lines.c" "$(program_of < "$example")" "$(program_of < "$TMP/readme.c")"
check_equal "steplog.h shows examples/ten_lines.c" "$(program_of < "$example")" \
    "$(sed -n 's/^ \* \{0,1\}//p' "$ROOT/include/steplog.h" | sed 's/^    //' | program_of)"

compile() {
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$ROOT/include" "$TMP/readme.c" -o "$TMP/readme" \
        "$build/libsteplog.a" -llz4 -lxxhash -lm -pthread
}
check "it compiles without a warning" compile
cd "$TMP" || exit 1
check "it runs" ./readme
check_equal "it has recorded a thousand losses" 1000 "$("$STEPLOG" -C runs query @latest loss --no-header | wc -l)"
check_match "the last is a thousandth" '(0\.001|1e-0?3)' "$("$STEPLOG" -C runs query @latest loss --last 1 --no-header)"
check_match "the run is finished" '\bfinished\b' "$("$STEPLOG" -C runs ls)"
check "its store is sound" "$STEPLOG" -C runs verify
cd "$ROOT" || exit 1
