#!/bin/sh
# Debian packs ensurepip apart from Python: install it where that needs no password, then make the environment.
python=$1 venv=$2
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$(id -u)" = 0 ]; then as_root=''; elif sudo -n true 2>/dev/null; then as_root='sudo -n'; else
    echo "python$version-venv is needed: sudo apt-get install python$version-venv" >&2
    exit 2
fi
patient="-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5"  # somebody else may be installing
# shellcheck disable=SC2086 # a list of words
$as_root apt-get $patient update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get $patient install -y -qq "python$version-venv" >/dev/null
rm -rf "$venv"
exec "$python" -m venv "$venv"
