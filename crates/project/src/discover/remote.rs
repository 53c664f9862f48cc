//! Whether a URL is that of the repository at hand.

/// How sure it is that a URL means the files at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// It is a remote of the repository.
    Yes,
    /// It has a remote's name, on another host or of another owner: a fork, a mirror.
    Fork,
    /// No remote is known.
    Unknown,
    /// It is another repository.
    No,
}

/// Whether a URL means the repository with these remotes.
pub fn same(url: &str, remotes: &[String]) -> Same {
    if remotes.is_empty() {
        return Same::Unknown;
    }
    let wanted = normal(url);
    let known: Vec<String> = remotes.iter().map(|remote| normal(remote)).collect();
    if known.contains(&wanted) {
        return Same::Yes;
    }
    let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    if known.iter().any(|known| name(known) == name(&wanted)) { Same::Fork } else { Same::No }
}

/// `host/owner/name` in small letters, whatever way of git's to write it: `https://u@host/owner/name.git`,
/// `git@host:owner/name`, `ssh://git@host:22/owner/name/`.
pub fn normal(url: &str) -> String {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://").map_or((None, url), |(scheme, rest)| (Some(scheme), rest));
    let rest = rest.split(['#', '?']).next().unwrap_or_default();
    let (host, path) = match (scheme, rest.split_once('/')) {
        (Some(_), Some((host, path))) => (host, path),
        // `host:path`, unless a slash comes first: then it is a path of this machine.
        (None, _) => match rest.split_once(':').filter(|(host, _)| !host.contains('/')) {
            Some((host, path)) => (host, path),
            None => ("", rest),
        },
        _ => (rest, ""),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = if scheme.is_some() { host.split(':').next().unwrap_or_default() } else { host };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    format!("{host}/{path}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_url_are_one() {
        for url in [
            "https://git.example.com/Team/forest.git",
            "https://user:token@git.example.com/team/forest/",
            "git@git.example.com:team/forest.git",
            "ssh://git@git.example.com:2222/team/forest",
        ] {
            assert_eq!(normal(url), "git.example.com/team/forest", "{url}");
        }
        assert_eq!(normal("/srv/git/forest.git"), "/srv/git/forest");
    }

    #[test]
    fn forks_are_told_from_others() {
        let remotes = ["git@git.example.com:me/forest.git".to_owned()];
        assert_eq!(same("https://git.example.com/me/forest", &remotes), Same::Yes);
        assert_eq!(same("https://example.org/org/forest.git", &remotes), Same::Fork);
        assert_eq!(same("https://example.org/org/other", &remotes), Same::No);
        assert_eq!(same("https://example.org/org/other", &[]), Same::Unknown);
    }
}
