"""vsim: a local, offline emulator of Vonage's SIP trunk.

How it is laid out. Three rings; imports point inward only:

    wires      Twisted, sockets, files, argv, HTTP           may import machines and words
    machines   state; clock, chance and sending are handed in     may import words
    words      bytes, text, values: functions of their arguments  import nothing of ours outside words

`from twisted` stands in wire files only. `sip/`, `media/` and `dns/` never import each other or `trunk/`; `trunk/` is where they
meet, and so is `phone/`, which knows nothing of `trunk/`. Nothing imports `service.py` or `cli/`.

    yaml.py reading.py    words    a person's YAML as nodes with their place, and nodes as typed values, every mistake at once
    annotations.py schema.py    words    what models say beside types; their JSON Schema
    config.py settings.py    words    the one typed model behind vsim.yaml, VSIM_* and flags; each setting by its name
    config_sources.py config_rules.py addresses.py    words    those three read into it; what no single setting can know
    clock.py ids.py chance.py    time and every random choice, handed in; one seed
    reactor_clock.py   wire    that time, driven by the reactor
    authority.py   wire     the CA and the server certificate on disk
    own_address.py low_ports.py    wires    what a container needs: its own address, and port 53 without being root
    problems.py    words    what the operating system refuses, in words
    trunk_settings.py forwarding_settings.py    machines    what the settings say of the trunk, and of calls to the account's numbers
    proxy_listeners.py    wire    the sockets of one proxy
    service.py     wire     the composition root: builds each object once, opens listeners, stops in order

    sip/           RFC 3261 and friends; knows nothing of Vonage
      grammar uri headers message body framing refusal timers methods flow lint icmp certificate     words
      digest credentials transaction endpoint dialog dialog_request session session_timer reinvite called reliable calling
      calling_session locate                                           machines
      transport datagram dialling tls tls_client                       wires
    media/         SDP, RTP, SRTP, DTMF; knows nothing of SIP
      codecs sdp crypto offer description rtp rtcp dtmf dtmf_sender reception quality plan g711 tone shipped packing resample port    words
      stream echo wire clear reports events summary srtp dialler player far_end ear recording recorder wav decoder    machines
      impair losing holding rewriting chain course                     machines
      sockets port_pair shared_port                                    wires
    dns/           zone answer hosts question    words                       exchange nameserver resolver    wires
    trunk/         what Vonage does with a call: the only place where SIP and media meet
      regions numbers codes behaviour magic names callers contact invite template status_callback             words
      forward_list forward_reader forward_uri forward_place forward_parameters forward_field forward_target    words
      policy accounts proxy admission trunk leg conversation calls studio limits registrar                    machines
      exchange directory inbound rung forwarding                                                              machines
    scenario/      what goes wrong on purpose, what clients make of it, and stories with a verdict
      kind kinds media_kinds spec oneline schema alter guide conditions    words       connections wires    wires
      rules schedule sight gate signalling answers outage outages behaviours names seams wiring fault faults likeness    machines
      terms matches expectation model check placeholders script script_schema reference wording verdict trace report  words  listeners  wire
      trail downtime failover world witness expect expect_calls expect_requests expect_named stage live acts runner scenarios    machines
    journal/       events findings attempt ladder packet pcapng    words   journal record capture datagrams    machines
    control/       model routes    words     api telephony faults scenarios openapi turns    machines
      endpoints server client webhook    wires
    phone/         our own small phone: a stranger to the trunk, built of the same parts
      signal script    words    echo handset outcome report call placed taken phone    machines    line    wire
    cli/           a file per group of commands; the one place that names the reactor

Four seams end the part without I/O: `Endpoint.receive(data, flow)` and `flow.send(data)` for SIP, `stream.reader(buffer, view, length)`
and its `send` for RTP, `zone.answer(query)` for DNS, `api.handle(request)` for control. Everything between them runs in a unit test
without a reactor. Faults stand at these seams, and only while there are any; no machine asks whether something is at fault.
"""

__version__ = "0.1.0"
