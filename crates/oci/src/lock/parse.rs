//! Text to a lock. The order of lines does not matter: people merge.

use super::request::{VARIANT_DIGITS, normalised_url};
use super::{Content, Download, ImageLock, Lock, LockError, RequestKey, Source, VERSION};
use crate::Digest;
use crate::time::parse_rfc3339;

/// Larger than the lock of a thousand images.
const LARGEST: usize = 256 << 20;

pub(super) fn parse(text: &str) -> Result<Lock, LockError> {
    let mut lock = Lock::default();
    let mut image: Option<&mut ImageLock> = None;
    if text.len() > LARGEST {
        return Err(Line { number: 1, start: 0, text: "" }.error("the file is larger than a lock can be"));
    }
    let mut start = 0;
    for (index, raw) in text.split_inclusive('\n').enumerate() {
        let line = Line { number: index + 1, start, text: raw.trim_end_matches(['\n', '\r']) };
        start += raw.len();
        if index == 0 {
            line.version()?;
        }
        let mut words = Words::of(line);
        let Some(kind) = words.next() else { continue };
        match (kind.text, &mut image) {
            (comment, _) if comment.starts_with('#') => {}
            ("image", _) => {
                let name = words.word("a name")?.decoded();
                words.end()?;
                image = Some(lock.images.entry(name).or_default());
            }
            (marker, _) if ["<<<<<<<", "=======", ">>>>>>>"].contains(&marker) => {
                let error = kind.error("a merge was not finished here");
                return Err(LockError {
                    hint: Some("keep either side and run `kapok build --lock`"),
                    ..error
                });
            }
            (_, None) => return Err(kind.error("a line before the first `image`")),
            (_, Some(image)) => entry(kind, words, image)?,
        }
    }
    if text.is_empty() {
        Line { number: 1, start: 0, text: "" }.version()?;
    }
    Ok(lock)
}

fn entry(kind: Word<'_>, mut words: Words<'_>, image: &mut ImageLock) -> Result<(), LockError> {
    match kind.text {
        "base" => {
            let (reference, platform) = (words.word("a reference")?, words.word("a platform")?);
            let digest = words.digest()?;
            words.end()?;
            let before = image.bases.insert((reference.decoded(), platform.decoded()), digest);
            same(kind, before, digest)
        }
        "add" => {
            let (url, content) = (words.url()?, words.content()?);
            let mut source = Source { content, modified: None, name: None };
            for word in words {
                match (word.text.strip_prefix("name="), parse_rfc3339(word.text)) {
                    (Some(name), _) if !name.is_empty() => {
                        source.name = Some(Word { text: name, ..word }.decoded())
                    }
                    (_, Some(time)) => source.modified = Some(time),
                    _ => return Err(word.error(format!("`{}` is not expected here", word.text))),
                }
            }
            same(kind, image.sources.insert(url, source.clone()), source)
        }
        "commit" => {
            let (repository, asked) = (words.word("a repository")?, words.word("a branch, tag or commit")?);
            let commit = words.word("a commit")?;
            words.end()?;
            let key = (repository.decoded(), asked.decoded());
            same(kind, image.commits.insert(key, commit.decoded()), commit.decoded())
        }
        "index" | "package" | "file" | "answer" => {
            let (key, download) = download(kind.text, &mut words)?;
            same(kind, image.downloads.insert(key, download.clone()), download)
        }
        _ => {
            let error = kind.error(format!("`{}` begins no line of a lock", kind.text));
            let hint =
                "lines begin with `image`, `base`, `add`, `commit`, `index`, `package`, `file` or `answer`";
            Err(LockError { hint: Some(hint), ..error })
        }
    }
}

