#!/bin/sh
# sbc.sh TARGET…: Kamailio as an SBC before proxies such as us-3-1, in that order, and a caller behind it who calls and calls.
# SBC_PROBING=0 and SBC_PING=0 take its health checks away; SBC_CALLS are calls in SBC_EVERY milliseconds (a second), each of SBC_TALK milliseconds.
# SBC_TRANSPORT=tls is TLS to the targets, whose certificates are verified by the CA of vsim, and not by name: this Kamailio can't.
set -eu
here=$(dirname "$0")
number=${VSIM_VAR_NUMBER:-447700900200}
transport=${SBC_TRANSPORT:-udp}
mkdir -p sbc
head -c 80000 /dev/zero | tr '\0' '\325' > audio.ul
# Free, and none that the system hands out to somebody else before Kamailio takes it.
port=$(python3 -c 'import random, socket
while True:
    port = random.randrange(20000, 32768)
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break')
: > sbc/targets
: > sbc/credentials
priority=$#
for name in "$@"; do
  variable=VSIM_SIP_$(echo "$name" | tr a-z- A-Z_)
  if [ "$transport" = tls ]; then variable=${variable}_TLS; fi
  echo "1 sip:$(printenv "$variable");transport=$transport 0 $priority" >> sbc/targets
  echo "modparam(\"uac\", \"credential\", \"$VSIM_KEY:sip-$name.vonage.com:$VSIM_SECRET\")" >> sbc/credentials
  priority=$((priority - 1))
done
with=
if [ "$transport" = tls ]; then
  with="-A WITH_TLS"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=sbc -days 2 -keyout sbc/key.pem -out sbc/cert.pem 2> /dev/null
  cat > sbc/tls.cfg <<END
[server:default]
method = TLSv1.2+
private_key = $PWD/sbc/key.pem
certificate = $PWD/sbc/cert.pem
[client:default]
method = ${SBC_TLS_METHOD:-TLSv1.2+}
verify_certificate = yes
require_certificate = yes
ca_list = $VSIM_CA
END
fi
sed -e "s|SBC_PORT|$port|" -e "s|SBC_DIRECTORY|$PWD/sbc|" -e "s|SBC_PING|${SBC_PING:-1}|" \
  -e "s|SBC_PROBING|${SBC_PROBING:-1}|" -e "/^#SBC_CREDENTIALS/r sbc/credentials" "$here/sbc.cfg" > sbc/kamailio.cfg
kamailio=$(command -v kamailio || echo /usr/sbin/kamailio)
"$kamailio" $with -f sbc/kamailio.cfg -DD -E -m 64 -M 8 -Y "$PWD/sbc" &
until grep -qi ":$(printf %04x "$port") " /proc/net/udp; do sleep 0.05; done
sipp "127.0.0.1:$port" -sf "$here/through_sbc.xml" -t u1 -i 127.0.0.1 -mi 127.0.0.1 -s "$number" -r "${SBC_CALLS:-2}" -rp "${SBC_EVERY:-1000}" \
  -d "${SBC_TALK:-400}" -nostdin > sbc/sipp.out 2>&1 &
wait
