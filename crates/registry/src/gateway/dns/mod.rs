//! Names for a step: every one gets an address of its own, and none is ever unknown.
//!
//! No question leaves the machine here. A name is resolved when the gateway connects to it for a request that may be;
//! a step that asks for names to carry something out carries it as far as this file.

mod message;
mod names;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(super) use message::fuzz;
pub(super) use names::Names;

use message::{Answer, Kind};

/// The largest question over UDP that is read; real ones have under 300 bytes.
const QUESTION_LIMIT: usize = 4096;

/// Connections that ask over TCP at once.
const CONNECTIONS: usize = 16;

/// How long such a connection may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Answers over UDP until the task is ended.
pub(super) async fn serve_udp(socket: UdpSocket, names: Arc<Names>) {
    let mut question = [0; QUESTION_LIMIT];
    loop {
        // An error of one datagram (its sender is gone) says nothing of the next.
        let Ok((length, sender)) = socket.recv_from(&mut question).await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        if let Some(answer) = answer(&question[..length], &names) {
            let _ = socket.send_to(&answer, sender).await;
        }
    }
}

/// Answers over TCP until the task is ended. (RFC 1035, 4.2.2)
pub(super) async fn serve_tcp(listener: TcpListener, names: Arc<Names>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let names = names.clone();
        tokio::spawn(async move {
            let _place = place;
            let _ = converse(stream, &names).await;
        });
    }
}

async fn converse(mut stream: TcpStream, names: &Names) -> io::Result<()> {
    loop {
        let length = timeout(SILENCE, stream.read_u16()).await??;
        let mut question = vec![0; usize::from(length)];
        timeout(SILENCE, stream.read_exact(&mut question)).await??;
        let Some(answer) = answer(&question, names) else { return Ok(()) };
        let mut reply = u16::try_from(answer.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
        reply.extend(answer);
        timeout(SILENCE, stream.write_all(&reply)).await??;
    }
}

/// The answer to a question; none to what is no question at all.
fn answer(question: &[u8], names: &Names) -> Option<Vec<u8>> {
    match message::parse(question) {
        Ok(asked) => {
            let answer = match asked.kind {
                _ if is_loopback(&asked.name) && asked.kind == Kind::Address => {
                    Answer::Address(Ipv4Addr::LOCALHOST)
                }
                Kind::Address => names.address(&asked.name).map_or(Answer::Nothing, Answer::Address),
                // No address of that kind: resolvers then take the other one.
                Kind::Other => Answer::Nothing,
            };
            Some(asked.reply(&answer))
        }
        Err(malformed) => malformed.reply(),
    }
}

/// Names that always mean the asking machine itself. (RFC 6761, 6.3)
fn is_loopback(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question as a resolver writes it.
    pub(super) fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.extend([0]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes
    }

    #[track_caller]
    fn check(names: &Names, name: &str, kind: u16, expected: &str) {
        let reply = answer(&question(name, kind), names).unwrap();
        assert_eq!(reply[..2], [0xab, 0xcd], "the answer has the question's number");
        assert_eq!(reply[3] & 0x0f, 0, "no error");
        let found = match reply[7] {
            0 => "nothing".to_owned(),
            _ => Ipv4Addr::from(<[u8; 4]>::try_from(&reply[reply.len() - 4..]).unwrap()).to_string(),
        };
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn every_name_has_an_address_and_nothing_else() {
        let names = Names::new();
        check(&names, "a.example.org", 1, "198.18.0.2");
        check(&names, "b.example.org", 1, "198.18.0.3");
        check(&names, "A.Example.ORG", 1, "198.18.0.2");
        check(&names, "a.example.org", 28, "nothing");
        check(&names, "_http._tcp.a.example.org", 33, "nothing");
        check(&names, "2.0.18.198.in-addr.arpa", 12, "nothing");
        check(&names, "localhost", 1, "127.0.0.1");
        assert_eq!(names.name("198.18.0.3".parse().unwrap()).as_deref(), Some("b.example.org"));
        assert_eq!(names.name("198.18.0.4".parse().unwrap()), None);
    }

    #[test]
    fn it_answers_over_udp_and_tcp() {
        let runtime = crate::Runtime::start().unwrap();
        runtime.wait(async {
            let names = Arc::new(Names::new());
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (udp_address, tcp_address) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
            let tasks =
                [tokio::spawn(serve_udp(udp, names.clone())), tokio::spawn(serve_tcp(tcp, names.clone()))];
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.connect(udp_address).await.unwrap();
            client.send(&question("x.example.org", 1)).await.unwrap();
            let mut buffer = [0; 512];
            let length = client.recv(&mut buffer).await.unwrap();
            assert_eq!(buffer[length - 4..length], [198, 18, 0, 2]);
            let mut stream = TcpStream::connect(tcp_address).await.unwrap();
            for _ in 0..2 {
                let asked = question("x.example.org", 1);
                stream.write_u16(asked.len() as u16).await.unwrap();
                stream.write_all(&asked).await.unwrap();
                let length = usize::from(stream.read_u16().await.unwrap());
                stream.read_exact(&mut buffer[..length]).await.unwrap();
                assert_eq!(buffer[length - 4..length], [198, 18, 0, 2]);
            }
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
        });
    }
}
