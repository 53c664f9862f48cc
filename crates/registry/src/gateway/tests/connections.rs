//! Connections: TLS, HTTP/2, what is none of HTTP, and what goes through unread.

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use oci::record::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::upstreams::{Upstream, say};
use super::world::{World, is_reset, read_reply, run};

#[test]
fn tls_ends_here_and_begins_anew() {
    run(World::new(), async |world| {
        let upstream = Upstream::tls(&world, "up.example.org", |_| say("", "secret")).await;
        let mut stream = world.connect_tls("up.example.org", upstream.port, &["http/1.1"]).await.unwrap();
        stream
            .write_all(b"GET /x HTTP/1.1\r\nHost: up.example.org\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(read_reply(&mut stream).await.text(), "secret");
        let port = upstream.port;
        assert_eq!(world.only().url, format!("https://up.example.org:{port}/x"));
    });
}

#[test]
fn an_upstream_that_nobody_vouches_for_is_told_in_the_status_line() {
    let world = World::with(|options| options.authorities.clear());
    run(world, async |world| {
        let upstream = Upstream::tls(&world, "up.example.org", |_| say("", "secret")).await;
        let mut stream = world.connect_tls("up.example.org", upstream.port, &["http/1.1"]).await.unwrap();
        stream
            .write_all(b"GET /x HTTP/1.1\r\nHost: up.example.org\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let reply = read_reply(&mut stream).await;
        assert!(
            reply.line.starts_with("HTTP/1.1 502 Kapok: `up.example.org` cannot be trusted"),
            "{reply:?}"
        );
    });
}

#[test]
fn http2_is_spoken_with_and_without_tls() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "two")).await;
        let secure = Upstream::tls(&world, "up.example.org", |_| say("", "two")).await;
        let stream = world.connect("up.example.org", upstream.port).await;
        let url = format!("http://up.example.org:{}/x", upstream.port);
        assert_eq!(over_http2(stream, &url).await, "200 two");
        let stream = world.connect_tls("up.example.org", secure.port, &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let url = format!("https://up.example.org:{}/x", secure.port);
        assert_eq!(over_http2(stream, &url).await, "200 two");
        assert_eq!(world.finish().intakes.len(), 2);
    });
}

async fn over_http2<S>(stream: S, url: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(url).body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = client.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(client);
    connection.abort();
    format!("{status} {}", String::from_utf8_lossy(&body))
}

#[test]
fn what_is_none_of_http_is_reset_and_named() {
    run(World::new(), async |world| {
        assert!(is_reset(world.try_connect("git.example.org", 22).await).await);
        let mut stream = world.connect("2001:db8::7", 6379).await;
        stream.write_all(b"PING\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1]).await.is_err());
        let lines = world.lines.lock().unwrap().clone();
        assert_eq!(
            lines[0],
            "failed: tcp://git.example.org:22: port 22 is none of HTTP: only http and https leave a step"
        );
        assert_eq!(
            lines[1],
            "failed: tcp://[2001:db8::7]:6379: it begins with `PING`: only http and https leave a step"
        );
        let served = world.finish();
        assert!(served.intakes.iter().all(|intake| matches!(intake.verdict, Verdict::Failed { .. })));
        assert!(served.intakes.iter().all(|intake| intake.method == "CONNECT"));
    });
}

#[test]
fn the_gateways_own_address_serves_nothing() {
    run(World::new(), async |world| {
        assert!(is_reset(world.connect_astray().await).await);
        world.until_heard().await;
        assert_eq!(world.only().url, "tcp://the gateway");
    });
}

#[test]
fn pinned_hosts_pass_unread_and_are_marked() {
    let world = World::with(|options| options.passthrough = vec!["pinned.example.org".parse().unwrap()]);
    run(world, async |world| {
        let upstream = Upstream::tls(&world, "pinned.example.org", |_| say("", "opaque")).await;
        let refused = world.connect_tls("pinned.example.org", upstream.port, &[]).await;
        assert!(refused.is_err(), "the upstream's own certificate is shown");
        let roots = super::world::roots(&world);
        let stream = world.connect("pinned.example.org", upstream.port).await;
        let mut stream = super::world::secure(stream, "pinned.example.org", roots).await.unwrap();
        stream
            .write_all(b"GET /x HTTP/1.1\r\nHost: pinned.example.org\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut reply = [0; 50];
        stream.read_exact(&mut reply[..20]).await.unwrap();
        drop(stream);
        let port = upstream.port;
        let served = world.finish();
        assert_eq!(served.unobserved, ["tls:pinned.example.org"]);
        assert_eq!(served.intakes.last().unwrap().url, format!("tls://pinned.example.org:{port}"));
    });
}

#[test]
fn a_client_that_trusts_nobody_is_told_what_to_do() {
    run(World::new(), async |world| {
        let stream = world.connect("strict.example.org", 443).await;
        assert!(super::world::secure(stream, "strict.example.org", Vec::new()).await.is_err());
        world.until_heard().await;
        let lines = world.lines.lock().unwrap().clone();
        assert!(lines[0].contains("`network.passthrough` lets it through unread"), "{lines:?}");
    });
}
