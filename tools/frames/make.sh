#!/bin/sh
# Makes emulator/media/frames with Debian's encoders. See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
frames=$here/../../emulator/media/frames
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"

# WebRTC's iLBC comes in a static library whose package depends on half a desktop: unpacked, not installed.
apt-get download -q libtgowt-dev
dpkg -x libtgowt-dev_*.deb .
library=$(find usr -name libtg_owt.a)
gcc -O2 -Wall -Wextra -Iusr/include/tg_owt -c "$here/encode.c" -o encode.o
g++ encode.o "$library" -Wl,--gc-sections -lbcg729 -lspandsp -lspeex -lm -lpthread -o encode

mkdir -p "$frames"
for codec in g722 g729 ilbc20 ilbc30 speex; do
    for what in tone silence; do
        ./encode "$codec" "$what" >"$frames/$codec-$what.bin"
    done
done
ls -l "$frames"
