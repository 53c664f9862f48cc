//! Makefiles that build images: `podman build --from BASE -t NAME -f FILE DIRECTORY`, and the order in which they do.
//!
//! Only what stands there is read; nothing is run. Variables have the values that the Makefile gives them.

mod arguments;
mod command;
mod compare;
mod functions;
mod goals;
mod recipe;
mod text;

use std::collections::BTreeSet;

use crate::Files;
use crate::files::{file_name, join, parent};
use crate::finding::{Code, Finding};
use crate::model::{
    Argument, BaseOverride, Context, DeclaredBy, Image, ImageName, Located, Output, Sequence, WhichFrom,
};
use crate::place::Place;

use command::Built;
pub use compare::compare;
use goals::{Plan, Step};
use recipe::Rule;
use text::{Line, Variables, filled, words};

/// A build that a Makefile runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The Dockerfile, from the root.
    pub dockerfile: String,
    context: Option<String>,
    tags: Vec<String>,
    args: Vec<(String, Option<String>)>,
    from: Option<String>,
    target: Option<String>,
    no_cache: bool,
    place: Option<Place>,
}

/// What Makefiles say.
#[derive(Debug, Default)]
pub struct Makefiles {
    /// The builds that they run.
    pub builds: Vec<Build>,
    /// The orders in which their goals run them.
    pub sequences: Vec<Sequence>,
}

/// The builds of all Makefiles, and what of them is not there.
pub fn read_all(files: &dyn Files, findings: &mut Vec<Finding>) -> Makefiles {
    let is_makefile = |path: &&String| {
        let name = file_name(path);
        matches!(name, "Makefile" | "makefile" | "GNUmakefile") || name.ends_with(".mk")
    };
    let mut all: Vec<(String, Vec<Line>, Variables)> = Vec::new();
    for path in files.list().iter().filter(is_makefile) {
        let (lines, variables) = text::lines(files, path, findings);
        all.push((path.clone(), lines, variables));
    }
    // What another takes in is read there, with its variables and in its directory.
    let included: BTreeSet<String> = all
        .iter()
        .flat_map(|(path, lines, _)| {
            lines.iter().map(|line| line.place().file).filter(move |file| **file != **path)
        })
        .map(|file| file.to_string())
        .collect();
    let mut made = Makefiles::default();
    let mut plans = Vec::new();
    for (path, lines, variables) in all.iter().filter(|(path, ..)| !included.contains(path)) {
        let mut reader = Reader { files, path, lines, variables, made: &mut made, findings };
        plans.push(reader.plan());
    }
    arguments::settle(files, &mut made.builds);
    made.sequences = goals::sequences(&plans, &made.builds);
    made
}

/// A Makefile that is being read.
struct Reader<'r> {
    files: &'r dyn Files,
    path: &'r str,
    lines: &'r [Line],
    variables: &'r Variables,
    made: &'r mut Makefiles,
    findings: &'r mut Vec<Finding>,
}

impl Reader<'_> {
    fn plan(&mut self) -> Plan {
        let mut plan = Plan::new(self.path, self.variables);
        let mut rule = Rule::default();
        for line in self.lines {
            if let Some(next) = Rule::of(&line.text, self.variables) {
                plan.begin(&next, line.place());
                rule = next;
            }
            let Some(recipe) = recipe::recipe(&line.text) else { continue };
            for (target, script) in rule.scripts(self.files, recipe) {
                let script = recipe::unrolled(&filled(&script, self.variables, 0));
                let guessed = rule.is_pattern();
                let steps = self.steps(&script, line, guessed);
                plan.add(target, steps);
            }
        }
        plan
    }

    /// What a script does that begins in the Makefile's directory.
    fn steps(&mut self, script: &str, line: &Line, guessed: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut directory = parent(self.path).to_owned();
        let mut outer: Vec<String> = Vec::new();
        for command in script.split(['\n', ';']).flat_map(|part| part.split("&&")) {
            let mut command = command.trim();
            while let Some(inside) = command.strip_prefix('(') {
                outer.push(directory.clone());
                command = inside.trim_start();
            }
            let count = |bracket| command.matches(bracket).count();
            let closes = count(')').saturating_sub(count('(')).min(outer.len());
            let command = if closes > 0 { command.trim_end_matches(')') } else { command };
            let words = words(command);
            let words = if words.first().is_some_and(|word| word == "do") { &words[1..] } else { &words[..] };
            if let [cd, path] = words
                && cd == "cd"
            {
                directory = join(&directory, path).unwrap_or(directory);
            }
            steps.extend(goals::make(words, &directory));
            match command::built(self.files, words, &directory) {
                Some(Built::Build(mut build)) => {
                    build.place = Some(line.place());
                    steps.push(Step::Build(self.made.builds.len()));
                    self.made.builds.push(build);
                }
                Some(missing) if !guessed => self.missing(&missing, line),
                _ => {}
            }
            for _ in 0..closes {
                directory = outer.pop().unwrap_or(directory);
            }
        }
        steps
    }

    /// Says what is not there, unless the Makefile makes it.
    fn missing(&mut self, missing: &Built, line: &Line) {
        const MAKERS: [&str; 9] =
            ["git clone", "mkdir", "tar ", "unzip", "curl", "wget", "cp ", "rsync", "git submodule"];
        let says = |word: &str| self.lines.iter().any(|line| line.text.contains(word));
        let (code, path, what) = match missing {
            Built::NoDockerfile(path) => (Code::MissingDockerfile, path, "the Dockerfile"),
            Built::NoContext(path) => (Code::MissingContext, path, "the build context"),
            Built::Build(_) => return,
        };
        let name = file_name(path);
        let made = match missing {
            // `sed … > Dockerfile`, a rule for it, or a template beside it.
            Built::NoDockerfile(path) => {
                let written = self.lines.iter().any(|line| {
                    line.text.rsplit_once('>').is_some_and(|(_, after)| after.contains(name))
                        || (!line.text.starts_with('\t')
                            && line.text.split_once(':').is_some_and(|(targets, _)| targets.contains(name)))
                });
                let template = format!("{path}.");
                let templated = self.files.list().iter().any(|known| known.starts_with(&template));
                written || templated || says("git clone") || says("cp ")
            }
            _ => MAKERS.iter().any(|word| says(word)),
        };
        if made {
            return;
        }
        let message = format!("{what} `{path}` that the Makefile builds is not there");
        let fix = crate::graph::like(self.files, path);
        self.findings.push(Finding::warning(code, line.place(), message).fix_opt(fix));
    }
}

