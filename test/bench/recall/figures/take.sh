#!/usr/bin/env bash
# Takes the recall figures of the test repositories, adds them to FILE as they come, and makes tables and picture of them. Broken off,
# it goes on where it was. Needs no network where the cache folder (LONGREAD_CACHE, or ~/.cache/longread) holds `corpora/`, fetched by
# `node out/test/bench/corpus/fetch.js` (8 MB packed by `tar -cJ corpora`), and `models/`.
#
#   test/bench/recall/figures/take.sh FILE [NAME,…]      rankers; default: attention,lexical,signals,rerank
set -euo pipefail
cd "$(dirname "$0")/../../../.."
file=${1:?FILE, to which figures are added}
rankers=${2:-attention,lexical,signals,rerank}
bench() { node out/test/bench/bench.js recall "$@" --rankers "$rankers" --out "$file" --format json > /dev/null; }
bench test
bench test --questions test/bench/recall/words-not-shared.jsonl
bench test --together --limit 25
# Other rankers were measured elsewhere; their lines are joined when they were asked the same.
node out/test/bench/bench.js recall --figures test/bench/recall/figures/other-rankers.jsonl "$file" --format markdown --svg media/recall.svg
