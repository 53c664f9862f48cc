//! What must not leave a RUN, and what must work inside.

use std::net::TcpListener;

use super::fixture::{BASE, Here};
use crate::real::{Test, Trouble, World, ensure};

pub const TESTS: &[Test] = &[
    ("raw connections and datagrams do not leave a RUN, and are told of", raw),
    ("servers of a RUN's own, on any port, and no other's", own_servers),
    ("metadata, private and this machine's addresses are refused", places),
];

/// The tools of these tests, in one layer.
const TOOLS: &str = "RUN apt-get install --yes --no-install-recommends curl python3 iputils-ping netcat-openbsd bind9-dnsutils\n";

fn dockerfile(run: &str) -> String {
    format!("//- /Dockerfile\nFROM {BASE}\n{TOOLS}RUN {run}\n")
}

/// A command that leaves the step by something that is not http, with the intake that it must leave.
const RAW: [(&str, &str); 7] = [
    ("nc -w 9 192.0.2.7 5432 < /dev/null", "tcp://192.0.2.7:5432"),
    (
        "python3 -c \"import socket; socket.create_connection(('192.0.2.7', 25), 9).recv(1)\"",
        "tcp://192.0.2.7:25",
    ),
    ("printf 'SSH-2.0-x\\r\\n' | nc -w 9 192.0.2.8 22", "tcp://192.0.2.8:22"),
    (
        "python3 -c \"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.9', 123))\"",
        "udp://192.0.2.9:123",
    ),
    (
        "python3 -c \"import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8::9', 123))\"",
        "udp://[2001:db8::9]:123",
    ),
    ("ping -c 1 -W 1 192.0.2.10", "icmp://192.0.2.10"),
    ("dig +time=1 +tries=1 @192.0.2.53 txt carried-out.example.org", "192.0.2.53"),
];

fn raw(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-raw")?;
    for (command, url) in RAW {
        // Whether the command notices is its own affair.
        let fixture = dockerfile(&format!("{command} || true"));
        let outcome = here.build(&fixture, &["--tag", "gateway:raw"])?;
        ensure(outcome.success(), || format!("{command}: {}", outcome.tail(20)))?;
        let said = outcome.stderr.lines().any(|line| line.contains("kapok: ") && line.contains(url));
        ensure(said, || format!("{command}: no line says so:\n{}", outcome.tail(30)))?;
        let explained = here.explain("gateway:raw")?;
        let intake = explained.at(url)?;
        ensure(!intake["verdict"].is_null(), || format!("{command}: {intake}"))?;
        // The step failed if the command did.
        let outcome =
            here.build(&dockerfile(&format!("{command} > /dev/null && test ! -t 0 && false")), &[])?;
        ensure(outcome.code() == 4, || format!("{command}: exit {}", outcome.code()))?;
    }
    Ok(())
}

fn own_servers(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-own")?;
    // A server of the host's, to which nobody may come.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let serve = |port: u16| {
        format!(
            "(python3 -m http.server {port} > /dev/null 2>&1 & for i in $(seq 50); do \
             curl -fsS http://127.0.0.1:{port}/etc/passwd > /dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1)"
        )
    };
    let run = format!(
        "{} && {} && {} && ! curl -sS -m 5 http://{host}/ && ! curl -sS -m 5 http://localhost:{port}/ \
         && ! curl -sS -m 5 'http://[::ffff:127.0.0.1]:{port}/'",
        serve(80),
        serve(443),
        serve(8443),
        port = host.port()
    );
    let outcome = here.build(&dockerfile(&run), &["--tag", "gateway:own"])?;
    ensure(outcome.success(), || outcome.tail(20))?;
    ensure(listener.accept().is_err(), || "a RUN reached a server of the host".into())
}

fn places(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-places")?;
    let mut places = vec![
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "https://10.9.8.7/".to_owned(),
        "http://192.168.3.4:8080/".to_owned(),
        "http://100.64.0.1/".to_owned(),
    ];
    places.extend(super::server::own_address().map(|own| format!("http://{own}/")));
    for place in places {
        let outcome =
            here.build(&dockerfile(&format!("curl -sS -m 20 -o /dev/null '{place}' || true")), &[])?;
        // The step fails though the command does not.
        ensure(outcome.code() == 4 && outcome.stderr.contains("refused"), || {
            format!("{place}: exit {}\n{}", outcome.code(), outcome.tail(20))
        })?;
    }
    Ok(())
}
