//! Images and named build contexts, each asked for once.

use std::collections::HashMap;

use dockerfile::suggest::nearest;
use dockerfile::{Diagnostic, Span, Word};
use oci::causes::in_one_line;
use oci::{Platform, Reference};

use super::images::{BaseImage, ImageError, ImageName, Images, NamedContext};
use super::report::Report;
use super::request::PlanRequest;

/// What a name leads to.
#[derive(Debug, Clone)]
pub enum ImageFor {
    /// An image.
    Image(Box<BaseImage>),
    /// The tree of the named build context of this name.
    Tree(String),
}

/// Who asks for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A FROM, to start from it.
    From,
    /// A `--from`, to read from it: most names there are stages'.
    Flag,
}

/// Answers for names, kept for the next question.
pub struct Bases<'a> {
    request: &'a PlanRequest<'a>,
    images: &'a dyn Images,
    known: HashMap<(String, Platform), Option<ImageFor>>,
    names: HashMap<String, &'a str>,
}

impl<'a> Bases<'a> {
    /// Nothing asked yet.
    pub fn new(request: &'a PlanRequest<'a>, images: &'a dyn Images) -> Bases<'a> {
        let names = request.contexts.keys().map(|name| (normal(name), name.as_str())).collect();
        Bases { request, images, known: HashMap::new(), names }
    }

    /// The named build context that a name means. Names are compared as image references are, so that a context
    /// `debian` answers for `docker.io/library/debian:latest` too.
    pub fn context(&self, name: &str) -> Option<&'a NamedContext> {
        self.context_name(name).and_then(|name| self.request.contexts.get(name))
    }

    fn context_name(&self, name: &str) -> Option<&'a str> {
        if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
            return None;
        }
        self.names.get(&normal(name)).copied()
    }

    /// What a name leads to; nothing, with a diagnostic at the first time, where it leads nowhere.
    pub fn get(
        &mut self,
        name: &str,
        platform: &Platform,
        (asker, span): (Asker, Span),
        report: &mut Report<'_>,
    ) -> Option<ImageFor> {
        let key = (name.to_owned(), platform.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let context = self.context_name(name);
        let asked = match context.and_then(|name| self.request.contexts.get(name)) {
            Some(NamedContext::Tree) => Ok(ImageFor::Tree(context.unwrap_or(name).to_owned())),
            Some(NamedContext::Image(reference)) => self.ask(ImageName::Reference(reference), platform),
            Some(NamedContext::Layout(layout)) => self.ask(ImageName::Layout(layout), platform),
            None => self.ask(ImageName::Reference(name), platform),
        };
        let answer = match asked {
            Ok(answer) => Some(answer),
            Err(error) => {
                match self.meant_a_stage(name, &error, asker, span) {
                    Some(diagnostic) => report.add(diagnostic),
                    None => {
                        let diagnostic = self.describe(name, &error, span);
                        report.add_image(error, diagnostic);
                    }
                }
                None
            }
        };
        self.known.insert(key, answer.clone());
        answer
    }

    fn ask(&self, name: ImageName<'_>, platform: &Platform) -> Result<ImageFor, ImageError> {
        self.images.image(name, platform).map(|image| ImageFor::Image(Box::new(image)))
    }

    /// A word of a `--from` that is nearly a stage's name, and no image's as far as anybody says, was meant as the stage.
    fn meant_a_stage(&self, name: &str, error: &ImageError, asker: Asker, span: Span) -> Option<Diagnostic> {
        nearest(name, self.request.dockerfile.stage_names())?;
        let missing = match error {
            ImageError::NotFound { .. } | ImageError::Name { .. } => true,
            // Nobody answered: a name with a registry, a path or a tag was hardly meant as a stage's.
            ImageError::Upstream { .. } => !name.contains(['/', ':', '@', '.']),
            ImageError::Platform { .. } | ImageError::Project { .. } => false,
        };
        (missing && asker == Asker::Flag)
            .then(|| self.request.dockerfile.unknown_stage(&Word { raw: name.to_owned(), span }))
    }

    fn describe(&self, name: &str, error: &ImageError, span: Span) -> Diagnostic {
        let near = nearest(name, self.request.dockerfile.stage_names());
        let hint = match error {
            ImageError::NotFound { hint, .. } => {
                near.map(|near| format!("did you mean the stage `{near}`?")).or_else(|| hint.clone())
            }
            ImageError::Platform { available, .. } if !available.is_empty() => {
                Some(format!("it is there for {}", available.join(", ")))
            }
            ImageError::Name { .. } => near.map(|near| format!("did you mean the stage `{near}`?")),
            // Nobody answered for a name that may have been meant as a stage's.
            ImageError::Upstream { hint, .. } => {
                near.map(|near| format!("did you mean the stage `{near}`?")).or_else(|| hint.clone())
            }
            ImageError::Platform { .. } | ImageError::Project { .. } => None,
        };
        // What is wrong with a name names it.
        let message = match error {
            ImageError::Name { source, .. } => in_one_line(&**source),
            _ => in_one_line(error),
        };
        Diagnostic::error(span, message).hint_opt(hint)
    }
}

/// A name as references are compared: short, without `:latest`. What is no reference stays as it is.
fn normal(name: &str) -> String {
    let familiar = name.parse::<Reference>().map(|reference| reference.familiar());
    let familiar = familiar.unwrap_or_else(|_| name.to_owned());
    familiar.strip_suffix(":latest").map_or(familiar.clone(), ToOwned::to_owned)
}
