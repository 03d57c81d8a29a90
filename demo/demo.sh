#!/usr/bin/env bash
# `make demo`: a trace, a certified answer, what more memory is worth and a comparison on GH200, in under a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
mkdir -p demo-out

say() { printf '\n%s\n' "$*" | fold -s -w 118 | sed 's/ *$//'; }
run() { printf '\n$ placement-opt %s\n' "$*"; placement-opt "$@"; }

say "An LLM decodes with sparse attention: at each step every layer reads 40 % of the KV cache, and which 40 % drifts by 10 % a" \
    "token. First the reads:"
run trace synth drift --layers 4 --prefill 500 --tokens 50 --read-share 0.4 --drift 0.1 --seed 1 -o demo-out/trace.npz
run trace info demo-out/trace.npz

say "The machine is a GH200, but HBM has room for 30 % of the KV only; LPDDR behind the link holds everything. (Small: 4 of 32" \
    "layers, one block for 64 tokens.) How fast could ANY placement policy have been? From both sides, to 0.1 %:"
run bound demo/gh200.toml --gap 0.1% --certificate demo-out/bound.cert --schedule demo-out/plan.cert

say "Nothing of this has to be believed: the prices and the moves are in two files, which a program without a solver proves again" \
    "in exact integers."
run verify demo/gh200.toml demo-out/bound.cert demo-out/plan.cert

say "What would one more GiB of HBM be worth, or one more GB/s of the link? The bound's prices say so, and solving again checks them:"
run bound demo/gh200.toml --method compact --prices

say "And how far from the optimum are real policies? 'unavoidable' is the share of the time above the roofline that no policy can" \
    "win back; the verdict says whose fault the rest is, as far as the bound decides it."
run compare demo/gh200.toml --schedulers static,reactive,lru,belady,sa,lp-rounded --csv demo-out/comparison.csv

say "The table is in demo-out/comparison.csv, the instance in demo/gh200.toml: change a capacity or a rate there and run" \
    "placement-opt compare demo/gh200.toml again (in .venv/bin)."

say "Memory that computes is asked the same: flash of 16 dies, 9 that multiply and 7 that attend (arXiv 2512.03608), and a layout that stays" \
    "as it is drawn. docs/datasheet.md leads from a datasheet to such a line in ten steps:"
run bound demo/flash.toml --method compact | tail -n 1
