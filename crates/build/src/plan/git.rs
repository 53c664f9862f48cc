//! Git repositories as sources: `https://host/team/app.git#branch:directory`, as `ADD` and build contexts name them.

use std::fmt;

/// A place in a git repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GitReference {
    /// The repository's URL or scp-like address, without fragment and query.
    pub remote: String,
    /// A branch, a tag, a commit, or a full `refs/...` name; nothing means the default branch.
    pub revision: Option<String>,
    /// The commit that the revision must be (`checksum=`), perhaps abbreviated.
    pub commit: Option<String>,
    /// A directory in the repository; nothing means all of it.
    pub directory: Option<String>,
    /// Whether `.git` stays in the tree, where the reference says so.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched too, where the reference says so.
    pub submodules: Option<bool>,
}

impl GitReference {
    /// Reads a word. Nothing means that it is not a git reference at all; an error is a fragment about one that is.
    ///
    /// An `http` or `https` URL is one only if its path ends in `.git`; `git://`, `ssh://` and `user@host:path`
    /// always are.
    pub fn parse(word: &str) -> Option<Result<GitReference, String>> {
        let (rest, fragment) = word.split_once('#').map_or((word, None), |(rest, part)| (rest, Some(part)));
        let (remote, query) = if is_scp(rest) {
            (rest, None)
        } else {
            let scheme = rest.split_once("://")?.0;
            let (remote, query) =
                rest.split_once('?').map_or((rest, None), |(remote, part)| (remote, Some(part)));
            match scheme {
                "http" | "https" if remote.ends_with(".git") => {}
                "git" | "ssh" => {}
                _ => return None,
            }
            (remote, query)
        };
        let mut reference = GitReference { remote: remote.to_owned(), ..GitReference::default() };
        if let Some(fragment) = fragment {
            let (revision, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
            reference.revision = non_empty(revision);
            reference.directory = non_empty(directory);
        }
        Some(query.map_or(Ok(()), |query| reference.read_query(query)).map(|()| reference))
    }

    fn read_query(&mut self, query: &str) -> Result<(), String> {
        let (mut tag, mut branch) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unescape(value);
            if value.is_empty() && !matches!(key, "submodules" | "keep-git-dir") {
                return Err(format!("query `{key}` has no value"));
            }
            match key {
                "ref" => set(&mut self.revision, "ref", value)?,
                "subdir" => set(&mut self.directory, "subdir", value)?,
                "tag" => set(&mut tag, "tag", value)?,
                "branch" => set(&mut branch, "branch", value)?,
                "checksum" | "commit" => set(&mut self.commit, "checksum", value)?,
                "keep-git-dir" => self.keep_git_dir = Some(boolean(key, &value)?),
                "submodules" => self.submodules = Some(boolean(key, &value)?),
                _ => return Err(format!("unknown query `{key}`")),
            }
        }
        let named = match (tag, branch) {
            (Some(_), Some(_)) => return Err("query `branch` and query `tag` exclude each other".to_owned()),
            (Some(tag), None) => Some(full_name("refs/tags/", tag)),
            (None, Some(branch)) => Some(full_name("refs/heads/", branch)),
            (None, None) => None,
        };
        if let Some(named) = named {
            set(&mut self.revision, "ref", named)?;
        }
        if self.revision.is_none() {
            self.revision.clone_from(&self.commit);
        }
        Ok(())
    }
}

impl fmt::Display for GitReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.remote)?;
        if self.revision.is_some() || self.directory.is_some() {
            write!(formatter, "#{}", self.revision.as_deref().unwrap_or_default())?;
        }
        match &self.directory {
            Some(directory) => write!(formatter, ":{directory}"),
            None => Ok(()),
        }
    }
}

/// `user@host:path`, ssh's old form.
fn is_scp(word: &str) -> bool {
    let Some((user, rest)) = word.split_once('@') else { return false };
    let Some((host, path)) = rest.split_once(':') else { return false };
    let plain = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    plain(user, "-_.+") && plain(host, "-.") && !path.is_empty()
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn full_name(prefix: &str, name: String) -> String {
    if name.starts_with(prefix) { name } else { format!("{prefix}{name}") }
}

fn set(slot: &mut Option<String>, key: &str, value: String) -> Result<(), String> {
    match slot {
        Some(before) if *before != value => Err(format!("`{key}` is given twice: `{before}` and `{value}`")),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("query `{key}` is true or false, not `{value}`")),
    }
}

/// Percent-encoding undone; what is not valid stays as it is.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<(&str, &str, &str)>) {
        let reference = GitReference::parse(word).map(|reference| reference.unwrap());
        let parts = reference.map(|reference| {
            (
                reference.remote,
                reference.revision.unwrap_or_default(),
                reference.directory.unwrap_or_default(),
            )
        });
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(parts, expected, "{word}");
    }

    #[test]
    fn what_is_a_repository() {
        check("https://h/a.git", Some(("https://h/a.git", "", "")));
        check("http://h/a.git#v1", Some(("http://h/a.git", "v1", "")));
        check("https://h/a.git#v1:sub/dir", Some(("https://h/a.git", "v1", "sub/dir")));
        check("https://h/a.git#:sub", Some(("https://h/a.git", "", "sub")));
        check("git://h/a", Some(("git://h/a", "", "")));
        check("ssh://git@h/a#x/y", Some(("ssh://git@h/a", "x/y", "")));
        check("git@h:team/a.git#x", Some(("git@h:team/a.git", "x", "")));
    }

    #[test]
    fn what_is_not() {
        for word in [
            "https://h/a",
            "https://h/a.tar.gz",
            "a.git",
            "./git@h:x",
            "../a.git",
            "file",
            "h/a.git",
            "ftp://h/a.git",
        ] {
            check(word, None);
        }
    }

    #[test]
    fn queries() {
        check("https://h/a.git?ref=v1&subdir=d", Some(("https://h/a.git", "v1", "d")));
        check("https://h/a.git?tag=v1", Some(("https://h/a.git", "refs/tags/v1", "")));
        check("https://h/a.git?branch=refs/heads/b%2Fc", Some(("https://h/a.git", "refs/heads/b/c", "")));
        check("https://h/a.git?checksum=abc", Some(("https://h/a.git", "abc", "")));
        let reference =
            GitReference::parse("https://h/a.git?keep-git-dir&submodules=false").unwrap().unwrap();
        assert_eq!((reference.keep_git_dir, reference.submodules), (Some(true), Some(false)));
    }

    #[test]
    fn wrong_queries() {
        for (query, expected) in [
            ("x=1", "unknown query `x`"),
            ("ref", "query `ref` has no value"),
            ("ref=a&ref=b", "`ref` is given twice: `a` and `b`"),
            ("tag=a&branch=b", "query `branch` and query `tag` exclude each other"),
            ("submodules=perhaps", "query `submodules` is true or false, not `perhaps`"),
        ] {
            let error = GitReference::parse(&format!("https://h/a.git?{query}")).unwrap().unwrap_err();
            assert_eq!(error, expected);
        }
    }
}
