#!/usr/bin/env bash
# Random histories (log, kill, resume, rewind, rm, undo, fork, compact, merge) against a model of the views.
# SEED=N runs another one; OPERATIONS=N a longer one.
. "$(dirname "$0")/../support/cli.sh"

for seed in ${SEED:-1 7}; do
    check "a random history reads back as the model says (seed $seed)" \
        python3 "$ROOT/tests/scenario/random_history.py" "$STEPLOG" "$TMP/$seed" "$seed" "${OPERATIONS:-40}"
done
