"""vsim: a local, offline emulator of Vonage's SIP trunk.

How it is laid out. Three rings; imports point inward only:

    wires      Twisted, sockets, files, argv, HTTP           may import machines and words
    machines   state; clock, chance and sending are handed in     may import words
    words      bytes, text, values: functions of their arguments  import nothing of ours outside words

`from twisted` stands in wire files only. `sip/`, `media/` and `dns/` never import each other or `trunk/`; `trunk/` is where they
meet, and so is `phone/`, which knows nothing of `trunk/`. Nothing imports `service.py` or `cli/`.

Each line: the ring, the files, what they are about. `tests/test_rings.py` reads the rings here, and holds them.

    words      addresses quantities         addresses, times and shares as people write them
               problems did_you_mean counting    what the operating system refuses, in words; the name that was meant; counted nouns
               yaml reading                 a person's YAML as nodes with their place, and nodes as typed values, every mistake at once
               annotations schema           what models say beside types; their JSON Schema
               config settings              the one typed model behind vsim.yaml, VSIM_* and flags; each setting by its name
               config_sources config_rules  those three read into it; what no single setting can know
               sdp_body                     the session description in a SIP message
    machines   clock ids chance             time and every random choice, handed in; one seed
               pace                         how often something may be told
               imports                      what a start leaves out, imported behind it a little at a time
               trunk_settings forwarding_settings    what the settings say of the trunk, and of calls to the account's numbers
    wires      reactor_clock                that time, driven by the reactor
               authority                    the CA and the server certificate on disk
               own_address low_ports        what a container needs: its own address, and port 53 without being root
               proxy_listeners              the sockets of one proxy
               recording_file               the recording of a call, read in pieces
               service __main__             the composition root: builds each object once, opens listeners, stops in order

    sip/       RFC 3261 and friends; knows nothing of Vonage
    words      grammar uri headers message body framing    octets to messages and values, and back
               methods lint refusal         what is served, what is odd, and the exception that becomes an answer
               timers flow icmp certificate
    machines   endpoint transaction         from octets to requests and responses of one proxy; states and timers
               dialog session called calling calling_session    who talks to whom; a call from the INVITE to the BYE, either side
               reinvite session_timer reliable dialog_request    what happens in it: RFC 3261 14, RFC 4028, RFC 3262
               digest credentials           authentication, the server's side and the client's
               locate                       a target's name to addresses (RFC 3263)
    wires      transport datagram           streams and UDP
               dialling tls tls_client      connections that we open; TLS on either side

    media/     SDP, RTP, SRTP, DTMF; knows nothing of SIP
    words      sdp crypto offer description codecs    what descriptions say, and what two of them settle
               rtp rtcp reception quality   packets, and what is counted of those heard
               telephone_event dtmf dtmf_sender    RFC 4733: the payload, digits heard, digits sent
               g711 tone shipped packing resample    sound as samples and as payloads
               plan port                    what a call is to play, and what it asks of its ports
    machines   stream echo summary reports  one call's audio, there and back; what is told of it, and its RTCP
               srtp libsrtp                 one direction of one call under its key; the library that does it
               events dialler ear           digits heard, digits sent, digits as tones
               far_end player wav           what the other end plays
               recording recorder decoder   calls as WAV files
               wire clear                   packets kept for captures, and those without SRTP
               chain course impair losing holding rewriting    what is done to packets on purpose
    wires      sockets port_pair shared_port

    dns/       the service names
    words      zone answer question hosts
    wires      nameserver resolver exchange

    trunk/     what Vonage does with a call: the only place where SIP and media meet
    words      regions names numbers codes  the tables: proxies and their names, numbers, statuses
               behaviour magic              how one call shall go, and the numbers that choose it
               forward_list forward_reader forward_target forward_uri forward_place forward_parameters forward_field    "Forward to SIP"
               callers invite template contact status_callback    calls to the account's numbers: who rings, what the customer gets
    machines   trunk proxy policy           requests outside dialogs, at twelve proxies
               accounts admission limits registrar    who may
               calls conversation leg studio    a call out, and what calls have in common: dialog, media, what is played and recorded
               exchange directory inbound rung forwarding    a call in, to one target after the other

    scenario/  what goes wrong on purpose, what clients make of it, and stories with a verdict
    words      kind kinds media_kinds spec oneline conditions    faults as data: what, how they are written, where they strike
               schema guide alter           their JSON Schema, docs/faults.md, octets changed
               terms model matches expectation    stories as data: steps, and what is expected
               script placeholders check    a scenario file as it is written, and its mistakes
               script_schema reference wording    its JSON Schema, docs/scenarios.md, steps in words
               verdict trace report         what became of it
    machines   faults fault rules schedule sight    faults that are on: which of all that happens they strike
               seams wiring gate signalling answers behaviours names    where they strike: messages, answers, calls, DNS
               outage outages likeness downtime    proxies that are down
               trail failover               what clients did about it
               runner scenarios stage live acts    a story, step by step
               world witness expect expect_calls expect_named expect_requests    what it sees, and whether that is what it expects
    wires      wires connections listeners  sockets in the hands of faults; who listens on this machine

    journal/   what happened
    words      events findings attempt ladder    the kinds of things that are noted, and a call as a picture
               packet pcapng                captures, as octets
    machines   journal record               everything, bounded; one call
               capture datagrams            a call as a capture, and the packets of its media

    control/   the control API
    words      model routes
    machines   api telephony faults scenarios    what is asked, by subject
               openapi turns                its description; work that takes long, a little at a time
    wires      server long_response event_stream    HTTP, what may be long, and events as they happen
               client endpoints webhook     the CLI's side; the file that says where everything listens; status callbacks

    phone/     our own small phone: a stranger to the trunk, built of the same parts
    words      script signal                how a call shall go, and what is played
    machines   phone placed taken call handset    calls either way, and their media
               echo outcome report          what came back, and what came of it
    wires      line

    cli/       a file per group of commands, all wires; the one place that names the reactor

Four seams end the part without I/O: `Endpoint.receive(data, flow)` and `flow.send(data)` for SIP, `stream.reader(buffer, view, length)`
and its `send` for RTP, `zone.answer(query)` for DNS, `api.handle(request)` for control. Everything between them runs in a unit test
without a reactor. Faults stand at these seams, and only while there are any; no machine asks whether something is at fault.
"""

__version__ = "0.1.0"
