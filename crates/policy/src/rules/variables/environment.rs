//! Values of ENV: lists of directories, and variables that go on from what they were.

use dockerfile::InstructionKind;

use crate::level::Levels;
use crate::rule::{Example, Family, Foreign, Rule};

/// An empty element in a list of directories.
pub static EMPTY_ELEMENT: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV PATH=«/opt/bin:$PATH:»\nENV LD_LIBRARY_PATH=«:/opt/lib»\n",
    ),
    good: Example("FROM registry.example.com/base:1\nENV PATH=/opt/bin:$PATH CLASSPATH=/a::/b\n"),
    judge: |facts, sink| {
        let lists = [
            "PATH",
            "LD_LIBRARY_PATH",
            "PYTHONPATH",
            "LIBRARY_PATH",
            "PKG_CONFIG_PATH",
            "GOPATH",
            "NODE_PATH",
            "PERL5LIB",
        ];
        for file in &facts.dockerfiles {
            for (_, _, instruction) in file.each() {
                let InstructionKind::Env(pairs) = &instruction.kind else { continue };
                for pair in pairs.iter().filter(|pair| lists.contains(&pair.key.raw.as_str())) {
                    let value = pair.value.raw.trim_matches('"');
                    if value.len() > 1
                        && (value.starts_with(':') || value.ends_with(':') || value.contains("::"))
                    {
                        sink.find(
                            file.place(pair.value.span),
                            format!("an empty part of `{}` is the working directory", pair.key.raw),
                        );
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "path-empty-element",
        Levels::DOUBT,
        "lists of directories have no empty parts",
        "An empty part of PATH and its like means the working directory: a program or library that lies there is taken.",
        "remove the colon",
    )
};

/// LD_LIBRARY_PATH with a variable that nobody sets.
pub static UNSET_APPENDED: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nENV LD_LIBRARY_PATH=«/opt/lib:$LD_LIBRARY_PATH»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nENV LD_LIBRARY_PATH=/opt/lib\nENV LD_LIBRARY_PATH=/a:$LD_LIBRARY_PATH\nENV PYTHONPATH=/x${PYTHONPATH:+:$PYTHONPATH}\n",
    ),
    judge: |facts, sink| {
        let lists =
            ["LD_LIBRARY_PATH", "PYTHONPATH", "LIBRARY_PATH", "CLASSPATH", "PKG_CONFIG_PATH", "CPATH"];
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let InstructionKind::Env(pairs) = &instruction.kind else { continue };
                for pair in pairs.iter().filter(|pair| lists.contains(&pair.key.raw.as_str())) {
                    let (name, raw) = (&pair.key.raw, pair.value.raw.trim_matches('"'));
                    let ends = [format!(":${name}"), format!(":${{{name}}}")];
                    let begins = [format!("${name}:"), format!("${{{name}}}:")];
                    let joined = ends.iter().any(|end| raw.ends_with(end.as_str()))
                        || begins.iter().any(|begin| raw.starts_with(begin.as_str()));
                    if joined && own.scope.get(name).is_none() {
                        sink.find(file.place(pair.value.span), format!("where the base does not set `{name}`, an empty part remains, which is the working directory"));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "path-unset-appended",
        Levels::REMARK,
        "a list of directories is not joined with nothing",
        "Few bases set these variables. Joined with nothing, a colon remains at an end, and libraries are taken from the \
         working directory.",
        "leave the variable out, or write `${NAME:+:$NAME}`",
    )
};

/// Variables that are used in the instruction that sets them.
pub static ENV_SELF: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nENV HOME_DIR=/opt BIN_DIR=«$HOME_DIR/bin»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nENV HOME_DIR=/opt\nENV BIN_DIR=$HOME_DIR/bin PATH=/x:$PATH\n",
    ),
    also: &[Foreign::Hadolint("DL3044")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let InstructionKind::Env(pairs) = &instruction.kind else { continue };
                for (index, pair) in pairs.iter().enumerate() {
                    let used = crate::facts::dockerfile::Scope::used(&pair.value.raw, file.escape());
                    let own_pair = pairs[..index].iter().find(|other| {
                        used.contains(&other.key.raw) && own.scope.get(&other.key.raw).is_none()
                    });
                    if let Some(other) = own_pair {
                        let guarded = pair.value.raw.contains(&format!("${{{}:", other.key.raw));
                        if !guarded {
                            sink.find(
                                file.place(pair.value.span),
                                format!("`{}` is not set yet here", other.key.raw),
                            );
                        }
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "env-uses-itself",
        Levels::WARNING,
        "an ENV does not use what it sets itself",
        "All values of one ENV are expanded before any of them is set: the variable is empty, or has its old value.",
        "set it in an ENV of its own above",
    )
};
