#!/usr/bin/env bash
# Trains the model with the checked-in tokenizer, evaluates it and writes the reference values, all under OUT.
#   bash reproduce.sh OUT [STEPS] [SECONDS]
set -euo pipefail
out=$(realpath -m "$1") steps=${2:-3600} seconds=${3:-inf}
cd "$(dirname "$0")"
mkdir -p "$out/model" "$out/reference"
cp ../model/tokenizer.json ../model/tokenizer_config.json "$out/model/"
python3 train.py --model "$out/model" --steps "$steps" --seconds "$seconds" --log "$out/training_log.json"
python3 ../../../tests/Grid.Models.Tests/Reference/make_reference.py --model "$out/model" --out "$out/reference"
python3 evaluate.py --model "$out/model" --out "$out/evaluation.json" --questions "$out/eval_questions.jsonl" --samples "$out/samples.md" --failures "$out/failures.jsonl"
