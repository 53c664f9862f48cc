//! COPY and ADD: what is copied from where.

use dockerfile::expand::Options;
use dockerfile::mode::Mode;
use dockerfile::{Add, Copy, Diagnostic, Heredoc, Rule, Span, Word};
use oci::Digest;

use super::draft::Draft;
use super::git::GitReference;
use super::model::{CopyAction, CopySource, TreeSource, Unpack};
use super::path;

/// Plans a COPY. Nothing where it is in error.
pub fn plan_copy(draft: &mut Draft<'_, '_>, copy: &Copy) -> Option<CopyAction> {
    let tree = match &copy.from {
        None => Some(TreeSource::MainContext),
        Some(from) => draft.tree(&from.raw, true, from.span),
    };
    let flags = Flags {
        add: false,
        chown: copy.chown.as_ref(),
        chmod: copy.chmod.as_ref(),
        link: copy.link,
        parents: copy.parents,
        exclude: &copy.exclude,
        unpack: Unpack::default(),
    };
    let parts = Parts { sources: &copy.sources, inline: &copy.inline, destination: &copy.destination };
    let action = common(draft, &flags, &parts, |draft, word, path| {
        if is_git(&path) {
            draft.error(remote_in_copy(word.span, "git repository"));
            return None;
        }
        if is_url(&path) {
            draft.error(remote_in_copy(word.span, "URL"));
            return None;
        }
        let from = tree.clone()?;
        warn_ignored(draft, &from, &path, word.span);
        Some(CopySource::Path { from, path })
    });
    tree.and(action)
}

/// Plans an ADD. Nothing where it is in error.
pub fn plan_add(draft: &mut Draft<'_, '_>, add: &Add) -> Option<CopyAction> {
    let checksum = match &add.checksum {
        None => None,
        Some(word) => {
            let checksum = draft.expand(word)?;
            if add.sources.len() + add.inline.len() != 1 {
                draft.error(Diagnostic::error(word.span, "`--checksum` is for a single source"));
                return None;
            }
            (!checksum.is_empty()).then_some((checksum, word.span))
        }
    };
    let flags = Flags {
        add: true,
        chown: add.chown.as_ref(),
        chmod: add.chmod.as_ref(),
        link: add.link,
        parents: false,
        exclude: &add.exclude,
        unpack: Unpack { local: add.unpack.unwrap_or(true), remote: add.unpack.unwrap_or(false) },
    };
    let parts = Parts { sources: &add.sources, inline: &add.inline, destination: &add.destination };
    common(draft, &flags, &parts, |draft, word, path| add_source(draft, add, word, path, checksum.as_ref()))
}

fn add_source(
    draft: &mut Draft<'_, '_>,
    add: &Add,
    word: &Word,
    path: String,
    checksum: Option<&(String, Span)>,
) -> Option<CopySource> {
    if let Some(parsed) = GitReference::parse(&path) {
        let parsed = parsed.and_then(|reference| git_source(add, reference, checksum));
        return parsed.map_err(|message| draft.error(Diagnostic::error(word.span, message))).ok();
    }
    if is_url(&path) {
        let checksum = match checksum {
            None => None,
            Some((text, span)) => match text.parse::<Digest>() {
                Ok(digest) => Some(digest),
                Err(error) => {
                    let hint = "write it as `sha256:` and 64 hexadecimal digits";
                    draft.error(Diagnostic::error(*span, error.to_string()).hint(hint));
                    return None;
                }
            },
        };
        let file_name = file_name(&path);
        return Some(CopySource::Url { url: path, file_name, checksum });
    }
    if let Some((_, span)) = checksum {
        let message = "`--checksum` is for a URL or a git repository";
        draft.error(Diagnostic::error(*span, message).label("the source is a path"));
        return None;
    }
    warn_ignored(draft, &TreeSource::MainContext, &path, word.span);
    Some(CopySource::Path { from: TreeSource::MainContext, path })
}

/// Warns of a source that the ignore file keeps out. Where some of it may be taken back in, nobody can say from here.
fn warn_ignored(draft: &mut Draft<'_, '_>, from: &TreeSource, source: &str, span: Span) {
    /// No name that anybody gives: only a pattern for all names matches it.
    const ANY_NAME: &str = "\u{1}";
    let Some(ignore) = draft.ignore().filter(|ignore| !ignore.has_exceptions()) else { return };
    let clean = path::clean(source);
    let name =
        Some(clean.trim_start_matches('/')).filter(|name| !matches!(*name, "" | ".")).unwrap_or(ANY_NAME);
    if *from == TreeSource::MainContext && ignore.is_ignored(name) {
        draft.warn(Rule::CopyIgnoredFile, span, format!("`{source}` is excluded by the ignore file"));
    }
}

