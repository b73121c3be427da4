# vsim as a container: docs/container.md says how it is used. Every builder that knows `RUN --mount` takes this: docker, podman, buildah.
ARG BASE=debian:bookworm-slim

# -- what the emulator runs on
FROM ${BASE} AS runtime
# The name server's port 53 is a low one, and the emulator is not root. Docker lets everybody have low ports; podman and most of
# Kubernetes do not, so the interpreter may raise the one capability for it. It has it not from the start (`=p`, not `=ep`): the kernel
# would refuse to start an `=ep` file where the container's capabilities are taken away.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 libcap2-bin \
 && setcap cap_net_bind_service=p "$(readlink -f /usr/bin/python3)" \
 && apt-get purge --yes --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*

# -- where its parts are put together
FROM runtime AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv ca-certificates
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/vsim
WORKDIR /src
# Two optional secrets serve those who reach a package index by a way of their own: `pip.conf`, and `ca.pem`, which it may name as
# /run/secrets/ca.pem. Nothing of them stays in the image.
COPY pyproject.toml ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem --mount=type=cache,target=/root/.cache/pip \
    /build/bin/python -c 'import tomllib as t; print(*t.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > needs.txt \
 && /build/bin/pip --python /opt/vsim/bin/python install --no-compile --requirement needs.txt
COPY . .
# Compiled here and never compared with the sources again: the file system may be read-only, and an image's times may be anything.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem --mount=type=cache,target=/root/.cache/pip \
    mkdir -p scenarios && chmod -R a+rX scenarios \
 && /build/bin/pip wheel --no-deps --wheel-dir /wheel . \
 && /build/bin/pip --python /opt/vsim/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && find /opt/vsim -type d -name test -path '*/twisted/*' -prune -exec rm -r {} + \
 && /opt/vsim/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/vsim/lib

# -- the image
FROM runtime
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="vsim" \
      org.opencontainers.image.description="A local, offline emulator of Vonage's SIP trunk; not made by Vonage nor connected with it" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT"

# /var/lib/vsim is the one place that is written to: CA, server certificate, endpoints file, and what is temporary. Any user may, for some
# platforms choose one.
RUN useradd --uid 10001 --gid 0 --no-create-home --home-dir /vsim --shell /usr/sbin/nologin vsim \
 && ln -s /opt/vsim/bin/vsim /usr/local/bin/vsim \
 && mkdir /vsim && mkdir --mode 1777 /var/lib/vsim
COPY --from=build /opt/vsim /opt/vsim
COPY --from=build /src/scenarios /vsim/scenarios

# All proxies on one address, which is found out at the start, and all calls on one media port, for publishing a range is slow. The first
# packet of a call says where its client is, for what comes through a published port comes from elsewhere than the SDP says. TMP and not
# TMPDIR: the loader takes that from a program that has capabilities.
ENV VSIM_LAYOUT=ports \
    VSIM_BIND=0.0.0.0 \
    VSIM_ADVERTISE=auto \
    VSIM_MEDIA_PORT=10000 \
    VSIM_MEDIA_LATCH=true \
    VSIM_DNS_ADDRESS=0.0.0.0 \
    VSIM_DNS_PORT=53 \
    VSIM_CONTROL_ADDRESS=0.0.0.0 \
    VSIM_CONTROL_ALLOWED_HOSTS=vsim,host.docker.internal,host.containers.internal \
    VSIM_ENDPOINTS=/var/lib/vsim/vsim.json \
    VSIM_TLS_DIRECTORY=/var/lib/vsim/certs \
    TMP=/var/lib/vsim

# DNS; twelve proxies, each with UDP and TCP on an even port and TLS on the next; RTP and RTCP; the control API. One instruction: some
# builders take a port that one instruction names for exposed, whatever protocol the next one names it with.
EXPOSE 53/udp 53/tcp \
       5060/udp 5060/tcp 5061/tcp 5062/udp 5062/tcp 5063/tcp 5064/udp 5064/tcp 5065/tcp \
       5066/udp 5066/tcp 5067/tcp 5068/udp 5068/tcp 5069/tcp 5070/udp 5070/tcp 5071/tcp \
       5072/udp 5072/tcp 5073/tcp 5074/udp 5074/tcp 5075/tcp 5076/udp 5076/tcp 5077/tcp \
       5078/udp 5078/tcp 5079/tcp 5080/udp 5080/tcp 5081/tcp 5082/udp 5082/tcp 5083/tcp \
       10000/udp 10001/udp 8060/tcp

# A number, so that Kubernetes can see that it is not root's; group 0, as OpenShift gives it to whichever user it chooses.
USER 10001:0
# Config (vsim.yaml) and scenarios: mounted, or copied in by an image made from this one, which is why it is no VOLUME.
WORKDIR /vsim
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=3s --timeout=5s --start-period=30s --retries=3 CMD ["vsim", "wait", "--timeout", "3s"]
ENTRYPOINT ["vsim"]
CMD ["serve"]
