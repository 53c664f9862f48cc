//! Which objects a patch of kustomize is for.

use regex::RegexBuilder;

use super::object::Object;
use crate::yaml::Node;

/// Whether a patch is for an object: by its target, or by the kind and name that it has itself.
pub fn chooses(target: Option<&Node>, patch: &Node, object: &Object) -> bool {
    let Some(target) = target else {
        let same = |path: &str, own: &str| patch.text_at(path).is_none_or(|wanted| wanted == own);
        return patch.is_mapping() && same("kind", object.kind()) && same("metadata.name", object.name());
    };
    let pattern = |key: &str, own: &str| target.text_at(key).is_none_or(|pattern| is_match(pattern, own));
    let exact = |key: &str, own: &str| target.text_at(key).is_none_or(|wanted| wanted == own);
    let version = object.node.text_at("apiVersion").unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    let selected = |key: &str, pairs: &str| {
        let pairs = object.node.at(pairs);
        target.text_at(key).is_none_or(|selector| selects(selector, pairs))
    };
    pattern("kind", object.kind())
        && pattern("name", object.name())
        && target
            .text_at("namespace")
            .is_none_or(|wanted| is_match(wanted, object.namespace().unwrap_or_default()))
        && exact("group", object.group())
        && exact("version", version)
        && selected("labelSelector", "metadata.labels")
        && selected("annotationSelector", "metadata.annotations")
}

/// The longest pattern that is compiled, in bytes of the program that it becomes.
const MAX_PROGRAM: usize = 1 << 20;

/// Targets are regular expressions that match the whole; what is none chooses nothing.
fn is_match(pattern: &str, value: &str) -> bool {
    pattern == value
        || RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(MAX_PROGRAM)
            .build()
            .is_ok_and(|pattern| pattern.is_match(value))
}

/// Kubernetes' selectors: `a=b`, `a==b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`, `!a`, with commas between them.
fn selects(selector: &str, pairs: Option<&Node>) -> bool {
    let value = |key: &str| pairs.and_then(|pairs| pairs.get(key.trim())?.text());
    terms(selector).into_iter().all(|term| {
        if let Some((key, list)) = term.split_once(" notin ") {
            return !value(key).is_some_and(|value| is_in(list, value));
        }
        if let Some((key, list)) = term.split_once(" in ") {
            return value(key).is_some_and(|value| is_in(list, value));
        }
        if let Some((key, wanted)) = term.split_once("!=") {
            return value(key) != Some(wanted.trim());
        }
        if let Some((key, wanted)) = term.split_once('=') {
            return value(key) == Some(wanted.trim_start_matches('=').trim());
        }
        match term.strip_prefix('!') {
            Some(key) => value(key).is_none(),
            None => value(term).is_some(),
        }
    })
}

/// The parts of a selector; commas between parentheses divide none.
fn terms(selector: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = selector.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).filter(|term| !term.is_empty()).collect()
}

fn is_in(list: &str, value: &str) -> bool {
    list.trim().trim_matches(['(', ')']).split(',').any(|item| item.trim() == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn targets_match_whole_names() {
        for (pattern, value, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            (".*", "anything", true),
            ("a.*", "ab", true),
            (".*-base", "tool-base", true),
            ("^a.*c$", "abc", true),
            ("a.*b", "ac", false),
            ("a|b", "b", true),
            ("a|b", "bc", false),
            ("(a|b)-x", "b-x", true),
            ("(", "(", true),
            ("(", "x", false),
        ] {
            assert_eq!(is_match(pattern, value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn selectors_are_kubernetes() {
        let labels = yaml::parse("{app: x, team: data}").documents.remove(0);
        for (selector, expected) in [
            ("app=x", true),
            ("app==x,team!=web", true),
            ("app = y", false),
            ("team in (web, data), app", true),
            ("team notin (web,data)", false),
            ("!other", true),
            ("other", false),
            ("", true),
        ] {
            assert_eq!(selects(selector, Some(&labels)), expected, "{selector}");
        }
        assert!(!selects("app=x", None));
    }
}
