//! `RUN --mount`: from comma-separated fields to a typed mount.

use std::fmt::Display;

use super::directive::parse_bool;
use super::duration::parse_size;
use super::instruction::Parser;
use crate::diagnostic::Diagnostic;
use crate::expand;
use crate::source::{Span, Spanned};
use crate::suggest::nearest;
use crate::syntax::{Mount, MountField, MountKind, Owner, ResolvedMount, Sharing, Word};

/// Every key of a mount.
const KEYS: [&str; 18] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
];

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// Reads the value of a `--mount`. One without variables is checked to the end.
pub(super) fn parse(word: Word, parser: &mut Parser<'_>) -> Option<Mount> {
    let fields = match fields(&word) {
        Ok(fields) => fields,
        Err(found) => {
            parser.sink.push(found);
            return None;
        }
    };
    let mount = Mount { fields, span: word.span };
    let mut complete = true;
    for field in &mount.fields {
        if let Err(found) = check_field(field) {
            parser.sink.push(found);
            complete = false;
        }
    }
    let variables =
        mount.fields.iter().any(|field| field.value.as_ref().is_some_and(|value| value.contains('$')));
    if complete && !variables {
        let resolved = mount.resolve(|value| expand::word(value, parser.escape, &|_: &str| None));
        if let Err(found) = resolved {
            parser.sink.push(found);
            return None;
        }
    }
    complete.then_some(mount)
}

/// What can be said of a field whatever its value expands to.
fn check_field(field: &MountField) -> Result<(), Diagnostic> {
    let key = field.key.value.as_str();
    if !KEYS.contains(&key) && key != "env" {
        let found = Diagnostic::error(field.key.span, format!("unknown key `{key}` of a mount"));
        let meant = nearest(key, KEYS.into_iter().chain(["env"]));
        return Err(found.hint_opt(meant.map(|meant| format!("did you mean `{meant}`?"))));
    }
    let flags = ["readonly", "ro", "readwrite", "rw", "required"];
    match &field.value {
        None if !flags.contains(&key) => {
            let found = Diagnostic::error(field.span, format!("key `{key}` of a mount needs a value"));
            Err(found.hint(format!("write `{key}=VALUE`")))
        }
        Some(value) if key == "from" && value.trim_end_matches('$').contains('$') => {
            let found = Diagnostic::error(field.span, "variables are not expanded in `from`");
            Err(found.hint("name a stage with `FROM $IMAGE AS name`, and write `from=name`"))
        }
        _ => Ok(()),
    }
}

/// The comma-separated fields of a value; a field within double quotes may hold commas.
fn fields(word: &Word) -> Result<Vec<MountField>, Diagnostic> {
    let text = word.raw.as_str();
    // Where nothing was taken out of the text, a place in it is a place in the source.
    let plain = word.span.end - word.span.start == text.len();
    let span = |start: usize, end: usize| {
        if plain { Span::new(word.span.start + start, word.span.start + end) } else { word.span }
    };
    if text.is_empty() {
        return Err(Diagnostic::error(word.span, "a mount needs at least a target"));
    }
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let (field, end) = field(&text[at..]).map_err(|()| {
            let found = Diagnostic::error(span(at, text.len()), "a double quote within a field of a mount");
            found.hint("quotes go around a whole field, and double within it")
        })?;
        let end = at + end;
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (field.as_str(), None),
        };
        let direct = field.len() == end - at;
        let key_span = if direct { span(at, at + key.len()) } else { span(at, end) };
        let value_span =
            if direct && value.is_some() { span(at + key.len() + 1, end) } else { span(at, end) };
        fields.push(MountField { key: Spanned::new(key.to_lowercase(), key_span), value, span: value_span });
        if end == text.len() {
            return Ok(fields);
        }
        at = end + 1;
    }
}

/// The first field of a list without its quotes, and where it ends.
fn field(text: &str) -> Result<(String, usize), ()> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return if text[..end].contains('"') { Err(()) } else { Ok((text[..end].to_owned(), end)) };
    };
    let mut field = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, next)) = chars.next() {
        if next != '"' {
            field.push(next);
            continue;
        }
        let rest = &quoted[at + 1..];
        if rest.is_empty() || rest.starts_with(',') {
            return Ok((field, text.len() - rest.len()));
        }
        if !rest.starts_with('"') {
            return Err(());
        }
        field.push('"');
        chars.next();
    }
    Err(())
}

/// A mount as its fields add up. The order matters: a key that only some types have comes after the type.
#[derive(Default)]
struct Draft {
    kind: Kind,
    from: Option<String>,
    source: String,
    target: String,
    read_only: Option<bool>,
    size: u64,
    id: String,
    sharing: Option<Sharing>,
    required: bool,
    env: Option<String>,
    owner: Owner,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

impl Kind {
    fn name(self) -> &'static str {
        TYPES[self as usize]
    }
}

