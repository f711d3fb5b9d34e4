#!/bin/sh
# Layout, lint, floors, types, tests, in that order; the first that fails ends it.
# Arguments go to pytest. Started by `make test`, which has made the environment.
set -eu

check() {
    echo "--- $1"
    shift
    "$@"
}

check "layout (mend with: make format)" "$BIN/ruff" format --check .
check "lint" "$BIN/ruff" check .
check "floors" "$BIN/lint-imports" --no-logo
check "types" "$BIN/mypy"
check "tests" "$BIN/python" -m pytest "$@"
