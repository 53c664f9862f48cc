//! A token server as Docker's specification has it: whoever shows the password gets what they ask for.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::super::fixture::{LIMIT, PASSWORD, USER};
use crate::command::must;

/// The server; it ends with the process.
pub struct TokenServer {
    pub address: SocketAddr,
    /// By which its tokens are checked.
    pub certificate: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    /// Makes a key and listens.
    pub fn start(directory: &Path) -> io::Result<TokenServer> {
        let (key, certificate) = (directory.join("tokens.key"), directory.join("tokens.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tokens",
            "-keyout",
        ]);
        must(openssl.arg(&key).arg("-out").arg(&certificate), LIMIT)?;
        let pem = fs::read_to_string(&certificate)?;
        let chain: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is told nothing.
                let _ = answer(stream, &log, &chain, &key);
            }
        });
        Ok(TokenServer { address, certificate, asked })
    }

    /// The first lines of all requests.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().map(|asked| asked.clone()).unwrap_or_default()
    }
}

fn answer(stream: TcpStream, log: &Mutex<Vec<String>>, chain: &str, key: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let line = lines.next().transpose()?.unwrap_or_default();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let right = format!("authorization: basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let known = headers.iter().any(|header| header.eq_ignore_ascii_case(&right));
    if let Ok(mut log) = log.lock() {
        log.push(line.clone());
    }
    let (status, body) = match known {
        true => {
            ("200 OK", serde_json::json!({"token": token(&line, chain, key)?, "expires_in": 300}).to_string())
        }
        false => ("401 Unauthorized", "{}".to_owned()),
    };
    let length = body.len();
    let mut stream = &stream;
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A token for all scopes of a request, signed. (RFC 7519; `x5c` of RFC 7515)
fn token(line: &str, chain: &str, key: &Path) -> io::Result<String> {
    let query = line.split(' ').nth(1).and_then(|target| target.split_once('?')).unwrap_or_default().1;
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let plain = |scope: &str| scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
    let access: Vec<serde_json::Value> = scopes
        .map(plain)
        .filter_map(|scope| {
            let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
            let actions: Vec<&str> = actions.split(',').collect();
            Some(serde_json::json!({"type": "repository", "name": name, "actions": actions}))
        })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [chain]});
    let claims = serde_json::json!({
        "iss": "tests", "sub": USER, "aud": "test registry", "exp": now + 300, "nbf": now - 10, "iat": now - 10,
        "jti": "1", "access": access,
    });
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-sign"]).arg(key);
    let mut openssl = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = openssl.stdin.take() {
        stdin.write_all(message.as_bytes())?;
    }
    let signature = openssl.wait_with_output()?.stdout;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
