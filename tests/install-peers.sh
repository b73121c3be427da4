#!/bin/sh
# Install Debian packages that are missing, where that needs no password; say which are missing otherwise.
missing=''
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then as_root=''; elif sudo -n true 2>/dev/null; then as_root='sudo -n'; else as_root='no'; fi
if [ "$as_root" = no ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, so the tests that need them are skipped:$missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq >/dev/null || true
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    echo "could not be installed, so the tests that need them are skipped:$missing" >&2
exit 0
