//! The graph's making: nodes from declarations, edges from what Dockerfiles use.

use std::collections::HashMap;
use std::rc::Rc;

use dockerfile::{Dockerfile, Level};

use super::{EdgeKind, Graph};
use super::{cycles, finish, naming, overrides, pipelines, sequences, streams, triggers};
use crate::Files;
use crate::files::{below, file_name, is_directory, is_file, join, parent};
use crate::finding::{Code, Finding};
use crate::model::{Context, DockerfileSource, Image, ImageName, InputKind, Project};
use crate::names::{Meaning, Names};
use crate::place::{Place, Text};
use crate::uses::{Request, Use, Uses, uses};

/// See [`super::graph`].
pub fn build(project: &Project, files: &dyn Files) -> Graph {
    let mut draft = Draft::new(project, files);
    let readings: Vec<Option<Reading>> = (0..project.images.len()).map(|number| draft.read(number)).collect();
    for (number, reading) in readings.iter().enumerate() {
        draft.image(number, reading.as_ref());
    }
    draft.onbuild(&readings);
    naming::check(project, &mut draft.findings);
    overrides::check(&mut draft, &readings);
    cycles::cut(&mut draft);
    triggers::check(&mut draft);
    pipelines::check(&mut draft);
    sequences::check(&mut draft);
    streams::check(&mut draft);
    finish::finish(draft)
}

/// A graph that is being made.
pub struct Draft<'p> {
    /// What it is made of.
    pub project: &'p Project,
    files: &'p dyn Files,
    /// What names mean.
    pub names: Names,
    /// The edges so far.
    pub edges: Vec<DraftEdge>,
    /// Those that close a cycle, once they are cut.
    pub closing: Vec<DraftEdge>,
    /// What there is to say.
    pub findings: Vec<Finding>,
    parsed: HashMap<String, Option<Rc<(Text, Dockerfile)>>>,
}

/// An edge whose other end has no number yet.
#[derive(Clone, Debug)]
pub struct DraftEdge {
    /// What is used.
    pub from: End,
    /// Who uses it: an image, by number.
    pub to: usize,
    /// How.
    pub kind: EdgeKind,
    /// Where it says so.
    pub place: Place,
    /// As written.
    pub reference: String,
}

/// What an edge leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// An image of the project.
    Image(usize),
    /// A base of the project.
    Base(usize),
    /// An image from outside.
    External(String),
}

/// A Dockerfile as read for one image.
pub struct Reading {
    text: Text,
    /// Where it stands, if it is text of a manifest.
    inline: Option<(Place, bool)>,
    /// What it uses.
    pub uses: Uses,
}

impl Reading {
    /// The place of a part of the Dockerfile.
    pub fn place(&self, span: dockerfile::Span) -> Place {
        let own = self.text.place(span);
        match &self.inline {
            None => own,
            Some((place, false)) => place.clone(),
            Some((place, true)) => Place {
                line: place.line + own.line - 1,
                column: place.column + own.column - 1,
                ..place.clone()
            },
        }
    }
}

