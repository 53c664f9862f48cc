//! Entry points for fuzzing: any bytes, no panic, bounded time.

use crate::expand::{Options, expand, word};
use crate::ignore::{ParentMatches, Patterns};
use crate::shell;
use crate::source::{Source, Span, line_column};
use crate::{Dockerfile, Instruction, InstructionKind, Word, parse, parse_trigger, render, render_json};

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
    let in_text = |span: Span| assert!(text.get(span.range()).is_some(), "{span:?} {instruction:?}");
    let words = |words: &[Word]| words.iter().for_each(|word| in_text(word.span));
    let some = |word: &Option<Word>| word.iter().for_each(|word| in_text(word.span));
    in_text(instruction.span);
    match &instruction.kind {
        InstructionKind::Run(run) => {
            run.script();
            run.heredocs.iter().for_each(|heredoc| in_text(heredoc.span));
            for mount in &run.mounts {
                mount.fields.iter().for_each(|field| in_text(field.key.span.to(field.span)));
                let _ = mount.resolve(|value| word(value, '\\', &|_: &str| None));
            }
        }
        InstructionKind::Copy(copy) => {
            words(&copy.sources);
            words(&copy.exclude);
            [&copy.from, &copy.chown, &copy.chmod].into_iter().for_each(some);
            in_text(copy.destination.span);
        }
        InstructionKind::Add(add) => {
            words(&add.sources);
            words(&add.exclude);
            [&add.checksum, &add.chown, &add.chmod].into_iter().for_each(some);
            in_text(add.destination.span);
        }
        InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
            pairs.iter().for_each(|pair| in_text(pair.key.span.to(pair.value.span)));
        }
        InstructionKind::Arg(declarations) => {
            declarations.iter().for_each(|declaration| in_text(declaration.key.span));
        }
        InstructionKind::Expose(list) | InstructionKind::Volume(list) => words(list),
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

/// Parses a script and follows it; every place is in the text.
pub fn fuzz_shell(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let script = shell::parse(&shell::Mapped::plain(text.clone(), 0));
    let in_text = |span: Span| assert!(text.get(span.range()).is_some(), "{span:?}");
    script.errors.iter().for_each(|error| in_text(error.span));
    script.names().used.iter().for_each(|(_, span, _)| in_text(*span));
    let evaluated = shell::evaluate(&script, shell::Evaluation::default());
    for found in &evaluated.invocations {
        in_text(found.span);
        found.words.iter().for_each(|word| in_text(word.inner_span()));
        found.redirects.iter().for_each(|redirect| in_text(redirect.span));
    }
}
