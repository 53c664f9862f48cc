//! What a project says must hold of an image, as the engine checks it.

use build::engine::{Check, CheckKind, Pattern, Program as Command};
use project::{CommandForm, Image, TestKind};

use crate::failure::Failure;

/// Tests and hooks, as the engine knows them.
pub fn of(image: &Image) -> Result<Vec<Check>, Failure> {
    let command = |form: &CommandForm| match form {
        CommandForm::Script(text, arguments) => Command::Script(text.clone(), arguments.clone()),
        CommandForm::Exec(arguments) => Command::Exec(arguments.clone()),
        CommandForm::Arguments(arguments) => Command::Arguments(arguments.clone()),
    };
    let mut checks = Vec::new();
    for test in &image.tests {
        let patterns = |texts: &[String]| -> Result<Vec<Pattern>, Failure> {
            let wrong = |error: build::engine::PatternError| {
                Failure::usage(format!("{}: test `{}`: {error}", test.place, test.name))
            };
            texts.iter().map(|text| Pattern::new(text).map_err(wrong)).collect()
        };
        let kind = match &test.kind {
            TestKind::Command { run, exit, stdout, stderr, user, env } => CheckKind::Command {
                program: command(run),
                exit: *exit,
                stdout: patterns(stdout)?,
                stderr: patterns(stderr)?,
                user: user.clone(),
                env: env.clone(),
            },
            TestKind::File { path, exists, mode, owner, contains } => CheckKind::File {
                path: path.clone(),
                exists: *exists,
                mode: *mode,
                owner: owner.clone(),
                contains: patterns(contains)?,
            },
            TestKind::User(user) => CheckKind::User(user.clone()),
            TestKind::Env { name, value } => CheckKind::Env(name.clone(), value.clone()),
            TestKind::Size(most) => CheckKind::Size(*most),
            TestKind::PostCommit(run) => CheckKind::Hook(command(run)),
        };
        checks.push(Check { name: test.name.clone(), kind });
    }
    Ok(checks)
}
