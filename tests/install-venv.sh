#!/bin/sh
# Debian packs ensurepip apart from Python: install it where that needs no password, then make the environment.
python=$1 venv=$2
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$(id -u)" = 0 ]; then as_root=''; elif sudo -n true 2>/dev/null; then as_root='sudo -n'; else
    echo "python$version-venv is needed: sudo apt-get install python$version-venv" >&2
    exit 2
fi
$as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "python$version-venv" >/dev/null
rm -rf "$venv"
exec "$python" -m venv "$venv"
