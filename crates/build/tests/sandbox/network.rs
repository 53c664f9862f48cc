//! A network in which every address leads to us: what a step says, who hears it, and what is refused.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use build::network::attempt::attempts;
use build::sandbox::{GatewayNetwork, Network};

use crate::Test;
use crate::lab::{Lab, Ran, Step};

pub const TESTS: &[Test] = &[
    ("network::any_address_and_port_leads_to_the_gateway", any_address_and_port_leads_to_the_gateway),
    ("network::only_the_steps_resolver_is_asked", only_the_steps_resolver_is_asked),
    ("network::the_steps_own_servers_answer", the_steps_own_servers_answer),
    ("network::what_is_no_tcp_is_refused_and_told", what_is_no_tcp_is_refused_and_told),
    ("network::resolvers_see_a_network", resolvers_see_a_network),
    ("network::the_step_cannot_change_the_rules", the_step_cannot_change_the_rules),
    ("network::measures_what_it_costs", measures_what_it_costs),
];

/// Says hello on every connection and answers every question, until nobody is left who could say something.
fn greet(network: &GatewayNetwork) -> Receiver<String> {
    let (heard, hears) = channel();
    for (word, socket) in [("v4", Some(&network.sockets.tcp4)), ("v6", network.sockets.tcp6.as_ref())] {
        let Some(socket) = socket else { continue };
        let (listener, heard) = (TcpListener::from(blocking(socket)), heard.clone());
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = writeln!(stream, "hello {word}");
                let mut said = String::new();
                let _ = stream.read_to_string(&mut said);
                if heard.send(said).is_err() {
                    return;
                }
            }
        });
    }
    let questions = UdpSocket::from(blocking(&network.sockets.dns_udp));
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = questions.recv_from(&mut buffer) {
            let question = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let _ = questions.send_to(format!("answer to {question}").as_bytes(), from);
            if heard.send(question).is_err() {
                return;
            }
        }
    });
    hears
}

/// The sockets do not block, so that they suit an event loop; a test has none.
fn blocking(socket: &OwnedFd) -> OwnedFd {
    let copy = socket.try_clone().expect("a copy");
    rustix::io::ioctl_fionbio(&copy, false).expect("a mode");
    copy
}

fn step<'a>(lab: &'a Lab, script: &str) -> Step<'a> {
    lab.step(script).with(|spec| {
        spec.network = Network::Gateway;
        spec.resolv_conf = Some(b"nameserver 198.19.255.254\n".into());
    })
}

/// Runs a script with a gateway that greets. Gives what it printed and every packet that was refused.
fn run(lab: &Lab, script: &str) -> (Ran, Vec<String>) {
    let step = step(lab, script);
    let (handle, reader) = step.start();
    let mut handle = handle.unwrap_or_else(|error| panic!("{error:?}: {:?}", error.hint()));
    let network = handle.take_gateway().expect("a network");
    let _hears = greet(&network);
    let result = handle.wait();
    let mut refused = Vec::new();
    let mut buffer = [0u8; 4096];
    while let Ok((length, _)) =
        rustix::net::recv(&network.refused, &mut buffer[..], rustix::net::RecvFlags::empty())
    {
        refused.extend(attempts(&buffer[..length]).iter().map(|attempt| attempt.intake(None).url));
    }
    (Ran { result, output: reader.join().expect("a reader") }, refused)
}

