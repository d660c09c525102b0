#!/bin/sh
# The main job: a small model alone, then the whole local ladder, on the same tasks; then, is the difference real?
# Two tasks of each kind, and at most two attempts of the largest model: some minutes on two cores.
set -eu
bin=$1
settings="sample.size=8 max_attempts=4"
"$bin/evalkit" run ladder=single $settings name=small-alone
echo
"$bin/evalkit" run ladder=local $settings name=whole-ladder
echo
"$bin/evalkit" compare small-alone whole-ladder
echo
echo "see every prompt, answer and verdict:  $bin/evalkit ui"
