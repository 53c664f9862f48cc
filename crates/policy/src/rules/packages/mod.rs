//! Rules on packages from package managers.

mod index;
mod system;
mod versions;

use dockerfile::shell::{Invocation, Value};

use crate::facts::Facts;
use crate::facts::commands::ManagerCommand;
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};
use crate::rule::Rule;

pub(super) use index::{INDEX_OUTSIDE, is_central};

/// Every call of a package manager with where it stands.
pub(super) fn each_manager(
    facts: &Facts,
    mut say: impl FnMut(&DockerfileFacts, &StageFacts, &InstructionFacts, &Invocation, &ManagerCommand),
) {
    for file in &facts.dockerfiles {
        for stage in &file.stages {
            for instruction in &stage.instructions {
                for (index, found) in &instruction.managers {
                    say(file, stage, instruction, &instruction.commands[*index], found);
                }
            }
        }
    }
}

/// Every pair of an ENV, and every ARG with a default.
pub(super) fn each_env(facts: &Facts, mut say: impl FnMut(&DockerfileFacts, &str, dockerfile::Span, &Value)) {
    for file in &facts.dockerfiles {
        for (_, own, instruction) in file.each() {
            match &instruction.kind {
                dockerfile::InstructionKind::Env(pairs) => {
                    for pair in pairs {
                        let value = own.scope.expand(&pair.value, file.escape());
                        say(file, &pair.key.raw, pair.key.span, &value);
                    }
                }
                dockerfile::InstructionKind::Run(_) => {
                    for command in &own.commands {
                        for (name, value) in &command.assignments {
                            say(file, name, value.span, value);
                        }
                        if command.program() == Some("export") {
                            for word in command.arguments() {
                                if let Some((name, value)) = word.split_once('=') {
                                    say(file, &name.text(), word.span, &value);
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// These rules, in three lists.
pub const RULES: [&[&Rule]; 3] = [versions::RULES, index::RULES, system::RULES];
