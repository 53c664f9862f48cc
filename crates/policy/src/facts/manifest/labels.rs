//! Labels: what selects them, and what may be one.

use project::yaml::Node;

/// A label selector: `matchLabels` and `matchExpressions`, or the plain map of a Service.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'n> {
    labels: Option<&'n Node>,
    expressions: &'n [Node],
}

impl<'n> Selector<'n> {
    /// The selector of a workload, a policy, a budget.
    pub fn of(node: &'n Node) -> Selector<'n> {
        Selector { labels: node.get("matchLabels"), expressions: node.items_at("matchExpressions") }
    }

    /// The selector of a Service, which is a map of labels.
    pub fn map(node: &'n Node) -> Selector<'n> {
        Selector { labels: Some(node), expressions: &[] }
    }

    /// Whether it asks for nothing, and so selects everything.
    pub fn is_empty(&self) -> bool {
        self.labels.is_none_or(|labels| labels.pairs().is_empty()) && self.expressions.is_empty()
    }

    /// Whether it selects what carries these labels. What a template fills in later is taken to fit.
    pub fn matches(&self, labels: Option<&Node>) -> bool {
        let value = |key: &str| labels.and_then(|labels| labels.text_at_key(key));
        let same = self.labels.is_none_or(|wanted| {
            wanted.pairs().iter().all(|pair| fits(pair.value.text().unwrap_or_default(), value(&pair.key)))
        });
        same && self.expressions.iter().all(|expression| {
            let held = value(expression.text_at("key").unwrap_or_default());
            let mut values = expression.items_at("values").iter().filter_map(Node::text);
            match expression.text_at("operator") {
                Some("In") => values.any(|wanted| fits(wanted, held)),
                Some("NotIn") => !values.any(|wanted| held == Some(wanted)),
                Some("Exists") => held.is_some(),
                Some("DoesNotExist") => held.is_none(),
                _ => true,
            }
        })
    }
}

fn fits(wanted: &str, held: Option<&str>) -> bool {
    held.is_some_and(|held| held == wanted || super::is_template(held)) || super::is_template(wanted)
}

/// Keys of labels hold dots, so they are no paths.
trait ByKey {
    fn text_at_key(&self, key: &str) -> Option<&str>;
}

impl ByKey for Node {
    fn text_at_key(&self, key: &str) -> Option<&str> {
        // An empty label is there, and is empty.
        self.get(key).map(|node| node.text().unwrap_or_default())
    }
}

/// Why a text cannot be a label's value: at most 63 characters, letters, digits, `-`, `_`, `.`, a letter or digit at both ends.
pub fn invalid_label(value: &str) -> Option<&'static str> {
    let edge = |character: Option<char>| character.is_none_or(|character| character.is_ascii_alphanumeric());
    if value.len() > 63 {
        Some("longer than 63 characters")
    } else if !value.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character)) {
        Some("only letters, digits, `-`, `_` and `.` are allowed")
    } else if !edge(value.chars().next()) || !edge(value.chars().next_back()) {
        Some("it must begin and end with a letter or a digit")
    } else {
        None
    }
}
