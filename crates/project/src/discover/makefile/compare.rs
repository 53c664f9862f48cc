//! A Makefile and a BuildConfig that build the same Dockerfile, compared.

use dockerfile::Span;

use super::Build;
use crate::Files;
use crate::finding::{Code, Finding};
use crate::model::{Argument, Image, ImageName, Output};
use crate::names::last_part;
use crate::place::Place;
use crate::uses::{From, Request, uses};

/// Notes how Makefiles call the images of BuildConfigs, and says where they build them otherwise.
pub fn compare(files: &dyn Files, builds: &[Build], images: &mut [Image], findings: &mut Vec<Finding>) {
    for image in images {
        for build in builds.iter().filter(|build| image.dockerfile.path() == Some(&build.dockerfile)) {
            let Some(place) = &build.place else { continue };
            let dockerfile = Parsed::of(files, build, place);
            let mut told = differences(build, image, dockerfile.as_ref());
            told.extend(dockerfile.as_ref().and_then(|dockerfile| other_from(dockerfile, build, image)));
            for difference in told {
                let message = format!("the Makefile builds `{}` {difference}", image.name);
                let fix = format!("the BuildConfig is at {}", image.declared);
                let finding = Finding::warning(Code::SourcesDisagree, place.clone(), message);
                findings.push(finding.fix(fix).about([&image.name]));
            }
            for name in dockerfile.iter().flat_map(|dockerfile| &dockerfile.unused) {
                let message = format!("the Dockerfile of `{}` declares no argument `{name}`", image.name);
                let fix = format!("add `ARG {name}` to it, or remove it here");
                let finding = Finding::warning(Code::UnusedArgument, place.clone(), message);
                findings.push(finding.fix(fix).about([&image.name]));
            }
            for tag in build.tags.iter().filter(|tag| !tag.contains('$')) {
                let name = ImageName::Reference(tag.clone());
                image.also_called.push(Output { name, push: false, place: place.clone() });
            }
        }
    }
}

/// What a build finds in its Dockerfile.
struct Parsed {
    text: String,
    /// What its FROMs name, each with the place.
    froms: Vec<From>,
    /// Arguments of the build that it does not declare.
    unused: Vec<String>,
}

impl Parsed {
    fn of(files: &dyn Files, build: &Build, place: &Place) -> Option<Parsed> {
        let bytes = files.read(&build.dockerfile).ok().flatten()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (dockerfile, _) = dockerfile::parse(&text);
        let argument = |(name, value): &(String, Option<String>)| Argument {
            name: name.clone(),
            value: value.clone(),
            place: place.clone(),
        };
        let args: Vec<Argument> = build.args.iter().map(argument).collect();
        let found = uses(&dockerfile, Request { args: &args, ..Request::default() });
        let unused = found.unused_args.iter().map(|number| args[*number].name.clone()).collect();
        Some(Parsed { froms: found.froms, unused, text })
    }
}

/// In a file of several stages, the two ways to replace a FROM replace different ones.
fn other_from(dockerfile: &Parsed, build: &Build, image: &Image) -> Option<String> {
    if build.from.is_none() || image.from.is_none() {
        return None;
    }
    let [first, .., last] = dockerfile.froms.as_slice() else { return None };
    let line = |span: Span| dockerfile::line_column(&dockerfile.text, span.start).line;
    Some(format!(
        "with `--from`, which replaces the first FROM (line {}), and its BuildConfig replaces the last (line {})",
        line(first.span),
        line(last.span)
    ))
}

/// What is different, after "the Makefile builds it".
fn differences(build: &Build, image: &Image, dockerfile: Option<&Parsed>) -> Vec<String> {
    let mut found = Vec::new();
    let known = |text: &&String| !text.contains('$');
    let written = dockerfile.and_then(|dockerfile| dockerfile.froms.first());
    match (build.from.as_ref().filter(known), &image.from, written) {
        (Some(from), Some(own), _) if !same_image(from, &own.image.to_string()) => {
            found.push(format!("on `{from}`, and its BuildConfig on `{}`", own.image));
        }
        (Some(from), None, Some(written)) if !same_image(from, &written.name) => {
            found.push(format!(
                "on `{from}`, and its BuildConfig on `{}`, as the Dockerfile says",
                written.name
            ));
        }
        _ => {}
    }
    let unused = |name: &String| dockerfile.is_some_and(|dockerfile| dockerfile.unused.contains(name));
    for (name, value) in build.args.iter().filter(|(name, _)| !unused(name)) {
        let Some(value) = value.as_ref().filter(known) else { continue };
        match image.args.iter().find(|arg| arg.name == *name) {
            Some(own) if own.value.as_ref().is_some_and(|own| own != value) => found.push(format!(
                "with {name}={value}, and its BuildConfig with {name}={}",
                own.value.as_deref().unwrap_or_default()
            )),
            Some(_) => {}
            None => found.push(format!("with {name}={value}, and its BuildConfig without")),
        }
    }
    let outputs: Vec<String> = image.outputs.iter().map(|output| output.name.to_string()).collect();
    for tag in build.tags.iter().filter(known) {
        let same_name: Vec<&String> = outputs.iter().filter(|own| last_part(own) == last_part(tag)).collect();
        if !same_name.is_empty() && !same_name.iter().any(|own| same_image(tag, own)) {
            found.push(format!("as `{tag}`, and its BuildConfig as `{}`", same_name[0]));
        }
    }
    if let (Some(context), Some(own)) = (&build.context, image.context.directory())
        && context != own
    {
        let shown =
            |directory: &str| if directory.is_empty() { ".".to_owned() } else { directory.to_owned() };
        found.push(format!(
            "from the files of `{}`, and its BuildConfig from `{}`",
            shown(context),
            shown(own)
        ));
    }
    found
}

/// Whether two references have the same last part and tag: their registries differ in every such repository.
fn same_image(one: &str, other: &str) -> bool {
    let tag = |reference: &str| {
        let last = reference.rsplit('/').next().unwrap_or_default().to_owned();
        last.split_once(':').map_or("latest".to_owned(), |(_, tag)| tag.to_owned())
    };
    last_part(one) == last_part(other) && tag(one) == tag(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn differences_from_a_build_config_are_told() {
        let tree = "//- /app/Makefile\nTAG = 2 # the newest\nall:\n\tpodman build . -t quay.io/o/app:$(TAG) --from b:1 --build-arg V=1 --build-arg W=1 -f Dockerfile\n\
            //- /app/Dockerfile\nARG V\nARG W\nFROM x\n//- /b.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app}\nspec:\n  source: {contextDir: app}\n  \
            strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: 'b:2'}, buildArgs: [{name: V, value: '2'}]}}\n  output: {to: {kind: ImageStreamTag, name: 'app:1'}}\n";
        let project = crate::load(&Memory::parse(tree), &crate::Given::default());
        let told = project.findings.iter().filter(|finding| finding.code == Code::SourcesDisagree);
        let told: Vec<&str> =
            told.map(|finding| finding.message.trim_start_matches("the Makefile builds `app` ")).collect();
        assert_eq!(
            told,
            [
                "on `b:1`, and its BuildConfig on `b:2`",
                "with V=1, and its BuildConfig with V=2",
                "with W=1, and its BuildConfig without",
                "as `quay.io/o/app:2`, and its BuildConfig as `app:1`",
            ]
        );
    }
}
