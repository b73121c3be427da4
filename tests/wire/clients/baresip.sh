#!/bin/sh
# baresip.sh URI [SECONDS]: baresip calls URI for so long, and again, and again. It finds the trunk by name, as the name server says.
set -eu
uri=$1
seconds=${2:-2}
for modules in /usr/lib/baresip/modules /usr/local/lib/baresip/modules; do
  if [ -d "$modules" ]; then break; fi
done
mkdir -p baresip
cat > baresip/config <<END
sip_listen 127.0.0.1:0
rtp_ports 10000-19999
sip_cafile $VSIM_CA
audio_player aufile,/dev/null
audio_source aufile,$PWD/audio.wav
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
net_interface 127.0.0.1
dns_server $VSIM_DNS
module_path $modules
module g711.so
module aufile.so
module srtp.so
module_app account.so
module_app menu.so
END
echo "<sip:447700900000@sip-us.vonage.com>;auth_user=$VSIM_KEY;auth_pass=$VSIM_SECRET;regint=0;audio_codecs=PCMU${BARESIP_ACCOUNT:-}" > baresip/accounts
: > baresip/contacts
python3 - <<'END'
import wave
with wave.open("audio.wav", "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
    file.writeframes(bytes(range(1, 251)) * 640)
END
while :; do
  baresip -4 -f baresip -e "/dial $uri" -t "$seconds"
done
