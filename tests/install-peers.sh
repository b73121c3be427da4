#!/bin/sh
# shellcheck disable=SC2086 # lists of words
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
patient="-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5"  # somebody else may be installing
for pause in 5 20 0; do
    $as_root apt-get $patient update -qq >/dev/null || true
    $as_root apt-get $patient install -y -qq --no-install-recommends $missing >/dev/null && exit 0
    sleep "$pause"
done
echo "could not be installed, so the tests that need them are skipped:$missing" >&2
exit 0
