//! Git's smart http protocol, as far as a recorder must understand it: which refs a server named, and what of a
//! request decides its answer. (gitprotocol-http, gitprotocol-v2, gitprotocol-pack)

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

/// A ref and the object that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedRef {
    /// `HEAD`, `refs/heads/main`, `refs/tags/v1`.
    pub name: String,
    /// Hexadecimal, 40 or 64 digits.
    pub object: String,
    /// What an annotated tag points to.
    pub peeled: Option<String>,
}

/// A request to `git-upload-pack`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// `ls-refs` or `fetch`; of the protocol before version 2, which only fetches, `fetch`.
    pub command: String,
    /// Objects that are wanted.
    pub wants: Vec<String>,
    /// Everything else that decides the answer, sorted: `have …`, `deepen 1`, `ref-prefix …`, capabilities.
    pub others: Vec<String>,
}

/// More lines than the largest repositories have refs.
const MOST_LINES: usize = 4 << 20;

pub(super) fn recognise(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let git = |kind, mutability, path: &[&str]| {
        let found = Artifact::new(Ecosystem::Git, kind, mutability);
        let name = path.join("/");
        Some(found.named(name.strip_suffix(".git").unwrap_or(&name)))
    };
    match segments[..] {
        [ref path @ .., "info", "refs"] => {
            let service = address.query_value("service");
            let smart = service.is_some_and(|service| service.starts_with("git-"));
            let dumb = request.is_agent(&["git"]) || path.last().is_some_and(|part| part.ends_with(".git"));
            (smart || dumb).then(|| git(Kind::Index, Mutability::Mutable, path)).flatten()
        }
        [ref path @ .., "git-upload-pack" | "git-receive-pack"] if request.method == "POST" => {
            git(Kind::Question, Mutability::Mutable, path)
        }
        [ref path @ .., "info", "lfs", "objects", "batch"] => git(Kind::Question, Mutability::Mutable, path),
        [ref path @ .., "objects", "info", "packs"] => git(Kind::Index, Mutability::Mutable, path),
        [ref path @ .., "objects", fan, rest] if is_object(fan, rest) => {
            git(Kind::File, Mutability::Immutable, path)
        }
        _ => None,
    }
}

/// A loose object or a pack, both named by their content.
fn is_object(fan: &str, rest: &str) -> bool {
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pack = rest.strip_prefix("pack-").and_then(|rest| rest.split_once('.'));
    (fan.len() == 2 && hex(fan) && matches!(rest.len(), 38 | 62) && hex(rest))
        || (fan == "pack" && pack.is_some_and(|(name, _)| hex(name)))
}

/// The URL of the repository that a request of the protocol is about: what a user would clone.
pub fn repository(url: &str) -> Option<String> {
    let address = Address::parse(url)?;
    let path = ["/info/refs", "/git-upload-pack", "/git-receive-pack"]
        .iter()
        .find_map(|end| address.path.strip_suffix(end))?;
    Some(format!("{}://{}{path}", address.scheme, address.authority()))
}

/// The refs that an answer names: an advertisement of version 0 or 1, or an answer to `ls-refs`. Empty for anything
/// else, such as a pack or the capabilities of version 2.
pub fn refs(body: &[u8]) -> Vec<NamedRef> {
    let mut found: Vec<NamedRef> = Vec::new();
    for line in Lines(body).take(MOST_LINES) {
        let Some(text) = line.and_then(|line| std::str::from_utf8(line).ok()) else { continue };
        let text = text.split('\0').next().unwrap_or_default().trim_end_matches('\n');
        let Some((object, rest)) = text.split_once(' ').filter(|(object, _)| is_id(object)) else { continue };
        let mut words = rest.split(' ');
        let name = words.next().unwrap_or_default();
        let peeled = words.find_map(|word| word.strip_prefix("peeled:")).map(str::to_owned);
        match name.strip_suffix("^{}") {
            Some(tag) => {
                if let Some(last) = found.last_mut().filter(|last| last.name == tag) {
                    last.peeled = Some(object.to_owned());
                }
            }
            None if name.starts_with("refs/") || name == "HEAD" => {
                found.push(NamedRef { name: name.to_owned(), object: object.to_owned(), peeled });
            }
            None => {}
        }
    }
    found
}