impl<'p> Draft<'p> {
    fn new(project: &'p Project, files: &'p dyn Files) -> Draft<'p> {
        Draft {
            project,
            files,
            names: Names::new(project),
            edges: Vec::new(),
            closing: Vec::new(),
            findings: Vec::new(),
            parsed: HashMap::new(),
        }
    }

    /// Reads an image's Dockerfile, and says what is wrong with it and with its build context.
    fn read(&mut self, number: usize) -> Option<Reading> {
        let image = &self.project.images[number];
        if let Some(directory) =
            image.context.directory().filter(|directory| !is_directory(self.files, directory))
        {
            let fix = like(self.files, directory);
            let message = format!("the build context `{directory}` of `{}` is not there", image.name);
            let place = context_place(image);
            self.findings
                .push(Finding::error(Code::MissingContext, place, message).fix_opt(fix).about([&image.name]));
        }
        let (text, inline, dockerfile) = match &image.dockerfile {
            DockerfileSource::Inline { text, place, block } => {
                let text = Text::new(&place.file, text);
                let (dockerfile, diagnostics) = dockerfile::parse(&text.text);
                let inline = Some((place.clone(), *block));
                let reading = Reading { text: text.clone(), inline: inline.clone(), uses: Uses::default() };
                self.say(&reading, diagnostics);
                (text, inline, Rc::new((reading.text, dockerfile)))
            }
            DockerfileSource::Path(_) if matches!(image.context, Context::Git { .. }) => return None,
            DockerfileSource::Path(path) => {
                let Some(parsed) = self.parse(&path.value) else {
                    self.missing_dockerfile(image, &path.value, &path.place);
                    return None;
                };
                (parsed.0.clone(), None, parsed)
            }
        };
        let request = Request {
            args: &image.args,
            target: image.target.as_ref().map(|target| target.value.as_str()),
            replaced: image.from.as_ref().map(|from| from.which),
        };
        let reading = Reading { text, inline, uses: uses(&dockerfile.1, request) };
        self.check_request(image, &reading, &dockerfile.1);
        Some(reading)
    }

    /// A Dockerfile of the repository. Several images may share one: it is read once.
    fn parse(&mut self, path: &str) -> Option<Rc<(Text, Dockerfile)>> {
        if let Some(known) = self.parsed.get(path) {
            return known.clone();
        }
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("`{path}` cannot be read: {error}");
                self.findings.push(Finding::error(Code::Unreadable, Place::start(path), message));
                None
            }
        };
        let parsed = bytes.map(|bytes| {
            let text = Text::new(path, &String::from_utf8_lossy(&bytes));
            let (dockerfile, diagnostics) = dockerfile::parse(&text.text);
            let reading = Reading { text: text.clone(), inline: None, uses: Uses::default() };
            self.say(&reading, diagnostics);
            Rc::new((text, dockerfile))
        });
        self.parsed.insert(path.to_owned(), parsed.clone());
        parsed
    }

    fn say(&mut self, reading: &Reading, diagnostics: Vec<dockerfile::Diagnostic>) {
        for diagnostic in diagnostics.into_iter().filter(|diagnostic| diagnostic.level == Level::Error) {
            let place = reading.place(diagnostic.span);
            let finding =
                Finding::error(Code::Dockerfile, place, diagnostic.message).fix_opt(diagnostic.hint);
            self.findings.push(finding);
        }
    }

    fn missing_dockerfile(&mut self, image: &Image, path: &str, place: &Place) {
        // Of a build that is sent its files there is nothing here, which is listed.
        let here = image.context.directory().is_some_and(|directory| is_directory(self.files, directory));
        if !here {
            return;
        }
        let beside = below(self.files, parent(path));
        let mut other: Vec<&str> = beside
            .iter()
            .filter(|known| parent(known) == parent(path) && crate::discover::is_dockerfile(file_name(known)))
            .map(|known| file_name(known))
            .collect();
        other.sort_unstable();
        let fix = match other.as_slice() {
            [] => like(self.files, path),
            names => Some(format!("in that directory there is {}", list(names))),
        };
        let message = format!("the Dockerfile `{path}` of `{}` is not there", image.name);
        let finding = Finding::error(Code::MissingDockerfile, place.clone(), message);
        self.findings.push(finding.fix_opt(fix).about([&image.name]));
    }

    fn check_request(&mut self, image: &Image, reading: &Reading, dockerfile: &Dockerfile) {
        if let (Some(target), true) = (&image.target, reading.uses.missing_target) {
            let names: Vec<&str> = dockerfile.stage_names().collect();
            let near = dockerfile::suggest::nearest(&target.value, names.iter().copied());
            let fix = near
                .map(|near| format!("did you mean `{near}`?"))
                .or_else(|| (!names.is_empty()).then(|| format!("the stages are {}", list(&names))));
            let message = format!("the Dockerfile of `{}` has no stage `{}`", image.name, target.value);
            let finding = Finding::error(Code::MissingTarget, target.place.clone(), message);
            self.findings.push(finding.fix_opt(fix).about([&image.name]));
        }
        for arg in reading.uses.unused_args.iter().map(|index| &image.args[*index]) {
            let message = format!("the Dockerfile of `{}` declares no argument `{}`", image.name, arg.name);
            let finding = Finding::warning(Code::UnusedArgument, arg.place.clone(), message);
            self.findings.push(
                finding.fix(format!("add `ARG {}` to it, or remove it here", arg.name)).about([&image.name]),
            );
        }
    }

    /// The edges of one image.
    fn image(&mut self, number: usize, reading: Option<&Reading>) {
        let image = &self.project.images[number];
        let uses = reading.map(|reading| reading.uses.uses.as_slice()).unwrap_or_default();
        for used in uses {
            let place = reading.map(|reading| reading.place(used.span));
            self.used(number, used, place.unwrap_or_else(|| image.declared.clone()));
        }
        // A repository that is not here: of its Dockerfile no more is known than what replaces its FROM.
        if let (None, Some(from)) = (reading, &image.from) {
            self.edge(number, &from.image, EdgeKind::From, from.place.clone());
        }
        for input in &image.inputs {
            if let InputKind::Image { image, source, .. } = &input.kind
                && !source.is_empty()
            {
                self.edge(number, image, EdgeKind::Input, input.place.clone());
            }
        }
    }

    fn used(&mut self, number: usize, used: &Use, place: Place) {
        let image = &self.project.images[number];
        let Some(reference) = &used.reference else {
            if let Some(from) = &image.from {
                self.edge(number, &from.image, used.kind, from.place.clone());
            }
            return;
        };
        if !used.unset.is_empty() {
            let message = format!("`{reference}` is not known: {} has no value", list(&used.unset));
            let fix = "give the ARG before the first FROM a default, or set it for the image";
            let finding = Finding::warning(Code::UnresolvedBase, place.clone(), message).fix(fix);
            self.findings.push(finding.about([&image.name]));
            let end = End::External(reference.clone());
            self.edges.push(DraftEdge {
                from: end,
                to: number,
                kind: used.kind,
                place,
                reference: reference.clone(),
            });
            return;
        }
        let aliased = image.inputs.iter().find_map(|input| match &input.kind {
            InputKind::Image { image, aliases, .. } if aliases.contains(reference) => Some(image),
            _ => None,
        });
        let name = aliased.cloned().unwrap_or_else(|| ImageName::Reference(reference.clone()));
        self.edge(number, &name, used.kind, place);
    }

    /// An edge to what a name means, with what there is to say about the name.
    fn edge(&mut self, number: usize, name: &ImageName, kind: EdgeKind, place: Place) {
        let namespace = self.project.images[number].namespace.as_deref();
        let meaning = self.names.meaning(name, namespace, number);
        naming::judge(self, number, name, &meaning, &place);
        let from = match meaning {
            Meaning::Images(images) => End::Image(images[0]),
            Meaning::Base(base) => End::Base(base),
            Meaning::OtherTag { external, .. } | Meaning::External(external) => End::External(external),
            Meaning::Stream { name, .. } | Meaning::Malformed(name) => End::External(name),
        };
        self.edges.push(DraftEdge { from, to: number, kind, place, reference: name.to_string() });
    }

    /// What ONBUILD instructions of an image make those use that are built on it.
    fn onbuild(&mut self, readings: &[Option<Reading>]) {
        let bases: Vec<(usize, usize)> = self
            .edges
            .iter()
            .filter(|edge| matches!(edge.kind, EdgeKind::From | EdgeKind::StageFrom))
            .filter_map(|edge| if let End::Image(base) = edge.from { Some((base, edge.to)) } else { None })
            .collect();
        for (base, user) in bases {
            let Some(reading) = &readings[base] else { continue };
            for used in &reading.uses.onbuild {
                self.used(user, used, reading.place(used.span));
            }
        }
    }
}