impl Mount {
    /// Expands the values and reads them. `expand` is given each value; its error is reported at the value's place.
    pub fn resolve<E: Display>(
        &self,
        mut expand: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<ResolvedMount, Diagnostic> {
        let mut draft = Draft::default();
        for field in &self.fields {
            check_field(field)?;
            let value = match &field.value {
                Some(value) => {
                    let expanded = expand(value);
                    Some(expanded.map_err(|error| Diagnostic::error(field.span, error.to_string()))?)
                }
                None => None,
            };
            draft.set(field, value)?;
        }
        draft.finish(self.span)
    }
}

impl Draft {
    fn set(&mut self, field: &MountField, value: Option<String>) -> Result<(), Diagnostic> {
        let key = field.key.value.as_str();
        let truth = || match &value {
            None => Ok(true),
            Some(value) => {
                parse_bool(value).ok_or_else(|| invalid(field, value, "it can be `true` or `false`"))
            }
        };
        match key {
            "readonly" | "ro" => return truth().map(|truth| self.read_only = Some(truth)),
            "readwrite" | "rw" => return truth().map(|truth| self.read_only = Some(!truth)),
            "required" if matches!(self.kind, Kind::Secret | Kind::Ssh) => {
                return truth().map(|truth| self.required = truth);
            }
            "required" => return Err(self.foreign(field)),
            _ => {}
        }
        let value = value.unwrap_or_default();
        match key {
            "type" => self.kind = choose(field, &value, &TYPES)?,
            "from" => self.from = Some(value).filter(|from| !from.is_empty()),
            "source" | "src" => self.source = value,
            "target" | "dst" | "destination" => self.target = value,
            "id" => self.id = value,
            "env" => self.env = Some(value),
            "sharing" => self.sharing = Some(choose(field, &value, &["shared", "private", "locked"])?),
            "size" if self.kind != Kind::Tmpfs => return Err(self.foreign(field)),
            "size" => {
                let size = parse_size(&value);
                self.size = size.ok_or_else(|| invalid(field, &value, "write for example `64m` or `1g`"))?;
            }
            "mode" => {
                self.owner.mode = Some(number(field, &value, 8, "write an octal number such as `0600`")?)
            }
            "uid" => self.owner.uid = Some(number(field, &value, 10, "write a number")?),
            "gid" => self.owner.gid = Some(number(field, &value, 10, "write a number")?),
            _ => {}
        }
        Ok(())
    }

    /// A key that mounts of this type do not have.
    fn foreign(&self, field: &MountField) -> Diagnostic {
        let (key, kind) = (&field.key.value, self.kind.name());
        let found = Diagnostic::error(field.key.span, format!("a mount of type {kind} has no key `{key}`"));
        let type_given_later = self.kind == Kind::Bind;
        found.hint_opt(type_given_later.then(|| format!("`type=` comes before `{key}`")))
    }

    fn finish(self, span: Span) -> Result<ResolvedMount, Diagnostic> {
        let kind = self.kind.name();
        let error = |message: String| Err(Diagnostic::error(span, message));
        let owned = matches!(self.kind, Kind::Secret | Kind::Ssh | Kind::Cache);
        let Owner { mode, uid, gid } = self.owner;
        for (key, given) in [("mode", mode.is_some()), ("uid", uid.is_some()), ("gid", gid.is_some())] {
            if given && !owned {
                return error(format!("a mount of type {kind} has no key `{key}`"));
            }
        }
        if self.sharing.is_some() && self.kind != Kind::Cache {
            return error(format!("a mount of type {kind} has no key `sharing`"));
        }
        if self.kind == Kind::Secret {
            if self.from.is_some() {
                return error("a mount of type secret has no key `from`".to_owned());
            }
            if self.source.is_empty() && self.target.is_empty() && self.id.is_empty() {
                return error("a secret needs an id, or a target".to_owned());
            }
            if !self.source.is_empty() && !self.id.is_empty() {
                return error("a secret has either `source` or `id`".to_owned());
            }
        }
        if self.kind == Kind::Ssh && !self.source.is_empty() {
            return error("a mount of type ssh has no key `source`".to_owned());
        }
        let writable = matches!(self.kind, Kind::Cache | Kind::Tmpfs);
        let read_only = self.read_only.unwrap_or(!writable);
        Ok(ResolvedMount { target: self.target.clone(), read_only, kind: self.into_kind() })
    }

    fn into_kind(self) -> MountKind {
        let Draft { from, source, owner, required, .. } = self;
        match self.kind {
            Kind::Bind => MountKind::Bind { from, source },
            Kind::Cache => {
                let id = Some(self.id).filter(|id| !id.is_empty());
                MountKind::Cache { id, from, source, sharing: self.sharing.unwrap_or_default(), owner }
            }
            Kind::Tmpfs => MountKind::Tmpfs { size: self.size },
            Kind::Secret => {
                let last = self.target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let id = [source.as_str(), self.id.as_str(), last].into_iter().find(|id| !id.is_empty());
                let id = id.unwrap_or("/").to_owned();
                MountKind::Secret { id, env: self.env, required, owner }
            }
            Kind::Ssh => {
                let id = if self.id.is_empty() { "default".to_owned() } else { self.id };
                MountKind::Ssh { id, required, owner }
            }
        }
    }
}

/// Words that stand for a value.
trait Choice: Sized {
    fn nth(index: usize) -> Self;
}

impl Choice for Kind {
    fn nth(index: usize) -> Kind {
        [Kind::Bind, Kind::Cache, Kind::Tmpfs, Kind::Secret, Kind::Ssh][index]
    }
}

impl Choice for Sharing {
    fn nth(index: usize) -> Sharing {
        [Sharing::Shared, Sharing::Private, Sharing::Locked][index]
    }
}

fn choose<T: Choice>(field: &MountField, value: &str, names: &[&str]) -> Result<T, Diagnostic> {
    if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(value)) {
        return Ok(T::nth(index));
    }
    let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let hint = match nearest(value, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it can be {}", list.join(", ")),
    };
    Err(invalid(field, value, &hint))
}

fn number(field: &MountField, value: &str, radix: u32, hint: &str) -> Result<u32, Diagnostic> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| u32::from_str_radix(value, radix).ok()).flatten();
    number.ok_or_else(|| invalid(field, value, hint))
}

fn invalid(field: &MountField, value: &str, hint: &str) -> Diagnostic {
    let message = format!("invalid value `{value}` for `{}` of a mount", field.key.value);
    Diagnostic::error(field.span, message).hint(hint)
}
