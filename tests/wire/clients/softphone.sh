#!/bin/sh
# softphone.sh SECONDS [WORDS…]: baresip calls the scenario's number once, for so long, and ends. WORDS must be in what it prints.
# SOFTPHONE_ACCOUNT is added to its account, SOFTPHONE_CONFIG to its configuration.
set -eu
seconds=$1
shift
for modules in /usr/lib/baresip/modules /usr/local/lib/baresip/modules; do
  if [ -d "$modules" ]; then break; fi
done
transport=$(echo "${VSIM_VAR_TRANSPORT:-udp}" | tr A-Z a-z)
codec=${VSIM_VAR_CODEC:-PCMU}
if [ "$codec" = G722 ]; then codec=G722/16000; fi
encryption=
if [ "${VSIM_VAR_MEDIA:-}" = SRTP ]; then encryption=";mediaenc=srtp-mand"; fi
at=$VSIM_SIP_US_3_1
if [ "$transport" = tls ]; then at=$VSIM_SIP_US_3_1_TLS; fi
folder=$(mktemp -d "$PWD/softphone.XXXXXX")
head -c 960000 /dev/urandom > "$folder/noise"
sox -t raw -r 8000 -e signed -b 16 -c 1 -v 0.1 "$folder/noise" "$folder/in.wav"
cat > "$folder/config" <<END
sip_listen 127.0.0.1:0
rtp_ports 10000-19999
sip_cafile $VSIM_CA
audio_player aufile,/dev/null
audio_source aufile,$folder/in.wav
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
net_interface 127.0.0.1
module_path $modules
module g711.so
module g722.so
module srtp.so
module aufile.so
module_app account.so
module_app menu.so
${SOFTPHONE_CONFIG:-}
END
echo "<sip:447700900000@$at>;auth_user=$VSIM_KEY;auth_pass=$VSIM_SECRET;regint=0;audio_codecs=$codec$encryption${SOFTPHONE_ACCOUNT:-}" > "$folder/accounts"
: > "$folder/contacts"
baresip -4 -v -f "$folder" -e "/dial sip:$VSIM_VAR_NUMBER@$at;transport=$transport" -t "$seconds" > "$folder/output" 2>&1
cat "$folder/output"
for word in "$@"; do
  grep -q "$word" "$folder/output"
done