/// Where an image's build context is said.
fn context_place(image: &Image) -> Place {
    image.context_at.clone().unwrap_or_else(|| image.declared.clone())
}

/// A path of the repository that ends like one that is not there.
pub fn like(files: &dyn Files, path: &str) -> Option<String> {
    let name = file_name(path);
    let mut found: Vec<&str> = Vec::new();
    for known in files.list() {
        let mut above = known.as_str();
        while !above.is_empty() {
            if file_name(above) == name && !found.contains(&above) {
                found.push(above);
            }
            above = parent(above);
        }
        if found.len() > 3 {
            return None;
        }
    }
    let is_same_kind = |found: &&str| is_file(files, found) == path.contains("ockerfile");
    let found: Vec<&str> = found.into_iter().filter(is_same_kind).collect();
    if !found.is_empty() {
        return Some(format!("there is {}", list(&found)));
    }
    // What stands beside it, with nearly its name.
    let above = parent(path);
    let beside = below(files, above).iter().filter_map(|known| {
        let rest = if above.is_empty() { known } else { known.strip_prefix(above)?.strip_prefix('/')? };
        Some(rest.split('/').next().unwrap_or(rest))
    });
    let near = dockerfile::suggest::nearest(name, beside)?;
    join(above, near).map(|near| format!("did you mean `{near}`?"))
}

/// Names for a message: `` `a`, `b` and `c` ``.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
