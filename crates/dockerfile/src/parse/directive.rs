//! Parser directives, the comments at the very top that mean something, and `# check=` comments elsewhere.

use super::line::Physical;
use super::sink::Sink;
use crate::check::{CheckOptions, Rule, Rules};
use crate::diagnostic::Diagnostic;
use crate::source::{Span, Spanned};
use crate::suggest::nearest;
use crate::syntax::Directives;

/// Reads directives until something else comes.
#[derive(Default)]
pub(super) struct Reader {
    done: bool,
    /// The file begins with `#!`: then BuildKit knows the other directives, but not `escape`.
    is_script: bool,
    seen: Vec<String>,
    pub directives: Directives,
}

/// `name = value`.
struct Directive<'t> {
    name: String,
    value: &'t str,
    name_span: Span,
    value_span: Span,
}

impl Reader {
    /// There are no more directives.
    pub fn finish(&mut self) {
        self.done = true;
    }

    /// Reads a comment; true if it was a directive.
    pub fn comment(&mut self, comment: Physical<'_>, sink: &mut Sink) -> bool {
        if self.done {
            return false;
        }
        if comment.text.starts_with("#!") && self.seen.is_empty() && !self.is_script {
            self.is_script = true;
            return false;
        }
        let Some(directive) = read(comment.text, comment.start) else {
            self.done = true;
            return false;
        };
        if self.seen.contains(&directive.name) {
            let message = format!("only one `{}` directive can be used", directive.name);
            sink.push(Diagnostic::error(directive.name_span, message).label("given before"));
            return true;
        }
        match directive.name.as_str() {
            "syntax" => self.syntax(&directive, sink),
            "escape" if self.is_script => {
                let found = Diagnostic::warning(directive.name_span, "`escape` has no effect below `#!`");
                sink.push(found.hint("put it on the first line of the file"));
            }
            "escape" => self.escape(&directive, sink),
            "check" => {
                self.directives.check = check(&directive, sink);
                sink.options = self.directives.check.clone();
            }
            _ => {
                self.done = true;
                return false;
            }
        }
        self.seen.push(directive.name);
        true
    }

    fn syntax(&mut self, directive: &Directive<'_>, sink: &mut Sink) {
        let value = directive.value.split(' ').next().unwrap_or_default();
        let span = Span::new(directive.value_span.start, directive.value_span.start + value.len());
        let name = value.strip_prefix("docker.io/").unwrap_or(value);
        let own = ["docker/dockerfile", "docker/dockerfile-upstream"];
        let repository = name.split(['@', ':']).next().unwrap_or_default();
        if !own.contains(&repository) {
            let found = Diagnostic::warning(span, format!("the frontend `{value}` is not used"));
            sink.push(found.hint("the file is read as a Dockerfile of BuildKit's stable syntax"));
        }
        self.directives.syntax = Some(Spanned::new(value.to_owned(), span));
    }

    fn escape(&mut self, directive: &Directive<'_>, sink: &mut Sink) {
        match directive.value {
            "\\" | "`" => self.directives.escape = if directive.value == "`" { '`' } else { '\\' },
            other => {
                let found =
                    Diagnostic::error(directive.value_span, format!("invalid escape character `{other}`"));
                sink.push(found.hint("it can be a backslash or a backtick"));
            }
        }
    }
}

/// The check options of a comment above an instruction, if it is a `# check=`.
pub(super) fn local_check(comment: Physical<'_>, sink: &mut Sink) -> Option<CheckOptions> {
    let directive = read(comment.text, comment.start).filter(|directive| directive.name == "check")?;
    Some(check(&directive, sink))
}

/// Options for one instruction on top of the file's.
pub(super) fn merge(file: &CheckOptions, own: CheckOptions) -> CheckOptions {
    let both = |one: &Rules, other: Rules| match (one, other) {
        (Rules::Some(one), Rules::Some(other)) => Rules::Some(one.iter().copied().chain(other).collect()),
        _ => Rules::All,
    };
    CheckOptions {
        skip: both(&file.skip, own.skip),
        experimental: both(&file.experimental, own.experimental),
        error: file.error,
    }
}

/// A comment as a directive: a name of letters and digits, `=`, and a value that is not empty.
fn read(comment: &str, start: usize) -> Option<Directive<'_>> {
    let text = comment.strip_prefix('#')?.trim_start();
    let name_start = start + (comment.len() - text.len());
    let (name, rest) = text.split_once('=')?;
    let name = name.trim_end_matches(is_space);
    let value = rest.trim_matches(is_space);
    let named = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|next| next.is_ascii_alphanumeric());
    if !named || value.is_empty() {
        return None;
    }
    let value_start =
        name_start + (text.len() - rest.len()) + (rest.len() - rest.trim_start_matches(is_space).len());
    Some(Directive {
        name: name.to_ascii_lowercase(),
        value,
        name_span: Span::new(name_start, name_start + name.len()),
        value_span: Span::new(value_start, value_start + value.len()),
    })
}

fn is_space(next: char) -> bool {
    matches!(next, '\t' | '\u{c}' | '\r' | ' ')
}

/// The value of a `check` directive: options separated by `;`. It ends at the first blank.
fn check(directive: &Directive<'_>, sink: &mut Sink) -> CheckOptions {
    let mut options = CheckOptions::default();
    let value = directive.value.split(' ').next().unwrap_or_default();
    let mut at = directive.value_span.start;
    for option in value.splitn(3, ';') {
        let span = Span::new(at, at + option.len());
        at += option.len() + 1;
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let value_span = Span::new(span.end - value.len(), span.end);
        match key.trim() {
            "skip" if option.contains('=') => options.skip = rules(value, value_span, sink),
            "experimental" if option.contains('=') => options.experimental = rules(value, value_span, sink),
            "error" if option.contains('=') => match parse_bool(value.trim()) {
                Some(error) => options.error = error,
                None => {
                    let message = format!("`{}` is neither true nor false", value.trim());
                    sink.push(Diagnostic::error(value_span, message));
                }
            },
            other => {
                let found = Diagnostic::error(span, format!("invalid check option `{other}`"));
                sink.push(
                    found.hint("the options are `skip=RULE,...`, `experimental=RULE,...` and `error=true`"),
                );
            }
        }
    }
    options
}

/// `all`, or names of rules separated by commas.
fn rules(value: &str, span: Span, sink: &mut Sink) -> Rules {
    if value.trim() == "all" {
        return Rules::All;
    }
    let mut rules = Vec::new();
    let mut at = span.start;
    for name in value.split(',') {
        let place = Span::new(at, at + name.len());
        at += name.len() + 1;
        let known = Rule::ALL.into_iter().find(|rule| rule.to_string() == name.trim());
        match known {
            Some(rule) => rules.push(rule),
            None if name.trim().is_empty() => {}
            None => {
                let names: Vec<String> = Rule::ALL.iter().map(Rule::to_string).collect();
                let meant = nearest(name.trim(), names.iter().map(String::as_str));
                let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
                let found = Diagnostic::warning(place, format!("unknown check rule `{}`", name.trim()));
                sink.push(found.hint_opt(hint));
            }
        }
    }
    Rules::Some(rules)
}

/// What Go takes for a truth value.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