/// Gives images of Dockerfiles what a Makefile says of them.
pub fn apply(builds: &[Build], images: &mut [Image]) {
    for image in images {
        let path = image.dockerfile.path().map(str::to_owned);
        let own: Vec<&Build> =
            builds.iter().filter(|build| Some(&build.dockerfile) == path.as_ref()).collect();
        // Of several builds of one file, what they agree on is all that is known of it.
        let Some((first, others)) = own.split_first() else { continue };
        let Some(place) = &first.place else { continue };
        image.declared_by = DeclaredBy::Makefile;
        if let Some(context) = &first.context {
            image.context = Context::Directory(context.clone());
        }
        for build in &own {
            for tag in build.tags.iter().filter(|tag| !tag.contains('$')) {
                let place = build.place.clone().unwrap_or_else(|| place.clone());
                image.outputs.push(Output { name: ImageName::Reference(tag.clone()), push: false, place });
            }
        }
        if others.iter().all(|other| {
            (&other.args, &other.from, &other.target) == (&first.args, &first.from, &first.target)
        }) {
            image.no_cache = first.no_cache;
            image.target = first.target.clone().map(|value| Located { value, place: place.clone() });
            image.args = first
                .args
                .iter()
                .map(|(name, value)| {
                    let value = value.clone().filter(|value| !value.contains('$'));
                    Argument { name: name.clone(), value, place: place.clone() }
                })
                .collect();
            image.from = first.from.clone().filter(|from| !from.contains('$')).map(|from| BaseOverride {
                which: WhichFrom::First,
                image: ImageName::Reference(from),
                place: place.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn builds_are_read_with_their_variables() {
        let files = Memory::parse(
            "//- /app/Makefile\nENGINE ?= podman\nREG = quay.io/$(ORG)\nORG := forest\nTAG?=1\nbuild:\n\t@$(ENGINE) build --from ${REG}/base:$(TAG) \\\n\t  --build-arg V=2 -t $(REG)/app:$(TAG) -f Dockerfile .; $(ENGINE) push x\nother:\n\tcd sub && docker build --platform linux/amd64 -t sub:$$X .\n//- /app/Dockerfile\nFROM x\n//- /app/sub/Containerfile\nFROM y\n",
        );
        let builds = read_all(&files, &mut Vec::new()).builds;
        assert_eq!(builds.len(), 2, "{builds:?}");
        assert_eq!(builds[0].from.as_deref(), Some("quay.io/forest/base:1"));
        assert_eq!(builds[0].tags, ["quay.io/forest/app:1"]);
        assert_eq!(builds[0].args, [("V".to_owned(), Some("2".to_owned()))]);
        assert_eq!(builds[0].place.as_ref().map(|place| place.line), Some(6));
        assert_eq!(builds[1].dockerfile, "app/sub/Containerfile");
        assert_eq!(builds[1].context.as_deref(), Some("app/sub"));
    }

    #[test]
    fn targets_and_loops_are_followed() {
        let files = Memory::parse(
            "//- /Makefile\nORG = quay.io/o\nIMAGES = one two\nbuild-%:\n\t(cd images/$* && podman build -t $(ORG)/$*:1 .); podman push $(ORG)/$*:1\nloop:\n\tfor i in $(IMAGES); do \\\n\t  docker build -t $$i:2 images/$$i; \\\n\tdone\n//- /images/one/Dockerfile\nFROM x\n//- /images/two/Dockerfile\nFROM y\n",
        );
        let builds = read_all(&files, &mut Vec::new()).builds;
        let seen: Vec<(&str, &str)> =
            builds.iter().map(|build| (build.tags[0].as_str(), build.dockerfile.as_str())).collect();
        let (one, two) = ("images/one/Dockerfile", "images/two/Dockerfile");
        assert_eq!(
            seen,
            [("quay.io/o/one:1", one), ("quay.io/o/two:1", two), ("one:2", one), ("two:2", two)]
        );
    }
}
