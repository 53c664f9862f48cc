//! Entry points for fuzzing: any bytes, no panic, bounded time.

use crate::expand::{Options, expand};
use crate::ignore::{ParentMatches, Patterns};
use crate::source::{Source, line_column};
use crate::{Dockerfile, Instruction, InstructionKind, parse, parse_trigger, render, render_json};

/// Parses, walks and renders; checks that every span is in the text.
pub fn fuzz_parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, diagnostics) = parse(&text);
    check_file(&file, &text);
    for found in &diagnostics {
        assert!(text.get(found.span.range()).is_some(), "{found:?}");
        line_column(&text, found.span.start);
    }
    let source = Source::new("Dockerfile", text.clone());
    render(&source, &diagnostics, true);
    render_json(&source, &diagnostics);
    parse_trigger(&text);
}

fn check_file(file: &Dockerfile, text: &str) {
    let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
    for instruction in file.global_args.iter().chain(stages) {
        check_instruction(instruction, text);
    }
}

fn check_instruction(instruction: &Instruction, text: &str) {
    assert!(text.get(instruction.span.range()).is_some(), "{instruction:?}");
    match &instruction.kind {
        InstructionKind::Run(run) => {
            run.script();
        }
        InstructionKind::Onbuild(onbuild) => {
            check_instruction(&onbuild.trigger, text);
            parse_trigger(&onbuild.expression);
        }
        _ => {}
    }
}

/// First line: a path; the rest: an ignore file. A walk to the path and a single question must agree.
pub fn fuzz_ignore(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, file) = text.split_once('\n').unwrap_or((&text, ""));
    let (patterns, diagnostics) = Patterns::parse(file);
    for found in &diagnostics {
        assert!(file.get(found.span.range()).is_some(), "{found:?}");
    }
    let mut parent = ParentMatches::default();
    for (slash, _) in path.match_indices('/').take(100) {
        parent = patterns.enter(&path[..slash], &parent).1;
    }
    if path.matches('/').count() < 100 {
        assert_eq!(patterns.enter(path, &parent).0, patterns.is_ignored(path), "{path:?} {file:?}");
    }
    patterns.may_contain_included(path);
}

/// Expands a word in every form.
pub fn fuzz_expand(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lookup = |name: &str| match name.len() {
        0 => None,
        1 => Some(String::new()),
        _ => Some(format!("{name} value/of.{name}")),
    };
    for escape in ['\\', '`'] {
        for options in [Options::new(escape), Options::display(escape), Options::heredoc()] {
            let _ = expand(&text, options, &lookup);
        }
    }
}