/// A request of version 2 for everything that a clone looks at.
pub fn ask_for_refs() -> Vec<u8> {
    let packet = |line: &str| format!("{:04x}{line}", line.len() + 4);
    let arguments =
        ["peel\n", "symrefs\n", "ref-prefix HEAD\n", "ref-prefix refs/heads/\n", "ref-prefix refs/tags/\n"];
    let arguments: String = arguments.into_iter().map(packet).collect();
    format!("{}0001{arguments}0000", packet("command=ls-refs\n")).into_bytes()
}

/// The first object that a request wants: with a clone, what the repository's HEAD names.
pub fn wanted(body: &[u8]) -> Option<&str> {
    let mut lines = Lines(body).take(MOST_LINES).flatten();
    let found = lines.find_map(|line| std::str::from_utf8(line).ok()?.strip_prefix("want "))?;
    let object = found.split(|character: char| character.is_whitespace() || character == '\0').next()?;
    is_id(object).then_some(object)
}

impl Ask {
    /// Reads a request's body, decoded. `None` for what is none.
    pub fn parse(body: &[u8]) -> Option<Ask> {
        let mut ask = Ask::default();
        for line in Lines(body).take(MOST_LINES) {
            let Some(line) = line else { continue };
            let text = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
            ask.take(text);
        }
        ask.others.sort();
        ask.others.dedup();
        ask.wants.sort();
        ask.wants.dedup();
        if ask.command.is_empty() && !ask.wants.is_empty() {
            ask.command = "fetch".to_owned();
        }
        (!ask.command.is_empty()).then_some(ask)
    }

    fn take(&mut self, text: &str) {
        if let Some(command) = text.strip_prefix("command=") {
            command.clone_into(&mut self.command);
        } else if let Some(rest) = text.strip_prefix("want ") {
            // Before version 2 the first wish carries the capabilities.
            let (object, capabilities) = rest.split_once(' ').unwrap_or((rest, ""));
            self.wants.push(object.to_owned());
            for capability in capabilities.split(' ').filter(|word| !word.is_empty()) {
                self.take(capability);
            }
        } else if !is_about_the_client(text) {
            self.others.push(text.to_owned());
        }
    }

    /// The request in one form, whatever client wrote it: equal texts have equal answers.
    pub fn normalised(&self) -> String {
        let mut text = format!("command={}\n", self.command);
        for want in &self.wants {
            text += &format!("want {want}\n");
        }
        for other in &self.others {
            text += other;
            text.push('\n');
        }
        text
    }
}

/// Lines that name the client or its session and do not change the answer's meaning.
fn is_about_the_client(line: &str) -> bool {
    ["agent=", "session-id=", "server-option="].iter().any(|start| line.starts_with(start))
        || line == "no-progress"
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Packet lines: four hexadecimal digits of length, then the rest; `None` for the marks between sections. Ends at the
/// first thing that is none, as a pack is.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        let (digits, _) = self.0.split_at_checked(4)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        let length = usize::from_str_radix(digits, 16).ok()?;
        let (line, end) = match length {
            0..=2 => (None, 4),
            3 => return None,
            length => (Some(self.0.get(4..length)?), length),
        };
        self.0 = &self.0[end..];
        Some(line)
    }
}

