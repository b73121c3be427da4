#!/bin/sh
# linphone.sh SECONDS: linphonec calls the scenario's number once, talks for so long after the answer, and hangs up.
set -eu
folder=$(mktemp -d "$PWD/linphone.XXXXXX")
mkdir -p "$folder/.local/share/linphone"
head -c 960000 /dev/urandom | sox -t raw -r 8000 -e signed -b 16 -c 1 -v 0.1 - "$folder/in.wav"
cat > "$folder/linphonerc" <<END
[sip]
sip_port=-1
sip_tcp_port=0
sip_tls_port=0
bind_address=127.0.0.1
guess_hostname=0
use_ipv6=0
ipv6_migration_done=1
media_encryption=none
default_proxy=0
[net]
dns_srv_enabled=0
[rtp]
bind_address=127.0.0.1
audio_rtp_port=-1
[sound]
echocancellation=0
echolimiter=0
agc=0
noisegate=0
[auth_info_0]
username=447700900000
userid=$VSIM_KEY
passwd=$VSIM_SECRET
realm=sip-us-3-1.vonage.com
[proxy_0]
reg_proxy=<sip:$VSIM_SIP_US_3_1;transport=udp>
reg_identity=sip:447700900000@sip-us-3-1.vonage.com
reg_sendregister=0
publish=0
END
cd "$folder"
mkfifo keys
HOME=$folder TERM=dumb linphonec -c linphonerc -d 0 < keys > output 2>&1 &
exec 3> keys
echo "soundcard use files" >&3
echo "play in.wav" >&3
echo "call sip:$VSIM_VAR_NUMBER@$VSIM_SIP_US_3_1;transport=udp" >&3
until grep -Eq "Media streams established|Call answered|connected" output; do sleep 0.1; done
sleep "$1"
echo terminate >&3
sleep 0.5
echo quit >&3
wait
cat output