fn git_source(
    add: &Add,
    mut reference: GitReference,
    checksum: Option<&(String, Span)>,
) -> Result<CopySource, String> {
    let keep_git_dir = match (add.keep_git_dir, reference.keep_git_dir) {
        (Some(flag), Some(query)) if flag != query => {
            return Err("`--keep-git-dir` and the query `keep-git-dir` contradict each other".to_owned());
        }
        (flag, query) => query.or(flag).unwrap_or(false),
    };
    match (checksum, &reference.commit) {
        (Some((flag, _)), Some(query)) if flag != query => {
            return Err("`--checksum` and the query `checksum` contradict each other".to_owned());
        }
        (Some((flag, _)), None) => reference.commit = Some(flag.clone()),
        _ => {}
    }
    Ok(CopySource::Git { reference, keep_git_dir })
}

struct Flags<'i> {
    add: bool,
    chown: Option<&'i Word>,
    chmod: Option<&'i Word>,
    link: bool,
    parents: bool,
    exclude: &'i [Word],
    unpack: Unpack,
}

struct Parts<'i> {
    sources: &'i [Word],
    inline: &'i [Heredoc],
    destination: &'i Word,
}

fn common<'p, 'a>(
    draft: &mut Draft<'p, 'a>,
    flags: &Flags<'_>,
    parts: &Parts<'_>,
    mut source: impl FnMut(&mut Draft<'p, 'a>, &Word, String) -> Option<CopySource>,
) -> Option<CopyAction> {
    let expand = |draft: &mut Draft<'_, '_>, word: Option<&Word>| match word {
        None => Some(None),
        Some(word) => draft.expand(word).map(|text| Some(text).filter(|text| !text.is_empty())),
    };
    let mut line = if flags.add { "ADD".to_owned() } else { "COPY".to_owned() };
    if flags.parents {
        line += " --parents";
    }
    let chown = expand(draft, flags.chown);
    if let Some(Some(chown)) = &chown {
        line = line + " --chown=" + chown;
    }
    let chmod = expand(draft, flags.chmod).and_then(|text| {
        if let Some(text) = &text {
            line = format!("{line} --chmod={text}");
        }
        mode(draft, text, flags.chmod)
    });
    let mut sources = Vec::new();
    let mut complete = true;
    for word in parts.sources {
        let planned = draft.expand(word).and_then(|path| {
            line = format!("{line} {path}");
            source(draft, word, path)
        });
        complete &= planned.is_some();
        sources.extend(planned);
    }
    for heredoc in parts.inline {
        line = line + " <<" + &heredoc.name;
        let content = inline_content(draft, heredoc);
        complete &= content.is_some();
        sources.extend(content.map(|content| CopySource::Inline { name: heredoc.name.clone(), content }));
    }
    let written = draft.expand(parts.destination);
    if let Some(written) = &written {
        line = line + " " + written;
    }
    draft.commit(line + " # buildkit", true);
    let destination = path::destination(&draft.config.config.working_dir, &written?);
    let (chown, chmod) = (chown?, chmod?);
    let exclude = flags.exclude.iter().map(|word| word.raw.clone()).collect();
    let (add, link, parents, unpack) = (flags.add, flags.link, flags.parents, flags.unpack);
    complete.then_some(CopyAction { add, sources, destination, chown, chmod, link, parents, exclude, unpack })
}

fn mode(draft: &mut Draft<'_, '_>, text: Option<String>, word: Option<&Word>) -> Option<Option<Mode>> {
    let (Some(text), Some(word)) = (text, word) else { return Some(None) };
    match Mode::parse(&text) {
        Ok(mode) => Some(Some(mode)),
        Err(error) => {
            let hint = "it is octal, such as `0755`, or symbolic, such as `u=rwX,go=rX`";
            draft.error(Diagnostic::error(word.span, error.to_string()).hint(hint));
            None
        }
    }
}

/// A heredoc's content. Where it expands, a backslash takes away the next character's meaning, and quotes mean
/// nothing; the file's escape directive does not hold here.
fn inline_content(draft: &mut Draft<'_, '_>, heredoc: &Heredoc) -> Option<String> {
    if !heredoc.expand {
        return Some(heredoc.content.clone());
    }
    let options = Options { skip_quotes: true, ..Options::new('\\') };
    draft.expand_text(&heredoc.content, heredoc.span, options).map(|expanded| expanded.word)
}

fn is_url(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

fn is_git(path: &str) -> bool {
    GitReference::parse(path).is_some()
}

fn remote_in_copy(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(span, format!("COPY takes no {what}")).hint("use ADD")
}

/// The name that a download gets in a directory: the last part of the URL's path.
fn file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.find('/').map_or("", |slash| &rest[slash..]);
    let decoded = decode(path);
    match path::base(&path::clean(&decoded)) {
        "." | "/" | ".." => "__unnamed__".to_owned(),
        name => name.to_owned(),
    }
}

/// Percent-encoding undone; what is not valid stays.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                out.push(code);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_download_is_named_after_its_path() {
        for (url, expected) in [
            ("https://h/a/b.tar.gz", "b.tar.gz"),
            ("https://h/a%20b?x=/c#/d", "a b"),
            ("https://h/a/", "a"),
            ("https://h/", "__unnamed__"),
            ("https://h", "__unnamed__"),
            ("https://h/a%2Fb", "b"),
            ("https://h/..", "__unnamed__"),
        ] {
            assert_eq!(file_name(url), expected, "{url}");
        }
    }
}
