#!/bin/sh
# The main job: a small model alone, then the whole local ladder, on the same ten instances; then, is it real?
set -eu
bin=$1
sample="sample.size=10"
"$bin/evalkit" run ladder=single $sample name=small-alone
"$bin/evalkit" run ladder=local $sample name=whole-ladder
echo
"$bin/evalkit" compare small-alone whole-ladder
echo
echo "see every prompt, answer and verdict:  $bin/evalkit ui"
