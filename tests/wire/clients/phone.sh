#!/bin/sh
# phone.sh FLAG…: the product's own phone calls with these flags, again and again.
while :; do
  ${VSIM_PROGRAM:-vsim} phone call "${VSIM_VAR_NUMBER:-447700900200}" "$@" || :
done
