#!/bin/sh
# The main job: a small model alone, then the whole local ladder, on the same tasks; then, is the difference real?
# Two tasks of each kind, two attempts of the largest model, answers of at most 256 tokens: some minutes on two cores.
set -eu
bin=$1
tasks="sample.size=8"
"$bin/evalkit" run ladder=single ladder.rungs.qwen05.max_tokens=256 $tasks name=small-alone
echo
"$bin/evalkit" run ladder=local ladder.rungs.smollm.max_tokens=128 ladder.rungs.qwen05.max_tokens=256 \
	ladder.rungs.qwen.max_tokens=256 max_attempts=4 $tasks name=whole-ladder
echo
"$bin/evalkit" compare small-alone whole-ladder
echo
echo "see every prompt, answer and verdict:  $bin/evalkit ui"
