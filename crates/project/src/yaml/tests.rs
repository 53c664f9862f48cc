//! Texts and the trees that they are.

use super::*;

fn shape(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, .. } => format!("{text:?}"),
        Value::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
        Value::Mapping(pairs) => {
            let pairs: Vec<_> =
                pairs.iter().map(|pair| format!("{}: {}", pair.key, shape(&pair.value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

#[track_caller]
fn check_one(text: &str, expected: &str) {
    let actual = match parse_one(text) {
        Ok(node) => shape(&node),
        Err(diagnostic) => format!("error: {}", diagnostic.message),
    };
    assert_eq!(actual, expected);
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = parse(text);
    let mut actual: Vec<String> = found.documents.iter().map(shape).collect();
    let error = |diagnostic: &Diagnostic| {
        let line = dockerfile::line_column(text, diagnostic.span.start).line;
        format!("{line}: {}", diagnostic.message)
    };
    actual.extend(found.diagnostics.iter().map(error));
    assert_eq!(actual, expected);
}

#[test]
fn a_file_of_our_own_is_one_plain_document() {
    check_one("", "{}");
    check_one("# nothing\n", "{}");
    check_one("a: 1\nb:\n  c: 'x'\n  d: [1, 2]\n", r#"{a: 1, b: {c: "x", d: [1, 2]}}"#);
    check_one("a: &x 1\n", "error: anchors are not allowed in settings");
    check_one("a: !!str 1\n", "error: tags are not allowed in settings");
    check_one("a: 1\n---\nb: 2\n", "error: a settings file holds one document");
    check_one("[a]: 1\n", "error: a key must be text");
    check_one(&"[".repeat(40), "error: settings nest at most 32 deep");
}

#[test]
fn a_file_of_manifests_holds_any_number_of_documents() {
    check("", &[]);
    check("---\n# nothing\n---\na: 1\n---\n", &["{a: 1}"]);
    check("%YAML 1.2\n---\na: 1\n--- {b: 2}\n", &["{a: 1}", "{b: 2}"]);
    check("a: |\n  ---\n  x\n---\nb: 2\n", &["{a: \"---\\nx\\n\"}", "{b: 2}"]);
    check("a: 1\na: 2\n", &["{a: 1, a: 2}"]);
    check("a: 1\r\n---\r\nb: 2\r\n", &["{a: 1}", "{b: 2}"]);
}

#[test]
fn a_broken_document_leaves_the_others() {
    let found = parse("a: 1\n---\nb: [1\nc: {{ x }}\n---\nd: 1\n");
    assert_eq!(found.documents.iter().map(shape).collect::<Vec<_>>(), ["{a: 1}", "{d: 1}"]);
    assert_eq!(found.diagnostics.len(), 1);
}

#[test]
fn anchors_and_merge_keys_are_carried_out() {
    check("a: &x {b: 1}\nc: *x\n", &["{a: {b: 1}, c: {b: 1}}"]);
    check("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", &["{a: {b: 1, c: 2}, d: {c: 3, b: 1}}"]);
    check(
        "a: &x {b: 1}\ne: &y {b: 2, c: 3}\nd: {<<: [*x, *y]}\n",
        &["{a: {b: 1}, e: {b: 2, c: 3}, d: {b: 1, c: 3}}"],
    );
    check("a: !!str 1\nb: !vault x\n", &["{a: \"1\", b: x}"]);
}

#[test]
fn a_small_text_does_not_become_a_large_tree() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", vec![below; 10].join(", "));
    }
    let found = parse(&text);
    assert_eq!(found.diagnostics[0].message, "the aliases of this document make it too large");
    assert_eq!(parse(&"[".repeat(5000)).diagnostics.len(), 1);
    let block: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(parse(&block).diagnostics[0].message, "documents nest at most 96 deep");
}

#[test]
fn spans_count_bytes() {
    let text = "ä: 1\n---\nö: 1\nstore: /x\n";
    let found = parse(text);
    let pair = &found.documents[1].pairs()[1];
    assert_eq!((&text[pair.span.range()], &text[pair.value.span.range()]), ("store", "/x"));
}

#[test]
fn trees_are_asked_by_path() {
    let node = parse_one("spec: {source: {git: {uri: x}}, list: [1], none: ~, on: true, text: 'true'}")
        .expect("YAML");
    assert_eq!(node.text_at("spec.source.git.uri"), Some("x"));
    assert_eq!(node.items_at("spec.list").len(), 1);
    assert_eq!(node.text_at("spec.none"), None);
    assert_eq!(node.at("spec.on").and_then(Node::flag), Some(true));
    assert_eq!(node.at("spec.text").and_then(Node::flag), None);
    assert_eq!(node.at("spec.nothing.at.all"), None);
}

#[test]
fn any_bytes_are_survived() {
    for text in [
        "a: [", "a: {b", "\u{0}", "? a\n: b", "*x", "%TAG x", "a:\tb", "- - - -", "'", "\"\\x", "&a *a",
        "&a [*a]", "--- ---", "<<: *x",
    ] {
        fuzz_yaml(text.as_bytes());
    }
}
