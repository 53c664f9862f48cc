//! The Python package index: `simple/NAME/` lists files, wheels and sdists are files with telling names.
//! (PEP 503, 691, 700; file names by PEP 427 and 625)

mod version;

use super::artifact::{Artifact, Ecosystem, Kind};
use super::request::{Address, Request};

pub(super) use version::is_version;

const SDISTS: &[&str] = &[".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz"];
const CLIENTS: &[&str] = &["pip", "uv", "poetry", "pdm", "setuptools", "pipenv", "hatch"];

pub(super) fn recognise(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let (last, before) = segments.split_last()?;
    if !address.is_directory()
        && let Some(found) = file(last, before)
    {
        return Some(found);
    }
    api(&segments).or_else(|| simple(request, address, &segments))
}

/// `simple/` and `simple/NAME/`, whatever stands before.
fn simple(request: &Request<'_>, address: &Address, segments: &[&str]) -> Option<Artifact> {
    let said = request.speaks("vnd.pypi.simple") || request.is_agent(CLIENTS);
    if !said && !address.is_directory() {
        return None;
    }
    match segments {
        [.., "simple"] => Some(Artifact::index(Ecosystem::PyPi)),
        [.., "simple", name] if is_name(name) => {
            Some(Artifact::index(Ecosystem::PyPi).named(&normal_name(name)))
        }
        _ => None,
    }
}

/// `pypi/NAME/json`, `pypi/NAME/VERSION/json`.
fn api(segments: &[&str]) -> Option<Artifact> {
    match segments {
        [.., "pypi", name, "json"] if is_name(name) => {
            Some(Artifact::index(Ecosystem::PyPi).named(&normal_name(name)))
        }
        [.., "pypi", name, version, "json"] if is_name(name) && is_version(version) => {
            let index = Artifact::index(Ecosystem::PyPi).named(&normal_name(name));
            Some(index.versioned(version).kind(Kind::Metadata))
        }
        _ => None,
    }
}

fn file(last: &str, before: &[&str]) -> Option<Artifact> {
    let (file, kind) = match last.strip_suffix(".metadata").or_else(|| last.strip_suffix(".asc")) {
        Some(file) if last.ends_with(".asc") => (file, Kind::Signature),
        Some(file) => (file, Kind::Metadata),
        None => (last, Kind::Package),
    };
    let wheel = file.ends_with(".whl") || file.ends_with(".egg");
    if !wheel && !is_kept_by_an_index(before) {
        return None;
    }
    let found = File::parse(file)?;
    let package = Artifact::package(Ecosystem::PyPi, &found.name, &found.version);
    Some(package.kind(kind).prebuilt(found.prebuilt && kind == Kind::Package))
}

/// Whether sdists may stand here: a name and a version with a dash between them are too common for the name alone.
fn is_kept_by_an_index(before: &[&str]) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match before {
        // By digest, in two or three levels.
        [.., "packages", a, b, rest] if a.len() == 2 && b.len() == 2 && hex(a) && hex(b) && hex(rest) => true,
        // Name and version, or `source` and the first letter.
        [.., "packages", name, version] if is_name(name) && is_version(version) => true,
        [.., "packages", "source", _, _] | [.., "packages"] => true,
        [.., "+f", _, _] | [.., "pypi", "files", _] => true,
        _ => false,
    }
}

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// In normal form.
    pub name: String,
    /// As the name has it.
    pub version: String,
    /// A wheel or an egg.
    pub prebuilt: bool,
}

impl File {
    /// `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl`, `NAME-VERSION.tar.gz`.
    pub fn parse(file: &str) -> Option<File> {
        if let Some(stem) = file.strip_suffix(".whl") {
            let parts: Vec<&str> = stem.split('-').collect();
            let (5 | 6, [name, version, ..]) = (parts.len(), &parts[..]) else { return None };
            return File::checked(name, version, true);
        }
        if let Some(stem) = file.strip_suffix(".egg") {
            let mut parts = stem.split('-');
            return File::checked(parts.next()?, parts.next()?, true);
        }
        let stem = SDISTS.iter().find_map(|form| file.strip_suffix(form))?;
        // Names may hold dashes, and versions too: the first dash after which a whole version stands.
        stem.match_indices('-').find_map(|(at, _)| File::checked(&stem[..at], &stem[at + 1..], false))
    }

    fn checked(name: &str, version: &str, prebuilt: bool) -> Option<File> {
        let version = version.replace('_', "+");
        let checked = is_version(&version) || is_version(&version.replace('+', "-"));
        (is_name(name) && checked).then(|| File { name: normal_name(name), version, prebuilt })
    }
}

/// PEP 508's names.
fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.len() <= 200
        && text.bytes().all(plain)
}

/// PEP 503's normal form: lower case, runs of `-`, `_`, `.` are one `-`.
pub(super) fn normal_name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_say_name_and_version() {
        let check = |file: &str, wanted: Option<(&str, &str, bool)>| {
            let found = File::parse(file);
            let found = found.as_ref().map(|file| (file.name.as_str(), file.version.as_str(), file.prebuilt));
            assert_eq!(found, wanted, "{file}");
        };
        check("typing_extensions-4.12.2-py3-none-any.whl", Some(("typing-extensions", "4.12.2", true)));
        check("numpy-2.0.0-1-cp312-cp312-manylinux_2_17_x86_64.whl", Some(("numpy", "2.0.0", true)));
        check("torch-2.3.0+cu121-cp312-cp312-linux_x86_64.whl", Some(("torch", "2.3.0+cu121", true)));
        check("python-dateutil-2.9.0.post0.tar.gz", Some(("python-dateutil", "2.9.0.post0", false)));
        check("zope.interface-6.0.tar.gz", Some(("zope-interface", "6.0", false)));
        check("foo-1.0-1.tar.gz", Some(("foo", "1.0-1", false)));
        check("mpl-3d-1.2.zip", Some(("mpl-3d", "1.2", false)));
        check("pkg-1!2.0rc1.tar.gz", Some(("pkg", "1!2.0rc1", false)));
        for none in ["six.whl", "six-1.whl", "README.tar.gz", "six-latest.tar.gz", "-1.0.tar.gz", "a-1.0.exe"]
        {
            check(none, None);
        }
    }

    #[test]
    fn names_have_one_form() {
        for text in ["Foo.Bar", "foo__bar", "FOO-_.bar"] {
            assert_eq!(normal_name(text), "foo-bar");
        }
    }
}
