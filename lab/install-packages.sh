#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install Debian packages, as root or through sudo, and leave no server running or enabled that was not there before:
#     install-packages.sh PACKAGE…
set -eu

if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "missing Debian packages: $*; you are not root and there is no sudo: have root run apt-get install $*" >&2
        exit 1
    }
    exec sudo sh "$0" "$@"
fi

policy=/usr/sbin/policy-rc.d
made_policy=
enabled() {
    # The links by which systemd starts servers, sockets and timers with the machine.
    find /etc/systemd/system -path '*.wants/*' 2>/dev/null | sort
}
finish() {
    [ -z "$made_policy" ] || rm -f "$policy"
    # What `systemctl disable` does; systemctl itself need not be there.
    enabled | while read -r link; do
        printf '%s\n' "$before" | grep -qxF "$link" || rm -v "$link"
    done
}
before=$(enabled)
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ ! -e "$policy" ]; then
    made_policy=yes
    # invoke-rc.d(8): 101 forbids a package to start its server.
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt="apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0"
$apt update
$apt install --no-install-recommends "$@"