/// Feeds both readers with anything.
pub(super) fn fuzz(data: &[u8]) -> (usize, bool) {
    let _ = wanted(data);
    (refs(data).len(), Ask::parse(data).is_some_and(|ask| !ask.normalised().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn packets(lines: &[&str]) -> Vec<u8> {
        let packet = |line: &&str| match *line {
            "flush" => "0000".to_owned(),
            "delimiter" => "0001".to_owned(),
            line => format!("{:04x}{line}", line.len() + 4),
        };
        lines.iter().map(packet).collect::<String>().into_bytes()
    }

    #[test]
    fn refs_of_both_protocols() {
        let names = |body: &[u8]| {
            let show = |found: NamedRef| {
                format!(
                    "{} {}{}",
                    found.name,
                    &found.object[..1],
                    found.peeled.map(|peeled| format!(" ^{}", &peeled[..1])).unwrap_or_default()
                )
            };
            refs(body).into_iter().map(show).collect::<Vec<_>>()
        };
        let old = packets(&[
            "# service=git-upload-pack\n",
            "flush",
            &format!("{A} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git/2\n"),
            &format!("{A} refs/heads/main\n"),
            &format!("{B} refs/tags/v1\n"),
            &format!("{A} refs/tags/v1^{{}}\n"),
            "flush",
        ]);
        assert_eq!(names(&old), ["HEAD 1", "refs/heads/main 1", "refs/tags/v1 2 ^1"]);
        let new = packets(&[
            &format!("{A} HEAD symref-target:refs/heads/main\n"),
            &format!("{B} refs/tags/v1 peeled:{A}\n"),
            "unborn refs/heads/x\n",
            "flush",
        ]);
        assert_eq!(names(&new), ["HEAD 1", "refs/tags/v1 2 ^1"]);
        let capabilities = packets(&["version 2\n", "ls-refs=unborn\n", "flush"]);
        assert_eq!(names(&capabilities), Vec::<String>::new());
        assert_eq!(names(b"PACK\0\0\0\x02"), Vec::<String>::new());
    }

    #[test]
    fn equal_wishes_are_equal_requests() {
        let one = packets(&[
            "command=fetch",
            "agent=git/2.39",
            "object-format=sha1",
            "delimiter",
            "thin-pack",
            "no-progress",
            &format!("want {B}\n"),
            &format!("want {A}\n"),
            "deepen 1",
            "done\n",
            "flush",
        ]);
        let other = packets(&[
            "command=fetch",
            "agent=git/2.45-Linux",
            "session-id=x",
            "object-format=sha1",
            "delimiter",
            "deepen 1",
            "thin-pack",
            &format!("want {A}\n"),
            &format!("want {A}\n"),
            &format!("want {B}\n"),
            "done\n",
            "flush",
        ]);
        let (one, other) = (Ask::parse(&one).unwrap(), Ask::parse(&other).unwrap());
        assert_eq!(one.normalised(), other.normalised());
        assert_eq!(one.wants, [A, B]);
        assert_eq!(wanted(&packets(&["command=fetch", "delimiter", &format!("want {B}\n")])), Some(B));
        assert_eq!(wanted(&packets(&[&format!("want {A} multi_ack agent=git/1\n")])), Some(A));
        assert_eq!(wanted(&packets(&["command=ls-refs", "want x\n"])), None);
        let old = Ask::parse(&packets(&[
            &format!("want {A} multi_ack agent=git/1 ofs-delta\n"),
            "deepen 1",
            "flush",
            "done\n",
        ]))
        .unwrap();
        assert_eq!(
            old.normalised(),
            format!("command=fetch\nwant {A}\ndeepen 1\ndone\nmulti_ack\nofs-delta\n")
        );
        assert_eq!(Ask::parse(b"0000"), None);
        assert_eq!(Ask::parse(b"garbage"), None);
    }

    #[test]
    fn what_is_asked_of_a_repository_is_understood() {
        let ask = Ask::parse(&ask_for_refs()).unwrap();
        assert_eq!((ask.command.as_str(), ask.others.len(), ask.wants.len()), ("ls-refs", 5, 0));
    }

    #[test]
    fn the_repository_is_what_a_user_clones() {
        assert_eq!(
            repository("https://h:8/o/r.git/info/refs?service=git-upload-pack").as_deref(),
            Some("https://h:8/o/r.git")
        );
        assert_eq!(repository("http://h/r/git-upload-pack").as_deref(), Some("http://h/r"));
        assert_eq!(repository("http://h/r"), None);
    }
}
