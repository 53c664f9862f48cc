//! `tests:` of an image — what must hold before it gets a tag.

use super::form::Form;
use crate::model::{CommandForm, Test, TestKind};
use crate::quantity;
use crate::yaml::{Node, Pair, Value};

/// Kinds of tests, by the key that tells them, and what may stand beside it.
const KINDS: [(&str, &[&str]); 5] = [
    ("run", &["name", "run", "exit", "stdout", "stderr", "user", "env"]),
    ("file", &["name", "file", "exists", "mode", "owner", "contains"]),
    ("user", &["name", "user"]),
    ("env", &["name", "env"]),
    ("size", &["name", "size"]),
];

/// The tests of an image.
pub fn tests(form: &mut Form<'_>, node: &Node) -> Vec<Test> {
    let items = match &node.value {
        Value::Sequence(items) => items.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            form.say(node.span, "`tests` must be a list");
            &[]
        }
    };
    items.iter().flat_map(|item| test(form, item)).collect()
}

fn test(form: &mut Form<'_>, node: &Node) -> Vec<Test> {
    let place = form.place(node.span);
    // A text alone is a command that must succeed.
    if let Value::Scalar { text, .. } = &node.value {
        let run = CommandForm::Script(text.clone(), Vec::new());
        return vec![Test { name: text.clone(), kind: command(run), place }];
    }
    let Some((kind, known)) = KINDS.iter().find(|(kind, _)| node.get(kind).is_some()) else {
        form.say(node.span, "a test has one of `run`, `file`, `user`, `env`, `size`");
        return Vec::new();
    };
    let fields = form.fields(node, "tests", known);
    let field = |name: &str| fields.iter().rev().find(|field| field.key == name).map(|field| &field.value);
    let Some(subject) = field(kind) else { return Vec::new() };
    let name = field("name").and_then(|node| form.text(node, "name")).map(str::to_owned);
    let one = |default: String, kind: TestKind| {
        vec![Test { name: name.clone().unwrap_or(default), kind, place: place.clone() }]
    };
    match *kind {
        "run" => {
            let (default, run) = run(form, subject);
            let kind = command_fields(form, command(run), &fields);
            one(default, kind)
        }
        "file" => {
            let Some(path) = form.text(subject, "file").map(str::to_owned) else { return Vec::new() };
            if !path.starts_with('/') {
                form.say(subject.span, format!("`file`: `{path}` is no path from the root of the image"));
            }
            let kind = file_fields(form, &path, &fields);
            one(format!("file {path}"), kind)
        }
        "user" => {
            let Some(user) = form.text(subject, "user").map(str::to_owned) else { return Vec::new() };
            one(format!("user {user}"), TestKind::User(user))
        }
        "env" => {
            let arguments = form.arguments(subject, "env");
            let test =
                |name: String, value: String| one(format!("env {name}"), TestKind::Env { name, value });
            arguments.into_iter().flat_map(|arg| test(arg.name, arg.value.unwrap_or_default())).collect()
        }
        _ => {
            let Some(size) = form.parsed(subject, "size", "a size such as `500m`", quantity::bytes) else {
                return Vec::new();
            };
            one("size".to_owned(), TestKind::Size(size))
        }
    }
}

fn command(run: CommandForm) -> TestKind {
    TestKind::Command { run, exit: 0, stdout: Vec::new(), stderr: Vec::new(), user: None, env: Vec::new() }
}

fn run(form: &mut Form<'_>, node: &Node) -> (String, CommandForm) {
    match &node.value {
        Value::Sequence(_) => {
            let words = form.texts(node, "run");
            (words.join(" "), CommandForm::Exec(words))
        }
        _ => {
            let text = form.text(node, "run").unwrap_or_default().to_owned();
            (text.lines().next().unwrap_or_default().to_owned(), CommandForm::Script(text, Vec::new()))
        }
    }
}

fn command_fields(form: &mut Form<'_>, kind: TestKind, fields: &[&Pair]) -> TestKind {
    let TestKind::Command { run, mut exit, mut stdout, mut stderr, mut user, mut env } = kind else {
        return kind;
    };
    for field in fields {
        let node = &field.value;
        match field.key.as_str() {
            "exit" => {
                let code = |text: &str| text.parse().ok().filter(|code| (0..=255).contains(code));
                exit = form.parsed(node, "exit", "an exit code", code).unwrap_or(0);
            }
            "stdout" => stdout = form.texts(node, "stdout"),
            "stderr" => stderr = form.texts(node, "stderr"),
            "user" => user = form.text(node, "user").map(str::to_owned),
            "env" => {
                let arguments = form.arguments(node, "env").into_iter();
                env = arguments.map(|arg| (arg.name, arg.value.unwrap_or_default())).collect();
            }
            _ => {}
        }
    }
    TestKind::Command { run, exit, stdout, stderr, user, env }
}

fn file_fields(form: &mut Form<'_>, path: &str, fields: &[&Pair]) -> TestKind {
    let (mut exists, mut mode, mut owner, mut contains) = (true, None, None, Vec::new());
    for field in fields {
        let node = &field.value;
        match field.key.as_str() {
            "exists" => exists = form.flag(node, "exists").unwrap_or(true),
            "mode" => mode = form.parsed(node, "mode", "a mode such as `0644`", quantity::mode),
            "owner" => owner = form.text(node, "owner").map(str::to_owned),
            "contains" => contains = form.texts(node, "contains"),
            _ => {}
        }
    }
    TestKind::File { path: path.to_owned(), exists, mode, owner, contains }
}
