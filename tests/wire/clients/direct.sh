#!/bin/sh
# direct.sh TARGET…: SIPp calls at the first of these proxies; when that fails it tries the next one, if there is one. Again and again.
# DIRECT_TALK is in milliseconds, DIRECT_PATIENCE too: how long it waits for each message. DIRECT_TRANSPORT is u1 or t1.
set -eu
here=$(dirname "$0")
number=${VSIM_VAR_NUMBER:-447700900200}
head -c 80000 /dev/zero | tr '\0' '\325' > audio.ul
while :; do
  for name in "$@"; do
    at=$(printenv "VSIM_SIP_$(echo "$name" | tr a-z- A-Z_)")
    if sipp "$at" -sf "$here/direct.xml" -t "${DIRECT_TRANSPORT:-u1}" -i 127.0.0.1 -mi 127.0.0.1 -s "$number" -au "$VSIM_KEY" \
      -ap "$VSIM_SECRET" -m 1 -d "${DIRECT_TALK:-400}" -recv_timeout "${DIRECT_PATIENCE:-1000}" -nostdin -timeout 30 -timeout_error \
      > sipp.out 2>&1; then
      break
    fi
  done
  sleep 0.1
done
