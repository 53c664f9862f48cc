//! What a server of packages counts, in the text form of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts since the server began.
#[derive(Default)]
pub(super) struct Metrics {
    /// By repository and status.
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    sent: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    running: AtomicI64,
}

/// A request that runs.
pub(super) struct Running(Arc<Metrics>);

impl Metrics {
    pub(super) fn begin(self: &Arc<Metrics>) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    /// A request was answered.
    pub(super) fn answered(&self, repository: &str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((repository.to_owned(), status)).or_default() += 1;
    }

    /// Where bytes of a repository are counted.
    pub(super) fn sent(&self, repository: &str) -> Arc<AtomicU64> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.entry(repository.to_owned()).or_default().clone()
    }

    /// `asked`: how often an upstream was.
    pub(super) fn print(&self, asked: u64) -> String {
        let mut text = String::new();
        let head = |name: &str, kind: &str, help: &str| {
            format!("# HELP kapok_packages_{name} {help}\n# TYPE kapok_packages_{name} {kind}\n")
        };
        text += &head("requests_total", "counter", "Requests that were answered.");
        for ((repository, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = format!("repository=\"{repository}\",status=\"{status}\"");
            let _ = writeln!(text, "kapok_packages_requests_total{{{labels}}} {count}");
        }
        text += &head("sent_bytes_total", "counter", "Bytes of bodies that were sent.");
        for (repository, count) in &*self.sent.lock().unwrap_or_else(PoisonError::into_inner) {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "kapok_packages_sent_bytes_total{{repository=\"{repository}\"}} {count}");
        }
        text += &head("upstream_requests_total", "counter", "Requests that an upstream was asked.");
        let _ = writeln!(text, "kapok_packages_upstream_requests_total {asked}");
        text += &head("requests_running", "gauge", "Requests that are being answered.");
        let _ = writeln!(text, "kapok_packages_requests_running {}", self.running.load(Ordering::Relaxed));
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
