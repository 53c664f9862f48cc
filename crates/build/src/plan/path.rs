//! Paths as text, without looking at any file: what BuildKit's front end does with the words of COPY and WORKDIR.

/// The shortest path that means the same by its letters alone: no empty parts, no `.`, `..` resolved where it can
/// be, `.` for nothing. `..` does not climb above `/`.
pub fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Two paths one below the other, cleaned. An empty one counts for nothing.
pub fn join(parent: &str, path: &str) -> String {
    match (parent, path) {
        ("", "") => String::new(),
        ("", path) => clean(path),
        (parent, "") => clean(parent),
        (parent, path) => clean(&format!("{parent}/{path}")),
    }
}

/// The last part: `/` for the root, `.` for nothing.
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() { "/" } else { path.rsplit('/').next().unwrap_or(path) }
}

/// The working directory after a WORKDIR: `path`, below `current` where it is relative. An absolute one stays as it is
/// written, slashes and all: so an image's configuration shows it.
pub fn workdir(current: &str, path: &str) -> String {
    let current = if current.starts_with('/') { current.to_owned() } else { join("/", current) };
    match path {
        "" => current,
        path if path.starts_with('/') => path.to_owned(),
        path => join(&current, path),
    }
}

/// The destination of a COPY: absolute, and still ending in `/` or `/.` if it did, for that says that it is a
/// directory. An empty one is the working directory itself.
pub fn destination(workdir: &str, path: &str) -> String {
    let path = if path.is_empty() || path == "." { "./" } else { path };
    let absolute = clean(&self::workdir(workdir, path));
    match () {
        () if absolute == "/" => absolute,
        () if path.ends_with('/') => absolute + "/",
        () if path.ends_with("/.") => absolute + "/.",
        () => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: impl AsRef<str>, expected: &str) {
        assert_eq!(result.as_ref(), expected);
    }

    #[test]
    fn clean_is_gos() {
        for (path, expected) in [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("//", "/"),
            ("a/b/..", "a"),
            ("a/..", "."),
            ("a/../..", ".."),
            ("../a", "../a"),
            ("/..", "/"),
            ("/../a", "/a"),
            ("a//b/./c/", "a/b/c"),
        ] {
            check(clean(path), expected);
        }
    }

    #[test]
    fn base_is_gos() {
        for (path, expected) in
            [("", "."), ("/", "/"), ("///", "/"), ("a/b", "b"), ("/a/b/", "b"), ("a", "a")]
        {
            check(base(path), expected);
        }
    }

    #[test]
    fn a_relative_workdir_goes_below_the_current_one() {
        for (current, path, expected) in [
            ("", "app", "/app"),
            ("/", "app", "/app"),
            ("/a", "b/../c", "/a/c"),
            ("/a", "/b//c/", "/b//c/"),
            ("/b//c/", "d", "/b/c/d"),
            ("/a", "..", "/"),
            ("/a", "", "/a"),
            ("a", "b", "/a/b"),
        ] {
            check(workdir(current, path), expected);
        }
    }

    #[test]
    fn a_destination_keeps_what_says_that_it_is_a_directory() {
        for (current, path, expected) in [
            ("/w", ".", "/w/"),
            ("/w", "", "/w/"),
            ("/w", "./", "/w/"),
            ("/w", "d/", "/w/d/"),
            ("/w", "d/.", "/w/d/."),
            ("/w", "f", "/w/f"),
            ("/w", "/", "/"),
            ("/w", "/x/..", "/"),
            ("/w", "../x/", "/x/"),
            ("", "f", "/f"),
            ("/", ".", "/"),
        ] {
            check(destination(current, path), expected);
        }
    }
}
