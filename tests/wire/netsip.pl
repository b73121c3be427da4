# One call by Net::SIP: perl netsip.pl call|take TRANSPORT ADDRESS OWN SAID HEARD [NUMBER DIGITS SECONDS CA NAME]
# It is at port 5060 of the address OWN, where `take` listens, with TLS by certificate.pem and key.pem beside SAID. SAID and HEARD are raw
# PCMU. What happens is a line each.
use strict;
use warnings;
use File::Basename 'dirname';
use Net::SIP;

my ($what, $transport, $at, $own, $said, $heard, $number, $digits, $seconds, $ca, $name) = @ARGV;
$| = 1;

my %tls = $transport ne 'tls' ? ()
    : $what eq 'call' ? (tls => { SSL_ca_file => $ca, SSL_verifycn_name => $name, SSL_verifycn_scheme => 'http' })
    : (tls => { SSL_cert_file => dirname($said) . '/certificate.pem', SSL_key_file => dirname($said) . '/key.pem' });
my $leg = Net::SIP::Leg->new(proto => $transport, addr => $own, port => 5060, %tls);
my $suffix = $transport eq 'udp' ? '' : ";transport=$transport";
my $agent = Net::SIP::Simple->new(
    from => 'sip:447700900000@sip-us.vonage.com',
    contact => "sip:447700900000\@$own:5060$suffix",
    auth => [ 'abcd1234', 'OfflineSecret1' ],
    legs => [$leg],
    $what eq 'call' ? (outgoing_proxy => ($transport eq 'tls' ? "sips:$at" : "sip:$at$suffix")) : (),
    domain => 'sip-us.vonage.com',
    %tls,
);
my $over;

if ($what eq 'take') {
    $agent->listen(
        init_media => $agent->rtp('send_recv', $said, 1, $heard),
        cb_established => sub { print "up\n" },
        cb_dtmf => sub { print "digit $_[0]\n" },
        recv_bye => sub { print "hung up\n"; $over = 1 },
    );
    print "listens\n";
    $agent->loop(40, \$over);
    exit;
}

my $final;
my $call = $agent->invite(
    "sip:$number\@sip-us.vonage.com",
    init_media => $agent->rtp('send_recv', $said, 1, $heard),
    recv_bye => \$over,
    cb_dtmf => sub { print "digit $_[0]\n" },
    cb_preliminary => sub { print "early $_[1]\n" },
    cb_final => sub { my ($status, undef, %more) = @_; print "final $status ", $more{code} // '', "\n"; $final = 1 },
) or die $agent->error;
$agent->loop(20, \$final);
exit if $call->error;
$call->dtmf($digits) if $digits;
my $enough;
$agent->add_timer($seconds, \$enough);
$agent->loop(\$enough, \$over);
my $gone;
$call->bye(cb_final => \$gone);
$agent->loop(10, \$gone);
print "bye\n";
