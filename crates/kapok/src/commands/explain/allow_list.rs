//! `kapok explain --allow-list`: what the recorded steps needed, as `network.allow` for `kapok.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use oci::record::Intake;
use registry::packages::Address;

/// The settings that allow what was fetched and nothing else. Each host says how often it was asked, by which steps, and
/// for what.
pub fn yaml(intakes: &[(u32, Intake)]) -> String {
    let mut hosts: BTreeMap<String, Needed> = BTreeMap::new();
    for (step, intake) in intakes {
        if intake.verdict.is_refused() {
            continue;
        }
        let Some(host) = host(&intake.url) else { continue };
        let needed = hosts.entry(host).or_default();
        needed.requests += 1;
        needed.steps.insert(*step);
        needed.ecosystems.extend(intake.ecosystem.clone().filter(|name| name != "generic"));
    }
    if hosts.is_empty() {
        return "network:\n  allow: []\n".to_owned();
    }
    let width = hosts.keys().map(String::len).max().unwrap_or_default();
    let mut text = "network:\n  allow:\n".to_owned();
    for (host, needed) in hosts {
        let steps: Vec<String> = needed.steps.iter().map(|step| format!("#{step}")).collect();
        let what: Vec<String> = needed.ecosystems.into_iter().collect();
        let what = if what.is_empty() { String::new() } else { format!(", {}", what.join(" ")) };
        let requests = crate::ui::format::counted(needed.requests, "request");
        text += &format!("    - {host:<width$}  # {requests} by {}{what}\n", steps.join(" "));
    }
    text
}

/// What a host was needed for.
#[derive(Default)]
struct Needed {
    requests: u64,
    steps: BTreeSet<u32>,
    ecosystems: BTreeSet<String>,
}

/// As `network.allow` has it: a port only where it is not the scheme's own.
fn host(url: &str) -> Option<String> {
    if let Some(address) = Address::parse(url) {
        return Some(quoted(address.authority()));
    }
    // What went through unread names host and port.
    let (scheme, rest) = url.split_once("://")?;
    (scheme == "tcp").then(|| quoted(rest.trim_end_matches('/').to_owned()))
}

/// An IPv6 address in brackets would be a list to YAML.
fn quoted(host: String) -> String {
    if host.starts_with('[') { format!("'{host}'") } else { host }
}

#[cfg(test)]
mod tests {
    use oci::record::Verdict;

    use super::*;

    #[test]
    fn hosts_are_listed_once_with_their_use() {
        let intake = |url: &str, ecosystem: &str| Intake {
            url: url.to_owned(),
            ecosystem: Some(ecosystem.to_owned()),
            ..Intake::default()
        };
        let refused = Verdict::Refused { rule: String::new(), reason: String::new() };
        let intakes = [
            (1, intake("https://pkgs.example.org/simple/six/", "pypi")),
            (3, intake("https://pkgs.example.org/a", "generic")),
            (3, intake("http://[2001:db8::1]:81/a", "generic")),
            (3, Intake { verdict: refused, ..intake("http://bad.example.org/", "generic") }),
            (3, intake("dns://x", "generic")),
        ];
        assert_eq!(
            yaml(&intakes),
            "network:\n  allow:\n    - '[2001:db8::1]:81'  # 1 request by #3\n    - pkgs.example.org    # 2 requests by #1 #3, pypi\n"
        );
        assert_eq!(yaml(&[]), "network:\n  allow: []\n");
    }
}
