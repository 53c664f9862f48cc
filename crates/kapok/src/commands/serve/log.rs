//! What a server says of the requests that it answered.

use std::fmt::Write as _;

use oci::causes::in_one_line;
use registry::server::{Events, Served};

use crate::clock;
use crate::ui::{Terminal, format};

/// One line a request.
pub struct Log {
    terminal: Terminal,
    quiet: bool,
}

impl Log {
    /// With `quiet`, only of those that the server could not answer.
    pub fn new(terminal: Terminal, quiet: bool) -> Log {
        Log { terminal, quiet }
    }
}

impl Events for Log {
    fn served(&self, served: &Served<'_>) {
        if self.quiet && served.problem.is_none() && served.status < 500 {
            return;
        }
        self.terminal.say(&format!("{}\n", line(served, clock::now())));
    }
}

/// `2026-01-02T03:04:05Z 200 GET /v2/ 1ms ada`.
fn line(served: &Served<'_>, now: i64) -> String {
    let time = oci::time::format_rfc3339(now);
    let wall = match served.wall.as_millis() {
        millis @ 0..1000 => format!("{millis}ms"),
        _ => format::duration(served.wall),
    };
    let mut line = format!("{time} {} {} {} {wall}", served.status, served.method, served.path);
    if let Some(user) = served.user {
        let _ = write!(line, " {}", registry::Redacted::foreign(user));
    }
    if let Some(problem) = served.problem {
        let _ = write!(line, ": {}", in_one_line(problem));
    }
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use registry::Redacted;
    use registry::server::StorageError;

    use super::*;

    #[test]
    fn a_request_is_a_line() {
        let problem = StorageError::new("write a blob", "no space");
        let mut served = Served {
            method: "PUT",
            path: Redacted::url("/v2/a/manifests/1?x=secret"),
            status: 201,
            user: Some("ada\n"),
            wall: Duration::from_millis(12),
            problem: None,
        };
        assert_eq!(line(&served, 0), "1970-01-01T00:00:00Z 201 PUT /v2/a/manifests/1?… 12ms ada");
        (served.status, served.user, served.problem) = (500, None, Some(&problem));
        assert_eq!(
            line(&served, 0),
            "1970-01-01T00:00:00Z 500 PUT /v2/a/manifests/1?… 12ms: cannot write a blob: no space"
        );
    }
}
