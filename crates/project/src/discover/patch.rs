//! Patches of kustomize: strategic merges, and the operations of JSON Patch on plain paths.
//!
//! What a patch puts in keeps the place of what it replaced or joined: places are of the file that the object stands in.

use dockerfile::Span;

use crate::yaml::{Node, Pair, Value};

/// Merges a patch into an object: mappings key by key, lists by the names of their items where they have any, `null` takes
/// away.
pub fn merge(base: &mut Node, patch: &Node) {
    let span = base.span;
    match (&mut base.value, &patch.value) {
        (Value::Mapping(pairs), Value::Mapping(patches)) => {
            for patch in patches.iter().filter(|pair| !pair.key.starts_with('$')) {
                let known = pairs.iter().rposition(|pair| pair.key == patch.key);
                let replaces = patch.value.text_at("$patch") == Some("replace");
                match known {
                    Some(at) if patch.value.is_null() => {
                        pairs.remove(at);
                    }
                    Some(at) if replaces => pairs[at].value = placed(&patch.value, pairs[at].value.span),
                    Some(at) => merge(&mut pairs[at].value, &patch.value),
                    None if patch.value.is_null() => {}
                    None => {
                        pairs.push(Pair { key: patch.key.clone(), span, value: placed(&patch.value, span) })
                    }
                }
            }
        }
        (Value::Sequence(items), Value::Sequence(patches)) if named(items) && named(patches) => {
            for patch in patches {
                let name = patch.text_at("name");
                match items.iter().position(|item| item.text_at("name") == name) {
                    Some(at) if patch.text_at("$patch") == Some("delete") => {
                        items.remove(at);
                    }
                    Some(at) => merge(&mut items[at], patch),
                    None => items.push(placed(patch, span)),
                }
            }
        }
        _ => *base = placed(patch, span),
    }
}

/// Carries out JSON Patch's operations; the error is the one that cannot be.
pub fn operate(base: &mut Node, operations: &Node) -> Result<(), String> {
    for operation in operations.items() {
        let (op, path) =
            (operation.text_at("op").unwrap_or_default(), operation.text_at("path").unwrap_or_default());
        let done = match (op, operation.get("value")) {
            ("add" | "replace", Some(value)) => put(base, path, value, op == "add"),
            ("remove", _) => remove(base, path),
            ("test", _) => Some(()),
            _ => None,
        };
        done.ok_or_else(|| format!("{op} {path}"))?;
    }
    Ok(())
}

fn put(base: &mut Node, path: &str, value: &Node, add: bool) -> Option<()> {
    let (above, last) = path.rsplit_once('/')?;
    let parent = find(base, above)?;
    let span = parent.span;
    let key = unescaped(last);
    match &mut parent.value {
        Value::Mapping(pairs) => match pairs.iter_mut().rev().find(|pair| pair.key == key) {
            Some(pair) => pair.value = placed(value, pair.value.span),
            None if add => pairs.push(Pair { key, span, value: placed(value, span) }),
            None => return None,
        },
        Value::Sequence(items) => match (last, last.parse::<usize>()) {
            ("-", _) if add => items.push(placed(value, span)),
            (_, Ok(at)) if add && at <= items.len() => items.insert(at, placed(value, span)),
            (_, Ok(at)) if at < items.len() => items[at] = placed(value, items[at].span),
            _ => return None,
        },
        Value::Scalar { .. } => return None,
    }
    Some(())
}

fn remove(base: &mut Node, path: &str) -> Option<()> {
    let (above, last) = path.rsplit_once('/')?;
    let key = unescaped(last);
    match &mut find(base, above)?.value {
        Value::Mapping(pairs) => {
            let at = pairs.iter().rposition(|pair| pair.key == key)?;
            pairs.remove(at);
        }
        Value::Sequence(items) => {
            let at = last.parse::<usize>().ok().filter(|at| *at < items.len())?;
            items.remove(at);
        }
        Value::Scalar { .. } => return None,
    }
    Some(())
}

/// The node at a JSON pointer.
fn find<'n>(node: &'n mut Node, pointer: &str) -> Option<&'n mut Node> {
    let mut node = node;
    for part in pointer.split('/').skip(1) {
        node = match &mut node.value {
            Value::Mapping(pairs) => {
                let key = unescaped(part);
                &mut pairs.iter_mut().rev().find(|pair| pair.key == key)?.value
            }
            Value::Sequence(items) => items.get_mut(part.parse::<usize>().ok()?)?,
            Value::Scalar { .. } => return None,
        };
    }
    Some(node)
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn named(items: &[Node]) -> bool {
    items.iter().all(|item| item.text_at("name").is_some())
}

/// A copy at another place.
fn placed(node: &Node, span: Span) -> Node {
    let value = match &node.value {
        Value::Scalar { .. } => node.value.clone(),
        Value::Sequence(items) => Value::Sequence(items.iter().map(|item| placed(item, span)).collect()),
        Value::Mapping(pairs) => Value::Mapping(
            pairs
                .iter()
                .filter(|pair| pair.key != "$patch")
                .map(|pair| Pair { key: pair.key.clone(), span, value: placed(&pair.value, span) })
                .collect(),
        ),
    };
    Node { value, span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse_one;

    #[test]
    fn patches_are_merged() {
        let mut base = parse_one("a: {b: 1, c: 2}\nl: [{name: x, v: 1}, {name: y}]\nt: [1]").expect("YAML");
        merge(
            &mut base,
            &parse_one("a: {b: 3, c: null, d: 4}\nl: [{name: x, v: 2}, {name: z}]\nt: [2]").expect("YAML"),
        );
        assert_eq!(
            (base.text_at("a.b"), base.text_at("a.c"), base.text_at("a.d")),
            (Some("3"), None, Some("4"))
        );
        let items: Vec<_> =
            base.items_at("l").iter().map(|item| (item.text_at("name"), item.text_at("v"))).collect();
        assert_eq!(items, [(Some("x"), Some("2")), (Some("y"), None), (Some("z"), None)]);
        assert_eq!(base.items_at("t")[0].text(), Some("2"));
    }

    #[test]
    fn operations_are_carried_out() {
        let mut base = parse_one("a: {b: 1}\nl: [1, 2]").expect("YAML");
        let patch = "[{op: replace, path: /a/b, value: 2}, {op: add, path: /a/x~1y, value: 3}, {op: add, path: /l/-, value: 4}, {op: remove, path: /l/0}]";
        assert_eq!(operate(&mut base, &parse_one(patch).expect("YAML")), Ok(()));
        assert_eq!((base.text_at("a.b"), base.text_at("a.x/y")), (Some("2"), Some("3")));
        assert_eq!(base.items_at("l").iter().filter_map(Node::text).collect::<Vec<_>>(), ["2", "4"]);
        let wrong = parse_one("[{op: replace, path: /no/where, value: 2}]").expect("YAML");
        assert_eq!(operate(&mut base, &wrong), Err("replace /no/where".to_owned()));
    }
}
