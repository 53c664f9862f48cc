//! What is committed, and what is copied of it.

use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};

/// Binaries among the files.
pub static BINARY: Rule = Rule {
    id: "binary-committed",
    family: Family::Source,
    levels: Levels::WARNING,
    title: "no binary is committed",
    why: "Nobody reviews it, nobody knows its source, and no update reaches it.",
    fix: "build it from source, or fetch it by digest from the central repository",
    bad: Example("//- lib/tool.jar\n«»PK\n"),
    good: Example("//- lib/tool.java\nclass Tool {}\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for binary in &facts.binaries {
            let path = &facts.source(binary.place.source).name;
            let wrapper = path.ends_with("gradle-wrapper.jar") || path.ends_with("maven-wrapper.jar");
            let test = path.split('/').any(|part| matches!(part, "test" | "tests" | "testdata" | "fixtures"));
            sink.find(binary.place, format!("{} is committed", binary.what));
            if binary.archive || wrapper || test {
                sink.at_most(Level::Info);
            }
        }
    },
};

/// Whole contexts.
pub static DOCKERIGNORE: Rule = Rule {
    id: "dockerignore-missing",
    family: Family::Repository,
    levels: Levels::INFO,
    title: "who copies the whole context says what not to copy",
    why: "`COPY .` takes the repository's history, local settings and whatever lies around, and each of them makes the layer another one.",
    fix: "add a `.dockerignore` with at least `.git`, or copy what is needed by name",
    bad: Example("//- Dockerfile\nFROM registry.example.com/base:1\nCOPY «.» /app\n"),
    good: Example("//- Dockerfile\nFROM registry.example.com/base:1\nCOPY . /app\n//- .dockerignore\n.git\n"),
    also: &[],
    needs: &[Need::Instructions, Need::Files],
    judge: |facts, sink| {
        for file in facts.dockerfiles.iter().filter(|file| file.ignored.is_none()) {
            for (_, _, instruction) in file.each() {
                let sources = match &instruction.kind {
                    dockerfile::InstructionKind::Copy(copy) if copy.from.is_none() => &copy.sources,
                    dockerfile::InstructionKind::Add(add) => &add.sources,
                    _ => continue,
                };
                for source in sources {
                    let text = facts.text(file.place(source.span));
                    if matches!(text, "." | "./" | "*" | "/" | "./*") {
                        sink.find(
                            file.place(source.span),
                            "the whole context is copied, and nothing says what not to",
                        );
                    }
                }
            }
        }
    },
};
