#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# replace.sh CHECKOUT FOLDER: put the files of FOLDER in the place of those that CHECKOUT has.
set -eu
git -C "$1" rm --quiet -r --ignore-unmatch .
cp --recursive --no-dereference "$2"/. "$1"