/// Addresses without modules, which the tests' root file system has not.
const PERL: &str = "sub in4 { pack \"SnC4x8\", 2, $_[1], split(/\\./, $_[0]) } sub in6 { pack \"SnNH32L\", 10, $_[1], 0, $_[0], 0 }
    sub stream { socket(my $s, unpack(\"S\", $_[0]), 1, 0) or die; connect($s, $_[0]) or die \"no connection: $!\n\"; $s }
    sub datagram { socket(my $s, unpack(\"S\", $_[0]), 2, 0) or die; connect($s, $_[0]) or die \"no: $!\n\"; $s }
    sub hello { my $s = stream($_[0]); shutdown($s, 1); print scalar <$s> }
    sub serve { socket(my $l, 2, 1, 0); bind($l, $_[0]) or die \"bind: $!\n\"; listen($l, 1); if (!fork) { accept(my $c, $l); print $c \"own\n\"; exit } }
    sub tell_to { print send(datagram($_[0]), \"x\", 0) ? \"sent\n\" : \"refused\n\" }
    $| = 1;";

/// 2001:db8::5.
const SOME_IPV6: &str = "20010db8000000000000000000000005";

fn perl(script: &str) -> String {
    format!("perl -e '{PERL} {script}'")
}

fn any_address_and_port_leads_to_the_gateway(lab: &Lab) {
    let script = format!(
        "hello(in4 \"1.2.3.4\", 8080); hello(in4 \"169.254.169.254\", 80); hello(in4 \"198.19.255.254\", 443);
        hello(in6 \"{SOME_IPV6}\", 81)"
    );
    let step = step(lab, &perl(&script));
    let (handle, reader) = step.start();
    let mut handle = handle.expect("a handle");
    let network = handle.take_gateway().expect("a network");
    assert!(handle.take_gateway().is_none(), "it is given once");
    let mut meant = Vec::new();
    let sockets = network.sockets;
    let (tcp4, tcp6) = (
        TcpListener::from(blocking(&sockets.tcp4)),
        TcpListener::from(blocking(sockets.tcp6.as_ref().expect("IPv6"))),
    );
    for listener in [&tcp4, &tcp4, &tcp4, &tcp6] {
        let (mut stream, _) = listener.accept().expect("a connection");
        meant.push(original_destination(&stream).to_string());
        stream.write_all(b"hello\n").expect("words");
    }
    assert_eq!(meant, ["1.2.3.4:8080", "169.254.169.254:80", "198.19.255.254:443", "[2001:db8::5]:81"]);
    assert!(handle.wait().expect("an outcome").status.success());
    assert_eq!(reader.join().expect("a reader"), "hello\n".repeat(4));
}

/// The address that a step meant, by the means that any program has.
fn original_destination(stream: &std::net::TcpStream) -> SocketAddr {
    let socket = socket2::SockRef::from(stream);
    let address = match stream.local_addr().expect("an address") {
        SocketAddr::V4(_) => socket.original_dst_v4(),
        SocketAddr::V6(_) => socket.original_dst_v6(),
    };
    address.expect("the address meant").as_socket().expect("an address")
}

fn only_the_steps_resolver_is_asked(lab: &Lab) {
    let ask = |address: &str| {
        format!(
            "$s = datagram(in4 \"{address}\", 53); if (send($s, \"q\", 0)) {{ recv($s, $a, 99, 0); print \"$a\n\" }} else {{ print \"refused\n\" }}"
        )
    };
    let (ran, refused) = run(lab, &perl(&["198.19.255.254", "8.8.8.8", "198.19.255.254"].map(ask).concat()));
    assert_eq!(ran.success(), "answer to q\nrefused\nanswer to q\n");
    assert_eq!(refused, ["udp://8.8.8.8:53"]);
}

fn the_steps_own_servers_answer(lab: &Lab) {
    let pairs = [
        ("0.0.0.0", "127.0.0.1", 80),
        ("127.0.0.1", "127.0.0.1", 443),
        ("0.0.0.0", "198.18.0.1", 53),
        ("0.0.0.0", "0.0.0.0", 8080),
    ];
    let script = pairs.map(|(bound, asked, port)| {
        format!("serve(in4 \"{bound}\", {port}); hello(in4 \"{asked}\", {port});")
    });
    let (ran, refused) = run(lab, &perl(&script.concat()));
    assert_eq!(ran.success(), "own\n".repeat(4));
    assert_eq!(refused, [""; 0]);
}

fn what_is_no_tcp_is_refused_and_told(lab: &Lab) {
    let script = format!(
        "tell_to(in4 \"8.8.8.8\", 123); tell_to(in6 \"{SOME_IPV6}\", 123);
        socket($i, 2, 3, 1) or die \"raw: $!\"; $echo = pack(\"CCnnn\", 8, 0, 0xf7ff, 0, 0);
        print send($i, $echo, 0, in4 \"9.9.9.9\", 0) ? \"sent\n\" : \"refused\n\";
        socket($o, 2, 2, 0); bind($o, in4 \"0.0.0.0\", 123) or die; tell_to(in4 \"127.0.0.1\", 123); recv($o, $x, 9, 0); print $x"
    );
    let (ran, refused) = run(lab, &perl(&script));
    assert_eq!(ran.success(), "refused\nrefused\nrefused\nsent\nx");
    assert_eq!(refused, ["udp://8.8.8.8:123", "udp://[2001:db8::5]:123", "icmp://9.9.9.9"]);
}

/// What glibc looks at before it asks anybody (`AI_ADDRCONFIG`).
fn resolvers_see_a_network(lab: &Lab) {
    let (ran, _) = run(lab, "cat /proc/net/fib_trie | grep -c 198.18.0.1; cat /etc/resolv.conf");
    let output = ran.success();
    assert!(!output.starts_with("0\n") && output.ends_with("nameserver 198.19.255.254\n"), "{output}");
}

/// A step may bind and connect as it likes, but what the kernel does with it was settled before it began.
fn the_step_cannot_change_the_rules(lab: &Lab) {
    // A netlink socket to netfilter, and a batch that deletes every table.
    let script = "perl -e '
        socket($s, 16, 3, 12) or die \"none\n\";
        send($s, pack(\"LSSLLCCn\", 20, 16, 1, 0, 0, 0, 0, 10) . pack(\"LSSLLCCn\", 20, 10 << 8 | 2, 5, 1, 0, 1, 0, 0) . pack(\"LSSLLCCn\", 20, 17, 1, 2, 0, 0, 0, 10), 0);
        recv($s, $answer, 4096, 0); print unpack(\"x16 l\", $answer), \"\n\"'";
    let (ran, _) = run(lab, script);
    assert_eq!(ran.success(), format!("-{}\n", libc::EPERM));
}

/// Printed, not judged: the machine may be busy.
fn measures_what_it_costs(lab: &Lab) {
    let median = |network: Network| {
        let mut times: Vec<Duration> = (0..40)
            .map(|_| {
                let step = lab.step("").with(|spec| {
                    spec.args = vec!["true".into()];
                    spec.network = network;
                });
                let started = Instant::now();
                step.run().success();
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    println!("  none {:?}, gateway {:?}", median(Network::None), median(Network::Gateway));
}
