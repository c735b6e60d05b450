#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bundle-source.sh CHECKOUT BUNDLE: put the tree of CHECKOUT's HEAD into BUNDLE as one commit without parents.
# A project's history would be most of what has to be copied to the nodes, and none of it is used there.
set -eu
checkout=$1 bundle=$2

commit=$(git -C "$checkout" rev-parse HEAD)
# A repository beside, which borrows the checkout's objects: nothing is written into the checkout.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git init --quiet --bare --initial-branch=change "$scratch"
git -C "$checkout" rev-parse --path-format=absolute --git-path objects > "$scratch/objects/info/alternates"
export GIT_AUTHOR_NAME=hyperv-ci GIT_AUTHOR_EMAIL=hyperv-ci@example.org
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
snapshot=$(git -C "$scratch" commit-tree "$commit^{tree}" -m "Tree of $commit")
git -C "$scratch" update-ref refs/heads/change "$snapshot"
git -C "$scratch" bundle create --quiet "$bundle" HEAD
git -C "$checkout" log -1 --format='%H %s' "$commit"
