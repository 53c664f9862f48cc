//! Speaks OCI distribution both ways: a client and a server.
//!
//! the client resolves, pulls, pushes and copies images; the [`server`] keeps them behind the same protocol. Both
//! work on [`oci::store::Store`] and on digests: what came over the network is compared with its digest before
//! anybody may use it. Nothing here reads settings, environment or wall clock; they are handed in as values.
//!
//! The [`gateway`] is the way out of build steps: it speaks for them with upstreams, and knows by [`packages`] what they
//! ask for.
//!
//! Words are those of the OCI distribution specification 1.1. The one runtime is tokio's, inside [`Runtime`]; the
//! client's callers are ordinary threads.

mod body;
pub mod client;
pub mod gateway;
mod name;
pub mod packages;
mod redact;
mod runtime;
pub mod server;
mod tls;
mod wire;

pub use name::{NameError, Repository, TagOrDigest};
pub use redact::Redacted;
pub use runtime::Runtime;
pub use tls::{Identity, TlsError};

/// Feeds everything in this room that reads what a stranger wrote: headers, paths, errors, manifests, configurations.
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    wire::challenge::parse(&text);
    wire::link::next(&text);
    wire::range::Bytes::parse_request(&text, 1000);
    wire::range::parse_content(&text);
    wire::range::parse_received(&text);
    wire::error::parse(data);
    gateway::fuzz(data, &text);
    server::fuzz(data, &text);
    client::fuzz(data, &text);
    packages::fuzz(&text);
    let _ = Redacted::url(&text);
}

#[cfg(test)]
mod tests {
    use testkit::fuzz::Mutator;

    /// What the fuzzer does for longer.
    #[test]
    fn strangers_may_write_anything() {
        let seeds = [
            r#"Bearer realm="https://a/token",service="reg",scope="repository:a/b:pull,push""#,
            "</v2/a/tags/list?n=2&last=b>; rel=\"next\"",
            "bytes 1-2/10",
            "/v2/a/b/manifests/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
            r#"{"errors":[{"code":"DENIED","message":"no"}]}"#,
            r#"{"auths":{"a.example.org":{"auth":"dTpw"}},"credHelpers":{"b":"c"}}"#,
            "user:$2y$05$abcdefghijklmnopqrstuuXxDkyPzYbJLGcQfpuRmPVAFZTpaRYZC",
            "team/**",
            "https://h/simple/six/?x\npip/23",
            r#"{"name":"a","files":[{"filename":"a-1.whl","url":"a-1.whl"}],"versions":{"1":{"dist":{"integrity":"sha512-AA=="}}},"dist-tags":{"latest":"1"}}"#,
            "<a href=\"a-1.0.tar.gz#sha256=00\" data-upload-time=x>a</a><br/>\n",
            "001e# service=git-upload-pack\n0000003d1111111111111111111111111111111111111111 refs/heads/m\n",
        ];
        let seeds = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        let mut mutator = Mutator::new(seeds, 1);
        for _ in 0..2_000 {
            super::fuzz(&mutator.next_input());
        }
    }
}