fn download(kind: &str, words: &mut Words<'_>) -> Result<(RequestKey, Download), LockError> {
    let url = words.url()?;
    let mut key = RequestKey { url, method: "GET".to_owned(), variant: None };
    let mut found = Download { status: 200, content: None, mutable: kind == "index", purl: None };
    if kind == "answer" {
        let method = words.word("a method")?;
        if !method.text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(method.error(format!("`{}` is no method", method.text)));
        }
        method.text.clone_into(&mut key.method);
        let status = words.word("a status")?;
        let number = status.text.parse().ok().filter(|status| (100..1000).contains(status));
        found.status = number.ok_or_else(|| status.error(format!("`{}` is no status", status.text)))?;
        if words.peek().is_some_and(|word| word.text.contains(':') && !word.text.starts_with("pkg:")) {
            found.content = Some(words.content()?);
        }
    } else {
        found.content = Some(words.content()?);
    }
    if kind == "package"
        || (kind == "answer" && words.peek().is_some_and(|word| word.text.starts_with("pkg:")))
    {
        let purl = words.word("a package URL")?;
        if !purl.text.starts_with("pkg:") {
            return Err(purl.error(format!("`{}` is no package URL", purl.text)));
        }
        found.purl = Some(purl.text.to_owned());
    }
    if kind == "answer" && words.peek().is_some_and(|word| word.text == "mutable") {
        words.next();
        found.mutable = true;
    }
    if let Some(word) = words.next() {
        let variant = word.text.strip_prefix("for=").filter(|digits| {
            digits.len() == VARIANT_DIGITS
                && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        let error = || word.error(format!("`{}` is not expected here", word.text));
        key.variant = Some(variant.ok_or_else(error)?.to_owned());
    }
    words.end()?;
    Ok((key, found))
}

/// The same line twice is a merge's doing; two answers to one question are a mistake.
fn same<T: PartialEq>(kind: Word<'_>, before: Option<T>, now: T) -> Result<(), LockError> {
    if before.is_none_or(|before| before == now) {
        return Ok(());
    }
    let error = kind.line.error("an earlier line says otherwise");
    Err(LockError { hint: Some("keep one of the two and run `kapok build --lock`"), ..error })
}

#[derive(Clone, Copy)]
struct Line<'t> {
    number: usize,
    start: usize,
    text: &'t str,
}

impl Line<'_> {
    fn error(self, message: impl Into<String>) -> LockError {
        let span = self.start..self.start + self.text.len();
        LockError { line: self.number, span, message: message.into(), hint: None }
    }

    /// `# kapok.lock 1`.
    fn version(self) -> Result<(), LockError> {
        let text = self.text.trim_start_matches('\u{feff}');
        let Some(version) = text.strip_prefix("# kapok.lock ") else {
            return Err(self.error(format!("a lock begins with `# kapok.lock {VERSION}`")));
        };
        match version.trim().parse::<u32>() {
            Ok(VERSION) => Ok(()),
            Ok(newer) if newer > VERSION => {
                Err(self.error(format!("this lock has version {newer}; this Kapok reads version {VERSION}")))
            }
            _ => Err(self.error(format!("`{version}` is no version of a lock"))),
        }
    }
}

#[derive(Clone, Copy)]
struct Word<'t> {
    line: Line<'t>,
    start: usize,
    text: &'t str,
}

impl Word<'_> {
    fn error(self, message: impl Into<String>) -> LockError {
        let span = self.start..self.start + self.text.len();
        LockError { span, ..self.line.error(message) }
    }

    /// With its percent-encoding undone.
    fn decoded(self) -> String {
        let bytes = self.text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
            let digits = pair.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
            let byte = digits.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
            out.push(byte.unwrap_or(bytes[at]));
            at += if byte.is_some() { 3 } else { 1 };
        }
        String::from_utf8(out).unwrap_or_else(|_| self.text.to_owned())
    }
}

/// The words of a line, each with its place.
struct Words<'t> {
    line: Line<'t>,
    /// Bytes of the line that were read.
    at: usize,
}

impl<'t> Words<'t> {
    fn of(line: Line<'t>) -> Words<'t> {
        Words { line, at: 0 }
    }

    fn peek(&self) -> Option<Word<'t>> {
        Words { line: self.line, at: self.at }.next()
    }

    fn word(&mut self, what: &str) -> Result<Word<'t>, LockError> {
        let end = self.line.start + self.line.text.len();
        let missing =
            LockError { span: end..end, ..self.line.error(format!("{what} is missing at the end")) };
        self.next().ok_or(missing)
    }

    fn url(&mut self) -> Result<String, LockError> {
        let word = self.word("a URL")?;
        match word.text.contains("://") {
            true => Ok(normalised_url(word.text)),
            false => Err(word.error(format!("`{}` is no URL", word.text))),
        }
    }

    fn digest(&mut self) -> Result<Digest, LockError> {
        let word = self.word("a digest")?;
        word.text.parse().map_err(|error| word.error(format!("{error}")))
    }

    fn content(&mut self) -> Result<Content, LockError> {
        let digest = self.digest()?;
        let word = self.word("a size")?;
        let size = word.text.parse().map_err(|_| word.error(format!("`{}` is no size", word.text)))?;
        Ok(Content { digest, size })
    }

    fn end(&mut self) -> Result<(), LockError> {
        match self.next() {
            Some(word) => Err(word.error(format!("`{}` is not expected here", word.text))),
            None => Ok(()),
        }
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        let rest = &self.line.text[self.at..];
        let blanks = rest.len() - rest.trim_start().len();
        let rest = &rest[blanks..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let start = self.line.start + self.at + blanks;
        self.at += blanks + length;
        Some(Word { line: self.line, start, text: &rest[..length] })
    }
}
