//! FROM.

use super::command::{Command, Flags, Takes};
use super::instruction::Parser;
use crate::check::Rule;
use crate::diagnostic::Diagnostic;
use crate::source::{Span, Spanned};
use crate::syntax::{From, Word};

/// Parses a FROM. Nothing means that it was reported.
pub(super) fn from(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<From> {
    let mut flags = Flags::read(command, &[("platform", Takes::Value)], parser.sink);
    let platform = flags.filled("platform");
    let words = command.rest.split_words();
    let (image, name) = match words.as_slice() {
        [image] => (image, None),
        [image, keyword, name] if keyword.text().eq_ignore_ascii_case("AS") => {
            warn_of_keyword(command.name.text(), keyword.text(), keyword.span(), parser);
            (image, Some(name))
        }
        words => {
            let place = words.get(1).copied().unwrap_or(command.whole);
            let found = Diagnostic::error(place.span(), "FROM takes an image, and perhaps `AS` and a name");
            parser.sink.push(found.hint("write `FROM IMAGE` or `FROM IMAGE AS NAME`"));
            return None;
        }
    };
    let name = match name {
        None => None,
        Some(piece) => {
            let lower = piece.text().to_lowercase();
            if !is_stage_name(&lower) {
                let found =
                    Diagnostic::error(piece.span(), format!("invalid name of a stage `{}`", piece.text()));
                parser
                    .sink
                    .push(found.hint("it begins with a letter; letters, digits, `-`, `_` and `.` follow"));
                return None;
            }
            if lower != piece.text() {
                let message = format!("the stage name `{}` should be lower case", piece.text());
                parser.sink.check(Rule::StageNameCasing, piece.span(), message);
            }
            Some(Spanned::new(lower, piece.span()))
        }
    };
    if let Some(platform) = &platform {
        check_platform(platform, name.as_ref().map_or("", |name| name.value.as_str()), parser);
    }
    Some(From { image: image.word(), platform, name })
}

/// Whether a name in lower case can be a stage's.
fn is_stage_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || b"-_.".contains(&next))
}

fn warn_of_keyword(from: &str, keyword: &str, span: Span, parser: &mut Parser<'_>) {
    let (lower, upper) = (from.to_lowercase(), from.to_uppercase());
    let matches = match from {
        _ if from == lower => keyword == keyword.to_lowercase(),
        _ if from == upper => keyword == keyword.to_uppercase(),
        // Mixed case has a rule of its own.
        _ => true,
    };
    if !matches {
        parser.sink.check(
            Rule::FromAsCasing,
            span,
            format!("the case of `{keyword}` does not match `{from}`"),
        );
    }
}

/// BuildKit's rules about platforms that need not, or should not, be written.
fn check_platform(platform: &Word, stage: &str, parser: &mut Parser<'_>) {
    let raw = platform.raw.as_str();
    if raw == "$TARGETPLATFORM" || raw == "${TARGETPLATFORM}" {
        let message = format!("`{raw}` is what FROM uses without `--platform`");
        parser.sink.check(Rule::RedundantTargetPlatform, platform.span, message);
    }
    if platform.is_literal(parser.escape) {
        let mut parts = raw.split('/');
        let (system, architecture) = match (parts.next(), parts.next()) {
            (Some(system), Some(architecture)) => (system, architecture),
            (Some(one), _) => ("linux", one),
            _ => return,
        };
        if !stage.contains(system) && !stage.contains(architecture) {
            let message = format!("`--platform` with the constant `{raw}`");
            let found = Diagnostic::check(Rule::FromPlatformFlagConstDisallowed, platform.span, message);
            parser.sink.check_with(
                found.hint("use `$BUILDPLATFORM` or `$TARGETPLATFORM`, or leave it to `kapok build`"),
            );
        }
    }
}
