#!/bin/sh
# From a folder of pictures to an exported model. `make demo` runs this in its environment;
# it starts from nothing each time.
set -eu

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

rm -rf demo
mkdir demo

# 1. Some labelled pictures: handwritten digits, a folder for each.
run lensmith sample digits demo/digits

# 2. Train on them, and measure on pictures that were held out.
run lensmith train demo/digits --out demo/run

# 3. Ask the model about one picture.
picture=$(find demo/digits -name '*.png' | sort | tail -n 1)
run lensmith predict demo/run "$picture" --json

# 4. Take it elsewhere: one ONNX file, with the preprocessing inside.
run lensmith export demo/run -o demo/digits.onnx

cat <<'END'

The run lies in demo/run: its model, recipe, figures and log. Next:

    .venv/bin/lensmith evaluate demo/run            how good it is, with intervals
    .venv/bin/lensmith train demo/digits lr=0.003   the same with another learning rate
    .venv/bin/lensmith train PHOTOS                 your own pictures, a folder for each class
END
