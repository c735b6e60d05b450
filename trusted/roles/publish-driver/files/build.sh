#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh WORK PYTHON DOCUMENT…: make WORK/built of WORK/source.bundle: the wheel, and a page of each document.
set -eu
work=$1
python=$2
shift 2
uv=$(dirname "$python")/uv

cd "$work"
git clone --quiet --config advice.detachedHead=false source.bundle source
mkdir built
cd source
"$python" -c 'import pbr.build, sys; pbr.build.build_wheel(sys.argv[1])' "$work/built"
"$uv" venv --quiet "$work/docs"
# The machine may reach its index through a proxy that only the machine trusts.
"$uv" pip install --quiet --system-certs --python "$work/docs/bin/python" docutils pygments
# To its standard output, for docutils looks for images beside what it writes.
for document; do
    "$work/docs/bin/python" -m docutils --writer=html5 --image-loading=embed "$document" \
        >"$work/built/$(basename "${document%.rst}").html"
done
