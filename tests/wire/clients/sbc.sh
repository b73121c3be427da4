#!/bin/sh
# sbc.sh TARGET…: Kamailio as an SBC before proxies such as us-3-1, in that order, and a caller behind it who calls and calls.
# SBC_PROBING=0 and SBC_PING=0 take its health checks away; SBC_CALLS are calls per second, SBC_TALK milliseconds.
set -eu
here=$(dirname "$0")
number=${VSIM_VAR_NUMBER:-447700900200}
mkdir -p sbc
head -c 80000 /dev/zero | tr '\0' '\325' > audio.ul
port=${VSIM_PORT_SBC:-$(python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
priority=${#}
: > sbc/targets
: > sbc/credentials
for name in "$@"; do
  at=$(printenv "VSIM_SIP_$(echo "$name" | tr a-z- A-Z_)")
  echo "1 sip:$at;transport=${SBC_TRANSPORT:-udp} 0 $priority" >> sbc/targets
  echo "modparam(\"uac\", \"credential\", \"$VSIM_KEY:sip-$name.vonage.com:$VSIM_SECRET\")" >> sbc/credentials
  priority=$((priority - 1))
done
sed -e "s|SBC_LISTEN|udp:127.0.0.1:$port|" -e "s|SBC_TARGETS|$PWD/sbc/targets|" -e "s|SBC_PING|${SBC_PING:-1}|" \
  -e "s|SBC_PROBING|${SBC_PROBING:-1}|" -e "/^#SBC_CREDENTIALS/r sbc/credentials" "$here/sbc.cfg" > sbc/kamailio.cfg
kamailio=$(command -v kamailio || echo /usr/sbin/kamailio)
"$kamailio" -f sbc/kamailio.cfg -DD -E -m 64 -M 8 -Y "$PWD/sbc" &
sipp "127.0.0.1:$port" -sf "$here/through_sbc.xml" -t u1 -i 127.0.0.1 -mi 127.0.0.1 -s "$number" -r "${SBC_CALLS:-2}" \
  -d "${SBC_TALK:-400}" -nostdin > sbc/sipp.out 2>&1 &
wait
